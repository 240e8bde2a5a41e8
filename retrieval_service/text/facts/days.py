"""Days of the year in texts and questions ("24 December", "с 1 по 8 января", "24/12"), and "today", which is any."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from retrieval_service.text.facts.words import month_of

Day = tuple[int, int]
"""Month and day, so that a later day of a year is more."""

_ORDINAL = r"(?:st|nd|rd|th|º|°|-?го|-?ое)?"
_YEAR = r"(?:,? (?:de )?(\d{4})(?!\d))?"
_TO = r"to|until|through|по|до|a|à|até"
_UNTIL = rf"(?: ?[-–—] ?| (?:{_TO}) )"
_OF = r"(?:de |of )?"
_SEVERAL = rf"((?:\d{{1,2}}{_ORDINAL}(?:{_UNTIL}|,? (?:and|и|e) |, )){{0,4}})"
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)")
_NUMERIC_DATE = re.compile(r"(?<![\d.,/])(\d{1,2})([./])(\d{1,2})\2(\d{4}|\d{2})(?![\d/])")
_DAY_MONTH = re.compile(rf"(?<!\d){_SEVERAL}(\d{{1,2}}){_ORDINAL} {_OF}([^\W\d_]{{3,10}})\b{_YEAR}")
_MONTH_DAY = re.compile(
    rf"\b([^\W\d_]{{3,10}})\.? (\d{{1,2}})(?:st|nd|rd|th)?(?:{_UNTIL}(\d{{1,2}}))?\b(?!:){_YEAR}"
)
_RANGE = re.compile(rf"{_ORDINAL}{_UNTIL}")
_BETWEEN_DAYS = re.compile(rf"[\s,]{{0,2}}(?:[-–—]|{_TO})(?:\s(?:o dia|dia|the))?\s{{0,2}}", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,2}")
_SHORT_DATE = re.compile(r"(?<![\d.,/:])(\d{2})[./](\d{2})(?![\d/]|[.,]\d| ?[%°$€£₽])")
_NOW = re.compile(
    r"\b(?:right now|now|today|tonight|tomorrow|currently|сейчас|сегодня|завтра|hoje|agora|amanhã)\b",
    re.IGNORECASE,
)
_MONTHS = {
    "en": (
        *("January", "February", "March", "April", "May", "June", "July"),
        *("August", "September", "October", "November", "December"),
    ),
    "ru": (
        *("января", "февраля", "марта", "апреля", "мая", "июня", "июля"),
        *("августа", "сентября", "октября", "ноября", "декабря"),
    ),
    "pt": (
        *("janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho"),
        *("agosto", "setembro", "outubro", "novembro", "dezembro"),
    ),
}
_SPOKEN = {"en": ("{} {}", " or "), "ru": ("{} {}", " или "), "pt": ("{} de {}", " ou ")}
# Where the month may stand first.
_EITHER_ORDER = frozenset({"en"})
_LONGEST_QUESTION = 300
_LONGEST_MONTH = 31
_MONTHS_OF_A_YEAR = 12


@dataclass(frozen=True, kw_only=True)
class Date:
    """A date as it is written: every day that it may mean, and its year, "" where it names none."""

    start: int
    end: int
    days: Sequence[Day]
    year: str = ""


@dataclass(frozen=True, kw_only=True)
class Days:
    """From the first to the last, which may be in the year after."""

    start: int
    end: int
    first: Day
    last: Day

    def has(self, day: Day) -> bool:
        if self.first <= self.last:
            return self.first <= day <= self.last
        return day >= self.first or day <= self.last


def dates_of(text: str) -> Iterator[Date]:
    """In no order; a date in figures has two readings."""
    for match in _ISO_DATE.finditer(text):
        yield from _date(match, [(int(match[2]), int(match[3]))], match[1])
    for match in _NUMERIC_DATE.finditer(text):
        one, other = int(match[1]), int(match[3])
        yield from _date(match, [(other, one), (one, other)], match[4])
    for match in _DAY_MONTH.finditer(text):
        yield from _date(match, [(month_of(match[3]), int(match[2]))], match[4] or "", match.start(2))
    for match in _MONTH_DAY.finditer(text):
        yield from _date(match, [(month_of(match[1]), int(match[2]))], match[4] or "")


def _date(match: re.Match[str], days: Sequence[Day], year: str, start: int | None = None) -> Iterator[Date]:
    if real := [day for day in days if _is_real(day)]:
        begin = match.start() if start is None else start
        yield Date(start=begin, end=match.end(), days=real, year=year)


def _is_real(day: Day) -> bool:
    return 1 <= day[0] <= _MONTHS_OF_A_YEAR and 1 <= day[1] <= _LONGEST_MONTH


def days_of(text: str) -> list[Days]:
    """In their order, a range as one: "с 1 по 8 января", "24 December to 2 January"."""
    found: list[Days] = []
    for one in sorted(_every(text), key=lambda days: days.start):
        before = found[-1] if found else None
        if before and before.end > one.start:
            continue
        if before and _BETWEEN_DAYS.fullmatch(text, before.end, one.start):
            found[-1] = Days(start=before.start, end=one.end, first=before.first, last=one.last)
        else:
            found.append(one)
    return found


def _every(text: str) -> Iterator[Days]:
    for match in _DAY_MONTH.finditer(text):
        if _is_real((month := month_of(match[3]), int(match[2]))):
            yield from _several(match, month)
    for match in _MONTH_DAY.finditer(text):
        first, last = int(match[2]), int(match[3] or match[2])
        month = month_of(match[1])
        if _is_real((month, first)) and _is_real((month, last)):
            yield Days(start=match.start(), end=match.end(), first=(month, first), last=(month, last))
    for date in dates_of(text):
        for day in date.days[:1]:
            yield Days(start=date.start, end=date.end, first=day, last=day)


def _several(match: re.Match[str], month: int) -> Iterator[Days]:
    """The days that share a month: "1 по 8 января" is a range, "1 и 2 января" two days."""
    begin: re.Match[str] | None = None
    for one in _NUMBER.finditer(match.string, match.start(1), match.end(1)):
        begin = begin or one
        if not _RANGE.match(match.string, one.end(), match.end(1)):
            yield _days(begin, one, month)
            begin = None
    last = (month, int(match[2]))
    start, first = (begin.start(), (month, int(begin[0]))) if begin else (match.start(2), last)
    yield Days(start=start, end=match.end(), first=first, last=last)


def _days(first: re.Match[str], last: re.Match[str], month: int) -> Days:
    return Days(start=first.start(), end=last.end(), first=(month, int(first[0])), last=(month, int(last[0])))


def has_short_date(question: str) -> bool:
    """Whether it may say a day in figures."""
    return _SHORT_DATE.search(question[:_LONGEST_QUESTION]) is not None


def written_out(question: str, language: str) -> str:
    """A day in figures in the words of documents: "24/12" is "24 December", and "02/01" may be one of two in English.

    A question in a language whose months are not known here stays as it is.
    """
    if language not in _MONTHS or len(question) > _LONGEST_QUESTION:
        return question
    return _SHORT_DATE.sub(lambda match: _spoken(match, language), question)


def _spoken(match: re.Match[str], language: str) -> str:
    one, other = int(match[1]), int(match[2])
    days = [(other, one), (one, other)] if language in _EITHER_ORDER and one != other else [(other, one)]
    form, between = _SPOKEN[language]
    readings = [
        form.format(day, _MONTHS[language][month - 1]) for month, day in days if _is_real((month, day))
    ]
    return between.join(readings) or match[0]


def asks_of_now(question: str) -> bool:
    """Whether it says "today" or the like."""
    return _NOW.search(question[:_LONGEST_QUESTION]) is not None


def tells_day(asked: Sequence[Days], told: Sequence[Days]) -> bool:
    """Whether one of the days that are asked for is among these."""
    return any(one.has(day.first) or one.has(day.last) for day in asked for one in told)


def without_days(question: str) -> str:
    """What is asked besides: the day proves itself, and "today" tells nothing."""
    if len(question) > _LONGEST_QUESTION:
        return question
    for one in reversed(days_of(question)):
        question = f"{question[: one.start]} {question[one.end :]}"
    return _NOW.sub(" ", question)
