"""The things that a wish for a number selects, in order, and how an answer lists them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from retrieval_service.domain.fact_words import UNITS
from retrieval_service.domain.listing_phrases import ListingPhrases, listing_phrases
from retrieval_service.domain.numeric_fields import NumericField
from retrieval_service.domain.numeric_wishes import Aim, Range, Wish
from retrieval_service.domain.prices import format_price
from retrieval_service.domain.subjects import Thing

MOST_SHOWN = 7
MOST_NEAREST = 3
_SIGNS = {"$": ["USD", "CAD", "AUD", "NZD", "MXN", "ARS", "CLP", "COP", "SGD", "HKD"], "¥": ["JPY", "CNY"]}
_DOLLAR_LIKE = {code: group for group in _SIGNS.values() for code in group}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A thing and its value of the field, in the base unit; `stated` is the number under the document's own `key`."""

    thing: Thing
    key: str
    stated: Decimal
    value: Decimal


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What to show of `count` things; `is_nearest` when none fulfils the wish.

    `asked_currency` is set when no price is in it, `currency` when some prices are in another and were left out.
    """

    wish: Wish
    field: NumericField
    entries: Sequence[Entry]
    count: int
    is_nearest: bool = False
    asked_currency: str = ""
    currency: str = ""


def listing_of(wish: Wish, field: NumericField, things: Sequence[Thing]) -> Listing | None:
    """None when no thing has the field."""
    entries = [
        Entry(thing=one, key=read[0], stated=one.numbers[read[0]], value=read[1])
        for one in things
        if (read := field.value(one.numbers))
    ]
    if not entries:
        return None
    if not field.is_price:
        return _selected(wish, field, entries)
    asked = _DOLLAR_LIKE.get(wish.currency, [wish.currency])
    in_it = [one for one in entries if not wish.currency or one.thing.currency in ("", *asked)]
    if not in_it:
        shown = _selected(replace(wish, within=None, aim=Aim.LIST), field, entries)
        return replace(shown, asked_currency=wish.currency, currency=_commonest(entries))
    commonest = _commonest(in_it)
    comparable = [one for one in in_it if one.thing.currency == commonest]
    shown = _selected(wish, field, comparable)
    return shown if len(comparable) == len(entries) else replace(shown, currency=commonest)


def _commonest(entries: Sequence[Entry]) -> str:
    return Counter(one.thing.currency for one in entries).most_common(1)[0][0]


def _selected(wish: Wish, field: NumericField, entries: Sequence[Entry]) -> Listing:
    ranked = sorted(entries, key=lambda one: (one.value, one.thing.title), reverse=wish.is_descending)
    within = _in_base(wish)
    if within:
        fitting = [one for one in ranked if within.holds(one.value)]
        near = sorted(fitting or ranked, key=lambda one: within.distance(one.value))
        is_by_distance = not fitting or within.about is not None
        ranked = near if is_by_distance else fitting
        if not fitting:
            return Listing(wish=wish, field=field, entries=ranked[:MOST_NEAREST], count=0, is_nearest=True)
    elif wish.aim in (Aim.LOWEST, Aim.HIGHEST):
        ranked = [one for one in ranked if one.value == ranked[0].value]
    return Listing(wish=wish, field=field, entries=ranked[:MOST_SHOWN], count=len(ranked))


def _in_base(wish: Wish) -> Range | None:
    within = wish.within
    if within is None:
        return None
    ends = {name: getattr(within, name) for name in ("lower", "upper", "about")}
    scaled = {name: None if end is None else end * wish.factor for name, end in ends.items()}
    return replace(within, **scaled)


# --- in words


def lines_of(listing: Listing, language: str) -> list[str]:
    """The lead-in, then a line for each thing that cites it by its place, from 1."""
    phrases = listing_phrases(language)
    lines = [_lead_in(listing, phrases, language)]
    for number, entry in enumerate(listing.entries, start=1):
        rest = listing.count - len(listing.entries) if number == len(listing.entries) else 0
        behind = f"; {phrases.more.format(count=rest)}" if rest > 0 else ""
        lines.append(f"\n- {', '.join(_said(entry, listing.field, phrases, language))}{behind} [{number}]")
    return lines


def _said(entry: Entry, field: NumericField, phrases: ListingPhrases, language: str) -> Iterator[str]:
    thing = entry.thing
    # Its own brackets would be read as a marker.
    yield f"{thing.title.translate(_NO_BRACKETS)} — {_value(entry, field, language)}"
    if thing.in_stock is not None:
        yield phrases.in_stock if thing.in_stock else phrases.out_of_stock


_NO_BRACKETS = str.maketrans("[]\n", "() ")


def _value(entry: Entry, field: NumericField, language: str) -> str:
    if field.is_price:
        return format_price(entry.stated, entry.thing.currency, language)
    parts = [part for part in re.split(r"[\W_]+", entry.key.lower()) if part]
    unit = next((part for part in reversed(parts[1:]) if part in UNITS), "")
    name = " ".join(part for part in parts if part != unit)
    return f"{name} {format_price(entry.stated, unit, language)}"


def _lead_in(listing: Listing, phrases: ListingPhrases, language: str) -> str:
    wish, field = listing.wish, listing.field
    if listing.asked_currency:
        return _filled(phrases.other_currency, name=listing.currency or "—", value=listing.asked_currency)
    if listing.currency and not listing.wish.currency:
        return _filled(phrases.only_currency, name=listing.currency)
    if wish.within and listing.is_nearest:
        return _filled(phrases.nothing_within, range=_range(listing, wish.within, phrases, language))
    if wish.aim is Aim.COUNT:
        return _filled(phrases.count, count=str(listing.count))
    if wish.within:
        return _filled(phrases.within, range=_range(listing, wish.within, phrases, language))
    if wish.aim is Aim.LIST:
        return phrases.by_price
    lowest = wish.aim is Aim.LOWEST
    if field.is_price:
        return phrases.lowest_price if lowest else phrases.highest_price
    return _filled(phrases.lowest if lowest else phrases.highest, name=field.name.split()[0])


def _range(listing: Listing, within: Range, phrases: ListingPhrases, language: str) -> str:
    def amount(value: Decimal | None) -> str:
        currency = listing.wish.currency or listing.entries[0].thing.currency
        unit = currency if listing.field.is_price else listing.wish.unit
        return format_price(value or Decimal(0), unit, language)

    if within.about is not None:
        return _filled(phrases.about, value=amount(within.about))
    if within.lower is not None and within.upper is not None:
        return _filled(phrases.between, low=amount(within.lower), high=amount(within.upper))
    if within.upper is not None:
        pattern = phrases.below if within.is_upper_strict else phrases.up_to
        return _filled(pattern, value=amount(within.upper))
    return _filled(phrases.above if within.is_lower_strict else phrases.at_least, value=amount(within.lower))


def _filled(pattern: str, **values: str) -> str:
    """Replaced, not formatted: a name may hold braces."""
    for name, value in values.items():
        pattern = pattern.replace(f"{{{name}}}", value)
    return pattern
