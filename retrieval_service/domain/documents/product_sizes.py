"""Whether a product has the size that is asked for: from the numbers of its name and fields, and what they count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from retrieval_service.domain.documents.entries import Field
from retrieval_service.domain.documents.templates import Role
from retrieval_service.text.facts.facts import Amount, amounts_of
from retrieval_service.text.facts.numbers import numbers_of
from retrieval_service.text.facts.words import CURRENCIES
from retrieval_service.text.polarity import Stance
from retrieval_service.text.words import stem, words

# Of a question and of a product, whatever their size.
_MOST_ASKED = 4
_MOST_CHARACTERS = 2_000
_LONGEST_QUESTION = 300
# How long something takes or lasts, costs, or how many are wanted, is no size of it.
_NO_SIZES = frozenset({"second", "month", "percent", "piece", "point", *CURRENCIES.values()})
_BEHIND = re.compile(r"[ \u00a0-]?([^\W\d_]+)")
_BEFORE = re.compile(r"(?<![^\W\d_])([^\W\d_]++)[ \u00a0]\Z")
_FOR = frozenset({"for", "на", "для", "para", "pra"})
_PERSONS = frozenset({"person", "persons", "people", "seater", "pessoas", "lugares"}) | frozenset(
    {"человек", "чел", "персон", "мест", "местная", "местный"}
)
_FRACTION = re.compile(r"(?<![\d/])\d{1,2}/\d{1,2}(?![\d/])")
_BARE = re.compile(r"\d{1,6}")
_LEAST = frozenset({"min", "minimum", "from", "мин", "минимум", "от", "mín", "mínimo"})
_MOST = frozenset({"max", "maximum", "to", "up", "макс", "максимум", "до", "máx", "máximo"})


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A number of the question in all its readings, the words around it, and whether it is "for" so many."""

    readings: Sequence[Amount]
    behind: str
    before: str
    is_for: bool
    span: tuple[int, int]


def size_stances(question: str, products: Sequence[tuple[str, Sequence[Field], str]]) -> list[Stance]:
    """One for each product's name, fields and language: one with another size of the kind that is asked for opposes.

    What is silent of the kind, or has the number anywhere, does not.
    """
    asked = _asked(question)
    fractions = frozenset(_FRACTION.findall(question))
    return [_stance(asked, fractions, *product) for product in products]


def size_sentences(question: str, title: str, fields: Sequence[Field], language: str) -> list[str]:
    """The fields, as they are quoted, that say of the kind of size that is asked for."""
    told = [one for one in fields if one.role is Role.ATTRIBUTE]
    sizes = (size for asked in _asked(question) for size in _sizes(asked, title, told, language))
    return [f"{label}: {text}" for label, text in dict.fromkeys(sizes) if label]


def without_sizes(question: str) -> str:
    """What is said besides: fields prove the number, in whatever words it is said."""
    for one in reversed(_asked(question)):
        question = f"{question[: one.span[0]]} {question[one.span[1] :]}"
    return question


def _asked(question: str) -> list[_Asked]:
    """In the order in which they stand there."""
    if len(question) > _LONGEST_QUESTION:
        return []
    return sorted(islice(_numbers(question), _MOST_ASKED), key=lambda one: one.span)


def _numbers(question: str) -> Iterator[_Asked]:
    for number, readings in zip(numbers_of(question), amounts_of(question), strict=True):
        behind, before = _BEHIND.match(question, number.end), _BEFORE.search(question[: number.start])
        is_size = readings and readings[0].unit not in _NO_SIZES and readings[0].least > 1
        if is_size and not _is_in(number.start, question):
            said, counted = (match[1].casefold() if match else "" for match in (before, behind))
            is_for = said in _FOR or counted in _PERSONS
            is_unit = bool(readings[0].unit) or counted in _PERSONS
            end = behind.end() if behind and is_unit else number.end
            span = (number.start, end)
            yield _Asked(readings=readings, behind=counted, before=said, is_for=is_for, span=span)


def _is_in(start: int, question: str) -> bool:
    """Whether the number stands in a fraction or a name like "D-20"."""
    return (start > 0 and question[start - 1] in "/-–.,:") or any(
        match.start() <= start < match.end() for match in _FRACTION.finditer(question)
    )


def _stance(
    asked: Sequence[_Asked], fractions: frozenset[str], title: str, fields: Sequence[Field], language: str
) -> Stance:
    told = [one for one in fields if one.role is Role.ATTRIBUTE]
    text = "\n".join([title, *(one.text for one in fields if one.role is not Role.PRICE)])[:_MOST_CHARACTERS]
    stances = {_of_number(one, title, told, text, language) for one in asked}
    if fractions and (known := frozenset(_FRACTION.findall(text))):
        stances.add(Stance.FITS if fractions & known else Stance.OPPOSES)
    order = (Stance.OPPOSES, Stance.FITS)
    return next((one for one in order if one in stances), Stance.FREE)


def _of_number(asked: _Asked, title: str, told: Sequence[Field], text: str, language: str) -> Stance:
    sizes = list(_sizes(asked, title, told, language))
    if _has(asked, title) or any(_holds(asked, label, size) for label, size in sizes):
        return Stance.FITS
    return Stance.OPPOSES if sizes and not _has(asked, text) else Stance.FREE


def _sizes(asked: _Asked, title: str, told: Sequence[Field], language: str) -> Iterator[tuple[str, str]]:
    """What the product says of the kind of size, each below what it is called."""
    texts = [("", title), *((one.label, one.text) for one in told)]
    if unit := asked.readings[0].unit:
        yield from ((label, text) for label, text in texts if unit in _units(text))
        return
    named = [(label, text) for label, text in texts if _is_named(asked, label, text, language)]
    if named or not asked.is_for:
        yield from named
    else:
        yield from ((label, text) for label, text in texts if _BARE.fullmatch(text))


def _units(text: str) -> frozenset[str]:
    return frozenset(readings[0].unit for readings in amounts_of(text[:_MOST_CHARACTERS]) if readings)


def _is_named(asked: _Asked, label: str, text: str, language: str) -> bool:
    """By the field's name, or by what stands behind a number of it."""
    text = text[:_MOST_CHARACTERS]
    numbers = [one for one in numbers_of(text) if not _is_in(one.start, text)]
    counted = {match[1].casefold() for one in numbers if (match := _BEHIND.match(text, one.end))}
    names = words(label) if numbers else ()
    said = _stems((asked.behind, asked.before), language)
    return bool(said & _stems(names, language)) or bool(
        _stems([asked.behind], language) & _stems(counted, language)
    )


def _stems(said: Iterable[str], language: str) -> frozenset[tuple[str, str]]:
    return frozenset(stem(word, language) for word in said if word and word not in _FOR)


def _has(asked: _Asked, text: str) -> bool:
    return any(
        one.covers(reading) or one.may_cover(reading)
        for several in amounts_of(text[:_MOST_CHARACTERS])
        for one in several
        for reading in asked.readings
    )


def _holds(asked: _Asked, label: str, text: str) -> bool:
    """Whether it is the number, or lies on the right side of a limit."""
    if _has(asked, text):
        return True
    said = frozenset(words(label))
    amounts = [one for several in amounts_of(text) for one in several]
    for reading in asked.readings:
        value = reading.least * reading.factor
        if said & _LEAST and any(one.least * _factor(one, reading) <= value for one in amounts):
            return True
        if said & _MOST and any(one.most * _factor(one, reading) >= value for one in amounts):
            return True
    return False


def _factor(one: Amount, other: Amount) -> Decimal:
    """What stands without a unit is meant in the other's."""
    return one.factor if one.unit else other.factor
