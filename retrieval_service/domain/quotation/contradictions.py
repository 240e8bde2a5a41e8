"""Sentences of different documents that say the same in the same words, but for a number, a date or a "not".

What says it in other words is passed over: a false alarm costs more trust than a missed one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from retrieval_service.domain.quotation.quotes import Quote, Source
from retrieval_service.domain.quotation.topics import are_apart
from retrieval_service.text.function_words import NEGATIONS, content_words
from retrieval_service.text.words import stem, words

# Fewer words are a label ("Price: 300 €"), and labels of different things look alike.
LEAST_WORDS = 3

# The beginnings of their names in the three languages, January first.
_MONTHS = (
    *("jan янв", "fev feb фев", "mar мар", "abr apr апр", "mai may май мая", "jun июн", "jul июл"),
    *("ago aug авг", "set sep сен", "out oct окт", "nov ноя", "dez dec дек"),
)
_MONTH = "|".join(sorted({name for names in _MONTHS for name in names.split()}, key=len, reverse=True))
# A month counts beside a day only: "may" is a verb too.
_DATE = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th|º)?\s{{1,9}}+(?:de\s{{1,9}}+)?({_MONTH})\w*", re.IGNORECASE)
_DATE_MONTH_FIRST = re.compile(
    rf"\b({_MONTH})\w{{0,30}}+\s{{1,9}}+(\d{{1,2}})(?:st|nd|rd|th)?\b", re.IGNORECASE
)
# Longer rows of digits are no numbers; a bound keeps the time linear where a range is looked for at each of them.
_NUMBER = re.compile(
    r"\d{1,30}+(?:[.,:]\d{1,30}+){0,6}+(?:[\u00a0\u202f ]\d{3}(?!\d)){0,6}+(?:[.,]\d{1,30}+)?+"
)
_RANGE = re.compile(
    rf"(?:\b(?:от|с|from|between|de|entre)\s{{1,9}}+)?({_NUMBER.pattern})\s{{0,9}}+"
    rf"(?:[–—-]|\b(?:до|по|to|and|a|e|até)\b)\s{{0,9}}+({_NUMBER.pattern})",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"[.,\u00a0\u202f ](?=\d{3}(?!\d))")
# Telephone numbers, addresses and codes differ without contradicting each other.
_IDENTIFIER = re.compile(r"\d(?:[\s()–-]{0,9}+\d){6}|://|@|www\.|[^\W\d_][-/]?\d", re.IGNORECASE)

_NOT_ONLY = re.compile(r"\bне только\b|\bnot (?:only|just)\b|\bnão (?:só|apenas|somente)\b", re.IGNORECASE)
_NEUTRAL = frozenset(
    {
        *("t", "s", "can", "cannot", "do", "does", "only", "just", "now", "today", "currently"),
        *("можно", "нельзя", "только", "всего", "лишь", "сейчас", "сегодня"),
        *("só", "apenas", "somente", "agora", "hoje"),
    }
)
# Grammar elsewhere; beside a number they change what it is the number of.
_LIMITS = frozenset(
    {
        *("under", "over", "above", "below", "before", "after", "until", "from", "with", "without"),
        *("до", "от", "свыше", "более", "больше", "менее", "меньше", "после", "с", "со", "без", "кроме"),
        *("até", "acima", "abaixo", "antes", "depois", "desde", "mais", "menos", "com", "sem"),
    }
)
# Forms behind a number that no stemmer brings together.
_UNITS: Mapping[str, str] = {"дня": "день", "дней": "день", "дни": "день", "года": "год", "лет": "год"}


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """Two quotes of different documents that cannot both be true."""

    one: Quote
    other: Quote


@dataclass(frozen=True, kw_only=True)
class _Claim:
    """What a sentence says: of what, when, how much, and whether it is denied."""

    quote: Quote
    subject: frozenset[str]
    limits: frozenset[str]
    dates: tuple[str, ...]
    numbers: tuple[str, ...]
    is_denied: bool


def contradictions(quotes: Sequence[Quote]) -> list[Contradiction]:
    """In the order of the quotes; at most one for each subject."""
    by_subject: dict[tuple[str, frozenset[str]], list[_Claim]] = defaultdict(list)
    for claim in filter(None, map(_claim, quotes)):
        by_subject[claim.quote.fragment.language, claim.subject].append(claim)
    found = (next(_pairs(claims), None) for claims in by_subject.values())
    return [one for one in found if one]


def _pairs(claims: Sequence[_Claim]) -> Iterator[Contradiction]:
    for place, one in enumerate(claims):
        for other in claims[place + 1 :]:
            if _contradict(one, other):
                yield Contradiction(one=one.quote, other=other.quote)


def _contradict(one: _Claim, other: _Claim) -> bool:
    if one.quote.fragment.document_id == other.quote.fragment.document_id:
        return False
    if one.limits != other.limits or are_apart(one.quote, other.quote, one.subject, other.subject):
        return False
    if len(one.dates) != len(other.dates) or len(one.numbers) != len(other.numbers):
        return False
    others = sum(mine != theirs for mine, theirs in zip(one.numbers, other.numbers, strict=True))
    # "100 g cost 5 €" and "250 g cost 12 €" are two things with two prices.
    return others <= 1 and (bool(others) or one.dates != other.dates) != (one.is_denied != other.is_denied)


def _claim(quote: Quote) -> _Claim | None:
    """None for what claims nothing that could be compared."""
    said = quote.text if quote.source is Source.PRODUCT else quote.sentence
    if said.endswith(("?", "…", ":")) or _IDENTIFIER.search(said) or _NOT_ONLY.search(said):
        return None
    rest, dates, numbers = _without_values(said)
    language = quote.fragment.language
    subject = frozenset(_stems(rest, language))
    if len(subject) < LEAST_WORDS:
        return None
    return _Claim(
        quote=quote,
        subject=subject,
        limits=_LIMITS.intersection(words(rest)),
        dates=dates,
        numbers=numbers,
        is_denied=bool(NEGATIONS.get(language, frozenset()).intersection(words(said))),
    )


def _without_values(said: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The sentence without its dates and numbers, and these as everybody would write them."""
    dates = [(day, month) for day, month in _DATE.findall(said)]
    rest = _DATE.sub(" ", said)
    dates += [(day, month) for month, day in _DATE_MONTH_FIRST.findall(rest)]
    rest = _DATE_MONTH_FIRST.sub(" ", rest)
    ranges = [f"{_normal(least)}–{_normal(most)}" for least, most in _RANGE.findall(rest)]
    rest = _RANGE.sub(" ", rest)
    numbers = [_normal(number) for number in _NUMBER.findall(rest)]
    days = tuple(f"{int(day)}/{_month(month)}" for day, month in dates)
    return _NUMBER.sub(" ", rest), days, (*ranges, *numbers)


def _month(name: str) -> int:
    return next(place for place, names in enumerate(_MONTHS, start=1) if name.lower() in names.split())


def _normal(number: str) -> str:
    """ "10 000", "10,000" and "10.000" are one number, as are "5" and "5,00"."""
    whole, _, fraction = _THOUSANDS.sub("", number).replace(",", ".").partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def _stems(text: str, language: str) -> list[str]:
    content = content_words(words(text), [language])
    return [stem(_UNITS.get(word, word), language)[1] for word in content if word not in _NEUTRAL]
