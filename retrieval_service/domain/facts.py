"""Facts of a text that can be looked up in another: prices, amounts, dates, times, phones, mail, codes, numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from retrieval_service.domain.fact_words import CURRENCIES, NUMBER_WORDS, UNITS, month_of

_GAP = "[ \u00a0\u2009\u202f]"
_NUMBER = rf"(?<![\w.,])\d{{1,3}}(?:{_GAP}\d{{3}})+(?:[.,]\d{{1,2}})?(?!\d)|(?<![\d.,])\d+(?:[.,]\d+)*"
_SYMBOL = r"R\$|US\$|[₽$€£₸₴¥₹₺]"
_ONE_NUMBER = re.compile(rf"(?P<front>{_SYMBOL})?{_GAP}?(?P<number>{_NUMBER})", re.IGNORECASE)
_WORD = re.compile(rf"{_GAP}?-?(?P<word>{_SYMBOL}|por cento|per cent|°[CС]?|[%％]|[^\W\d_]+)", re.IGNORECASE)
_RANGE = re.compile(rf"{_GAP}?(?:[-–—]|to|a|до|и|e|and|até){_GAP}?(?={_SYMBOL}|\d)", re.IGNORECASE)
# "14 рабочих дней", "5 business days".
_BETWEEN = re.compile(
    rf"{_GAP}(?:рабоч|календарн|полн)\w+(?={_GAP})|{_GAP}(?:business|working|calendar|full)(?={_GAP})",
    re.IGNORECASE,
)
_SPELLED = re.compile(rf"\b(?:{'|'.join(sorted(NUMBER_WORDS, key=len, reverse=True))})\b", re.IGNORECASE)

_DIGITS = re.compile(r"\d+")

_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w.,])\+?\(?\d(?:[ \u00a0()-]{0,2}\d){9,14}(?!\d)")
_TIME = re.compile(
    r"(?<![\d:.,])([01]?\d|2[0-3])(?::([0-5]\d)|h([0-5]\d)?)(?![\d:])|(?<![\d:])(\d{1,2})(?::([0-5]\d))? ?([ap])\.?m\b",
    re.IGNORECASE,
)
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)")
_NUMERIC_DATE = re.compile(r"(?<![\d.,/])(\d{1,2})([./])(\d{1,2})\2(\d{4}|\d{2})(?![\d/])")
_YEAR = r"(?:,? (?:de )?(\d{4})(?!\d))?"
_DAY_MONTH = re.compile(rf"(?<!\d)(\d{{1,2}})(?:st|nd|rd|th|º)? (?:de |of )?([^\W\d_]{{3,10}})\b{_YEAR}")
_MONTH_DAY = re.compile(rf"\b([^\W\d_]{{3,10}})\.? (\d{{1,2}})(?:st|nd|rd|th)?\b(?!:){_YEAR}")
_CODE = re.compile(
    r"\b(?=[A-ZА-Я0-9-]*[A-ZА-Я])(?=[A-ZА-Я0-9-]*\d)[A-ZА-Я][A-ZА-Я0-9-]{3,}\b"
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
    numbers = {
        value for text in texts for one in _ONE_NUMBER.finditer(text) for value in _values(one["number"])
    }
    spelled = {Decimal(NUMBER_WORDS[word.lower()]) for text in texts for word in _SPELLED.findall(text)}
    return frozenset(_bare(value) for value in digits | numbers | spelled)


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
    """By the last ten digits: +7 and 8 begin the same number."""
    for match in _PHONE.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        yield _fact(match, f"phone:{digits[-10:]}")


def _codes(text: str) -> Iterator[Fact]:
    for match in _CODE.finditer(text):
        yield _fact(match, f"code:{match[0].lower()}")


def _dates(text: str) -> Iterator[Fact]:
    for match in _ISO_DATE.finditer(text):
        yield from _date(match, [(int(match[3]), int(match[2]))], match[1])
    for match in _NUMERIC_DATE.finditer(text):
        first, second = int(match[1]), int(match[3])
        yield from _date(match, [(first, second), (second, first)], match[4][-2:])
    for match in _DAY_MONTH.finditer(text):
        yield from _date(match, [(int(match[1]), month_of(match[2]))], match[3])
    for match in _MONTH_DAY.finditer(text):
        yield from _date(match, [(int(match[2]), month_of(match[1]))], match[3])


def _date(match: re.Match[str], days: Sequence[tuple[int, int]], year: str | None) -> Iterator[Fact]:
    """Without a year it is known from any year's, with one only from that year's."""
    named = [f"{day}.{month}" for day, month in days if 1 <= day <= 31 and 1 <= month <= 12]
    if named and year:
        dated = frozenset(f"date:{one}.{year[-2:]}" for one in named)
        yield Fact(start=match.start(), end=match.end(), readings=dated)
    elif named:
        yield _fact(match, *(f"date:{one}" for one in named))


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
    for match in _ONE_NUMBER.finditer(text):
        yield _amount(text, match, _values(match["number"]), match["front"])
    for match in _SPELLED.finditer(text):
        fact = _amount(text, match, [Decimal(NUMBER_WORDS[match[0].lower()])], None)
        if fact.readings:
            yield fact


def _amount(text: str, match: re.Match[str], values: Sequence[Decimal], symbol: str | None) -> Fact:
    loosely = frozenset(f"number:{_plain(value)}" for value in values)
    if named := _currency(symbol) if symbol else _measure(text, match.end()):
        readings = frozenset(f"{named[0]}:{_plain(value * named[1])}" for value in values)
    else:
        readings = loosely | set(map(_bare, values)) if _is_read(match[0], values) else frozenset()
    is_strict = named is not None and named[0] == "percent"
    return Fact(
        start=match.start(), end=match.end(), readings=readings, loosely=frozenset() if is_strict else loosely
    )


def _is_read(written: str, values: Sequence[Decimal]) -> bool:
    """Whether a number without a unit is hardly counted by whoever writes it, and in figures."""
    return any(value >= LEAST_BARE_NUMBER for value in values) and written[-1].isdigit()


def _bare(value: Decimal) -> str:
    return f"bare:{_plain(value)}"


def _measure(text: str, end: int) -> tuple[str, Decimal] | None:
    """What is counted; both ends of a range count the same."""
    if (between := _BETWEEN.match(text, end)) is not None:
        end = between.end()
    if word := _WORD.match(text, end):
        said = word["word"].lower()
        if named := _currency(said) or UNITS.get(said):
            return named
    if (to := _RANGE.match(text, end)) and (other := _ONE_NUMBER.match(text, to.end())):
        return _currency(other["front"]) if other["front"] else _measure(text, other.end())
    return None


def _currency(word: str | None) -> tuple[str, Decimal] | None:
    code = CURRENCIES.get((word or "").lower())
    return (code, Decimal(1)) if code else None


def _values(number: str) -> list[Decimal]:
    """Points and commas part thousands in one language and cents in the other: both readings count."""
    digits = re.sub(_GAP, "", number)
    marks = re.findall(r"[.,]", digits)
    if not marks:
        return [Decimal(digits)]
    whole, _, cents = re.sub(r"[.,](?=.*[.,])", "", digits).replace(",", ".").partition(".")
    readings = [Decimal(f"{whole}.{cents}")] if len(set(marks)) == len(marks) else []
    is_grouped = re.fullmatch(r"\d{1,3}(?:\.\d{3})+|\d{1,3}(?:,\d{3})+", digits)
    return [*readings, *([Decimal(re.sub(r"[.,]", "", digits))] if is_grouped else [])]


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"
