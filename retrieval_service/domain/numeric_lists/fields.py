"""Which stored number a wish is about: by the price's names, by a unit in the field's name, or by its words."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from retrieval_service.domain.numeric_lists.wishes import Wish
from retrieval_service.text.comparison_words import PRICE
from retrieval_service.text.facts.words import UNITS
from retrieval_service.text.words import fold, stem

_LANGUAGES = ("ru", "en", "pt")
_PARTS = re.compile(r"[\W_]+")
# What a field may be called that holds a measure; English, Russian, Portuguese.
_NAMES: Mapping[str, frozenset[str]] = {
    PRICE: frozenset(["price", "cost", "цена", "стоимость", "preço", "preco", "valor"]),
    "gram": frozenset(["weight", "вес", "масса", "peso"]),
    "watt": frozenset(["power", "мощность", "potência", "potencia"]),
    "litre": frozenset(["volume", "capacity", "объем", "емкость", "capacidade"]),
    "metre": frozenset(["length", "длина", "comprimento"]),
    "volt": frozenset(["voltage", "напряжение", "tensão", "tensao"]),
}
# A number of days may be anything's, and so may a share: such a field has to be named.
_NAMED_ONLY = frozenset({"second", "month", "degree", "percent", "point", "piece"})


@dataclass(frozen=True, kw_only=True)
class NumericField:
    """Fields that state one thing, each with what makes its unit the measure's base: weight_g, weight_kg."""

    name: str
    factors: Mapping[str, Decimal]

    @property
    def is_price(self) -> bool:
        return self.name == PRICE

    def value(self, numbers: Mapping[str, Decimal]) -> tuple[str, Decimal] | None:
        """The field that a document has, and its value in the base unit."""
        stated = ((key, numbers[key] * factor) for key, factor in self.factors.items() if key in numbers)
        return next(stated, None)


def field_of(wish: Wish, keys: Iterable[str]) -> tuple[NumericField, Wish] | None:
    """The field among those that the documents have, and the wish without the words that name it; None for none."""
    fields = list(_fields(keys, wish))
    said = _stems(wish.subject)
    named = [(field, words) for field in fields if (words := _naming(field, said))]
    if not wish.measure:
        return _taken(wish, named[0]) if named else None
    sound = fold(wish.measure)
    fitting = [field for field in fields if _measures(field, wish.measure, sound)]
    if chosen := next((one for one in named if one[0] in fitting), None):
        return _taken(wish, chosen)
    if wish.measure in _NAMED_ONLY or len({field.name for field in fitting}) != 1:
        return None
    return fitting[0], wish


def _taken(wish: Wish, named: tuple[NumericField, Collection[str]]) -> tuple[NumericField, Wish]:
    field, words = named
    return field, replace(wish, subject=tuple(word for word in wish.subject if word not in words))


def _fields(keys: Iterable[str], wish: Wish) -> Iterable[NumericField]:
    """The price is the one of that very name, where there is one."""
    known = sorted(set(keys), key=lambda key: (key != PRICE, key))
    prices = [key for key in known if _parts(key) & _NAMES[PRICE]]
    groups: dict[str, dict[str, Decimal]] = {PRICE: {prices[0]: Decimal(1)}} if prices else {}
    for key in known:
        if key not in prices:
            name, factor = _named(key, wish)
            groups.setdefault(name, {})[key] = factor
    return (NumericField(name=name, factors=factors) for name, factors in groups.items())


def _named(key: str, wish: Wish) -> tuple[str, Decimal]:
    """The key without its unit, and the unit's share of the base."""
    parts = [part for part in _PARTS.split(key.lower()) if part]
    unit = next((part for part in reversed(parts) if part in UNITS), "") if len(parts) > 1 else ""
    name = " ".join(part for part in parts if part != unit)
    # Without a unit it is taken in the one that the question has.
    return (f"{name} {UNITS[unit][0]}", UNITS[unit][1]) if unit else (name, wish.factor)


def _parts(key: str) -> frozenset[str]:
    return frozenset(_PARTS.split(key.lower()))


def _measures(field: NumericField, measure: str, sound: str) -> bool:
    """`sound` is the folded measure."""
    if field.is_price or measure == PRICE:
        return field.is_price and measure == PRICE
    parts = frozenset(field.name.split())
    if measure in parts or parts & _NAMES.get(measure, frozenset()):
        return True
    return measure not in UNITS and sound in map(fold, parts)


def _stems(subject: Iterable[str]) -> Mapping[tuple[str, str], Collection[str]]:
    """The words by their stems in any of the languages."""
    said: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for word in subject:
        for language in _LANGUAGES:
            said[stem(word, language)].add(word)
    return said


def _naming(field: NumericField, said: Mapping[tuple[str, str], Collection[str]]) -> Collection[str]:
    """The words that name the field, in whatever language one knows its measure in."""
    parts = {
        part for key in field.factors for part in _PARTS.split(key.lower()) if part and part not in UNITS
    }
    names = parts.union(*(one for one in _NAMES.values() if one & parts))
    measures = {UNITS[part][0] for key in field.factors for part in _parts(key) if part in UNITS}
    names = names.union(*(_NAMES.get(measure, frozenset()) for measure in measures))
    stems = {stem(name, language) for name in names for language in _LANGUAGES}
    return {word for one in stems for word in said.get(one, ())}
