"""Facts of a text that can be looked up in another: prices, amounts, dates, times, phones, mail, codes, numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from retrieval_service.text.contacts import national_digits
from retrieval_service.text.facts.days import dates_of
from retrieval_service.text.facts.numbers import GAP, SYMBOL, Number, numbers_of
from retrieval_service.text.facts.words import CURRENCIES, UNITS

_WORD = re.compile(rf"{GAP}?-?(?P<word>{SYMBOL}|por cento|per cent|°[CС]?|[%％]|[^\W\d_]+)", re.IGNORECASE)
# "14 рабочих дней", "5 business days", "2 milhões de reais".
_BETWEEN = re.compile(
    rf"{GAP}(?:рабоч|календарн|полн)\w+(?={GAP})|{GAP}(?:business|working|calendar|full|de)(?={GAP})",
    re.IGNORECASE,
)
_DASHES = frozenset("-–—")
_DIGITS = re.compile(r"\d+")

_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w.,])\+?\(?\d(?:[ \u00a0()-]{0,2}\d){9,14}(?!\d)")
_TIME = re.compile(
    r"(?<![\d:.,])([01]?\d|2[0-3])(?::([0-5]\d)|h([0-5]\d)?)(?![\d:])|(?<![\d:])(\d{1,2})(?::([0-5]\d))? ?([ap])\.?m\b",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"\b(?=[A-ZА-Я-]{1,40}\d)[A-ZА-Я][A-ZА-Я0-9-]{3,}\b"
    r"|(?<=промокод )[\w-]{3,}|(?<=promo code )[\w-]{3,}|(?<=coupon )[A-Z][\w-]{2,}|(?<=cupom )[A-Z][\w-]{2,}"
)

# "Three ways to pay" is counted, not read.
LEAST_BARE_NUMBER = 10


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Whatever it may mean, each reading in one normal form; `loosely` it may also stand without its unit."""

    start: int
    end: int
    readings: frozenset[str]
    loosely: frozenset[str] = frozenset()


def facts_of(text: str) -> list[Fact]:
    """Facts that can be checked, in no order; numbers below ten without a unit are none."""
    return [fact for fact in _all(text) if fact.readings]


@dataclass(frozen=True, kw_only=True)
class Amount:
    """A number as it is written, or the range that begins with it, and the unit that it counts: ("", 1) for none."""

    least: Decimal
    most: Decimal
    unit: str
    factor: Decimal

    def covers(self, other: Amount) -> bool:
        """Whether the other number, in this unit, is this one or lies in its range."""
        value = other.least * other.factor / self.factor
        return self.unit == other.unit and self.least <= value <= self.most

    def may_cover(self, other: Amount) -> bool:
        """The same where one of the two does not say what it counts."""
        return not (self.unit and other.unit) and self.least <= other.least <= self.most


def amounts_of(text: str) -> list[list[Amount]]:
    """Each number in all its readings, those in figures first; the end of a range is a number of its own too."""
    numbers = numbers_of(text)
    by_end = {number.end: number for number in numbers}
    return [list(_counted(text, number, by_end)) for number in numbers]


def _counted(text: str, number: Number, by_end: dict[int, Number]) -> Iterator[Amount]:
    unit, factor = _currency(number.symbol) or _unit(text, number.ends) or ("", Decimal(1))
    end = by_end.get(number.ends[-1], number)
    is_range = end is not number and not _DASHES.isdisjoint(text[number.end : end.start])
    for place, value in enumerate(number.values):
        until = end.values[min(place, len(end.values) - 1)] if is_range and end.values else value
        yield Amount(least=value, most=max(value, until), unit=unit, factor=factor)


def contacts_of(text: str) -> list[Fact]:
    """Mail addresses and telephone numbers, in no order."""
    mails = list(_mails(text))
    return [*mails, *_phones(_blanked(text, mails))]


def known_from(texts: Sequence[str]) -> frozenset[str]:
    """All readings of all facts and bare numbers, for `is_known`."""
    facts = (fact for text in texts for fact in _all(text))
    readings = {reading for fact in facts for reading in fact.readings or fact.loosely}
    dates = {_without_year(reading) for reading in readings if reading.startswith("date:")}
    return frozenset(readings | dates) | numbers_in(texts)


def numbers_in(texts: Sequence[str]) -> frozenset[str]:
    """What a bare number is known from: any number, whatever it counts or is a part of."""
    digits = {Decimal(run) for text in texts for run in _DIGITS.findall(text)}
    numbers = {value for text in texts for number in numbers_of(text) for value in number.values}
    return frozenset(_bare(value) for value in digits | numbers)


def is_known(fact: Fact, known: frozenset[str]) -> bool:
    return bool((fact.readings | fact.loosely) & known)


def _all(text: str) -> Iterator[Fact]:
    """What is read as one thing is blanked for the readers after it: a phone holds no price."""
    for read in (_mails, _phones, _codes, _dates, _times, _amounts):
        found = list(read(text))
        yield from found
        text = _blanked(text, found)


def _blanked(text: str, facts: Sequence[Fact]) -> str:
    for fact in facts:
        text = text[: fact.start] + "\n" * (fact.end - fact.start) + text[fact.end :]
    return text


def _fact(match: re.Match[str], *readings: str) -> Fact:
    return Fact(start=match.start(), end=match.end(), readings=frozenset(readings))


def _mails(text: str) -> Iterator[Fact]:
    for match in _MAIL.finditer(text):
        yield _fact(match, f"mail:{match[0].rstrip('.').lower()}")


def _phones(text: str) -> Iterator[Fact]:
    """By the last ten digits, as +7 and 8 begin the same number, and by what is dialled within its country."""
    for match in _PHONE.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        yield _fact(match, f"phone:{digits[-10:]}", f"phone:{national_digits(match[0])}")


def _codes(text: str) -> Iterator[Fact]:
    for match in _CODE.finditer(text):
        yield _fact(match, f"code:{match[0].lower()}")


def _dates(text: str) -> Iterator[Fact]:
    """Without a year it is known from any year's, with one only from that year's."""
    for date in dates_of(text):
        ending = f".{date.year[-2:]}" if date.year else ""
        named = frozenset(f"date:{day}.{month}{ending}" for month, day in date.days)
        yield Fact(start=date.start, end=date.end, readings=named)


def _without_year(date: str) -> str:
    return ".".join(date.split(".")[:2])


def _times(text: str) -> Iterator[Fact]:
    for match in _TIME.finditer(text):
        hours, minutes = int(match[1] or match[4]), int(match[2] or match[3] or match[5] or 0)
        if match[6]:
            hours = hours % 12 + (12 if match[6].lower() == "p" else 0)
        duration = {f"second:{hours * 3_600}"} if match[0][-1] in "hH" else set[str]()
        yield _fact(match, f"time:{hours * 60 + minutes}", *duration)


def _amounts(text: str) -> Iterator[Fact]:
    for number in numbers_of(text):
        fact = _amount(text, number)
        if fact.readings or number.is_exact:
            yield fact


def _amount(text: str, number: Number) -> Fact:
    loosely = frozenset(f"number:{_plain(value)}" for value in number.values)
    if named := _currency(number.symbol) or _unit(text, number.ends):
        readings = frozenset(f"{named[0]}:{_plain(value * named[1])}" for value in number.values)
    else:
        readings = loosely | set(map(_bare, number.values)) if _is_read(number) else frozenset()
    is_strict = named is not None and named[0] == "percent"
    return Fact(
        start=number.start, end=number.end, readings=readings, loosely=frozenset() if is_strict else loosely
    )


def _is_read(number: Number) -> bool:
    """Whether a number without a unit is hardly counted by whoever writes it."""
    return number.is_exact and any(value >= LEAST_BARE_NUMBER for value in number.values)


def _bare(value: Decimal) -> str:
    return f"bare:{_plain(value)}"


def _unit(text: str, ends: Sequence[int]) -> tuple[str, Decimal] | None:
    """What is counted."""
    for end in ends:
        between = _BETWEEN.match(text, end)
        word = _WORD.match(text, between.end() if between else end)
        said = word["word"].lower() if word else ""
        if named := _currency(said) or UNITS.get(said):
            return named
    return None


def _currency(word: str) -> tuple[str, Decimal] | None:
    code = CURRENCIES.get(word.lower())
    return (code, Decimal(1)) if code else None


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"
