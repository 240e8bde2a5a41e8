"""The things that a wish for a number selects, in order, and how an answer lists them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import zip_longest

from retrieval_service.domain.numeric_lists.fields import NumericField
from retrieval_service.domain.numeric_lists.phrases import ListingPhrases, listing_phrases
from retrieval_service.domain.numeric_lists.wishes import Aim, Range, Wish
from retrieval_service.domain.retrieval.subjects import Thing
from retrieval_service.text.facts.prices import format_price, with_currency
from retrieval_service.text.facts.words import UNITS

MOST_SHOWN = 7
MOST_NEAREST = 3
_SIGNS = {"$": ["USD", "CAD", "AUD", "NZD", "MXN", "ARS", "CLP", "COP", "SGD", "HKD"], "¥": ["JPY", "CNY"]}
_DOLLAR_LIKE = {code: group for group in _SIGNS.values() for code in group}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A thing and its value of the field, in the base unit; `stated` is the number under the document's own `key`.

    None of one that states the field in words or not at all.
    """

    thing: Thing
    key: str = ""
    stated: Decimal | None = None
    value: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What to show of `count` things; `is_nearest` when none fulfils the wish, `is_contrary` when its stock is not so.

    `asked_currency` is set when no price is in it, `currency` is the one that the prices are in then. `apart` are those
    that cannot be compared with the others, and are not shown.
    """

    wish: Wish
    field: NumericField
    entries: Sequence[Entry]
    count: int
    is_nearest: bool = False
    is_contrary: bool = False
    asked_currency: str = ""
    currency: str = ""
    apart: int = 0


def may_be_listed(wish: Wish, field: NumericField, thing: Thing) -> bool:
    """Whether it states what the list is about."""
    is_told = field.is_price and (thing.price or (wish.in_stock is not None and thing.in_stock is not None))
    return bool(is_told) or field.value(thing.numbers) is not None


def listing_of(wish: Wish, field: NumericField, things: Sequence[Thing]) -> Listing | None:
    """None when no thing states what is asked for."""
    told = [one for one in things if one.in_stock is not None]
    fitting = [one for one in told if one.in_stock is wish.in_stock] if wish.in_stock is not None else things
    entries = [_entry(one, field) for one in fitting or told if may_be_listed(wish, field, one)]
    if not entries:
        return None
    is_contrary = not fitting
    if is_contrary:
        wish = replace(wish, within=None, aim=Aim.LIST)
    shown = _of_prices(wish, field, entries) if field.is_price else _selected(wish, field, entries)
    return replace(shown, is_contrary=is_contrary) if shown else None


def _entry(thing: Thing, field: NumericField) -> Entry:
    read = field.value(thing.numbers)
    return (
        Entry(thing=thing, key=read[0], stated=thing.numbers[read[0]], value=read[1])
        if read
        else Entry(thing=thing)
    )


def _of_prices(wish: Wish, field: NumericField, entries: Sequence[Entry]) -> Listing | None:
    """What is listed whole has prices of other currencies, and such in words, behind the others."""
    asked = _DOLLAR_LIKE.get(wish.currency, [wish.currency])
    in_figures = [one for one in entries if one.value is not None]
    in_it = [one for one in in_figures if not wish.currency or one.thing.currency in ("", *asked)]
    # A price without a currency may be in the asked one only where no other is known.
    if wish.currency and not {one.thing.currency for one in in_figures} <= {"", *asked}:
        in_it = [one for one in in_it if one.thing.currency]
    if wish.currency and in_figures and not in_it:
        shown = _selected(replace(wish, within=None, aim=Aim.LIST), field, in_figures)
        apart = len(entries) - len(in_figures)
        return replace(shown, asked_currency=wish.currency, currency=_commonest(in_figures), apart=apart)
    commonest = _commonest(in_it)
    comparable = [one for one in in_it if one.thing.currency in ("", commonest)]
    apart = [one for one in entries if one not in comparable]
    if wish.within is None and wish.aim in (Aim.LIST, Aim.COUNT):
        ranked = [*_ranked(wish, comparable), *sorted(apart, key=lambda one: one.thing.title)]
        shown = ranked if wish.subject or wish.in_stock is None else _by_turns(ranked)
        return Listing(wish=wish, field=field, entries=shown[:MOST_SHOWN], count=len(ranked))
    return replace(_selected(wish, field, comparable), apart=len(apart)) if comparable else None


def _commonest(entries: Sequence[Entry]) -> str:
    counts = Counter(one.thing.currency for one in entries if one.thing.currency)
    return max(sorted(counts), key=counts.__getitem__, default="")


def _by_turns(entries: Sequence[Entry]) -> list[Entry]:
    """One of each group, then the next: who asks what there is wants to see all kinds."""
    groups: dict[str, list[Entry]] = {}
    for one in entries:
        groups.setdefault(one.thing.section, []).append(one)
    return [one for row in zip_longest(*groups.values()) for one in row if one]


def _ranked(wish: Wish, entries: Sequence[Entry]) -> list[Entry]:
    return sorted(
        entries, key=lambda one: (one.value or Decimal(0), one.thing.title), reverse=wish.is_descending
    )


def _selected(wish: Wish, field: NumericField, entries: Sequence[Entry]) -> Listing:
    """Of those that state the field in figures."""
    ranked = _ranked(wish, entries)
    within = _in_base(wish)
    if within:
        fitting = [one for one in ranked if within.holds(one.value or Decimal(0))]
        near = sorted(fitting or ranked, key=lambda one: within.distance(one.value or Decimal(0)))
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
        behind = _behind(listing, phrases) if number == len(listing.entries) else ""
        lines.append(f"\n- {', '.join(_said(entry, listing.field, phrases, language))}{behind} [{number}]")
    return lines


def _behind(listing: Listing, phrases: ListingPhrases) -> str:
    """How many more there are, and how many that are not compared."""
    rest = listing.count - len(listing.entries)
    more = phrases.more.format(count=rest) if rest > 0 else ""
    apart = phrases.apart.format(count=listing.apart) if listing.apart else ""
    return "".join(f"; {one}" for one in (more, apart) if one)


def _said(entry: Entry, field: NumericField, phrases: ListingPhrases, language: str) -> Iterator[str]:
    thing = entry.thing
    # Its own brackets would be read as a marker.
    price = with_currency(thing.price, thing.currency, language)
    value = price if entry.stated is None else _value(entry.stated, entry, field, language)
    yield " — ".join(filter(None, (one.translate(_NO_BRACKETS) for one in (thing.title, value))))
    if thing.in_stock is not None:
        yield phrases.in_stock if thing.in_stock else phrases.out_of_stock


_NO_BRACKETS = str.maketrans("[]\n", "() ")


def _value(stated: Decimal, entry: Entry, field: NumericField, language: str) -> str:
    if field.is_price:
        return format_price(stated, entry.thing.currency, language)
    parts = [part for part in re.split(r"[\W_]+", entry.key.lower()) if part]
    unit = next((part for part in reversed(parts[1:]) if part in UNITS), "")
    name = " ".join(part for part in parts if part != unit)
    return f"{name} {format_price(stated, unit, language)}"


def _lead_in(listing: Listing, phrases: ListingPhrases, language: str) -> str:
    wish, field = listing.wish, listing.field
    if listing.asked_currency:
        return _filled(phrases.other_currency, name=listing.currency or "—", value=listing.asked_currency)
    if wish.in_stock is not None and (listing.is_contrary or wish.aim in (Aim.LIST, Aim.COUNT)):
        return _of_stock(listing, phrases, in_stock=wish.in_stock)
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


def _of_stock(listing: Listing, phrases: ListingPhrases, *, in_stock: bool) -> str:
    if listing.is_contrary:
        return phrases.none_in_stock if in_stock else phrases.none_out_of_stock
    return _filled(phrases.in_stock_all if in_stock else phrases.out_of_stock_all, count=str(listing.count))


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
