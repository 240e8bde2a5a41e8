"""What a question wants of a number that documents state: a bound, the lowest, the highest, a count or a list."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise

from retrieval_service.text.comparison_words import (
    AND,
    BEFORE_AMOUNT,
    BEHIND_AMOUNT,
    BETWEEN,
    COUNT,
    FRAME,
    HAVING,
    IN_STOCK,
    LIST,
    NEGATIONS,
    NO_LIST,
    OF_MONEY,
    OUT_OF_STOCK,
    PRICE,
    SORTED_DOWN,
    SORTED_UP,
    STOCK_LIST,
    SUPERLATIVES,
    Side,
)
from retrieval_service.text.facts.numbers import GAP, SYMBOL, Number, numbers_of
from retrieval_service.text.facts.words import CURRENCIES, UNITS
from retrieval_service.text.function_words import DENIALS, FUNCTION_WORDS, TALK
from retrieval_service.text.polarity import polarity
from retrieval_service.text.words import words

# Whoever writes more tells a story, of which a number is a part.
MOST_CHARACTERS = 200
_PREFIX_CHARACTERS = 40
# No price or measure has so many digits; what does is a number of a card, an account or a parcel.
_NO_AMOUNT = Decimal(10**15)
# "About" is a quarter more or less.
ABOUT_SHARE = Decimal("0.25")

_BEFORE = {side: re.compile(rf"(?:^|[\s(«\"])(?:{text}) ?$") for side, text in BEFORE_AMOUNT.items()}
_BEHIND = {side: re.compile(rf" ?(?:{text})\b") for side, text in BEHIND_AMOUNT.items()}
_BEHIND_ANY = re.compile("|".join(rf" ?(?:{text})\b" for text in BEHIND_AMOUNT.values()))
_BETWEEN = re.compile(rf"(?:^|\s)(?:{BETWEEN}) ?$")
_AND = re.compile(rf" ?(?:{AND}) ")
_DASH = re.compile(rf"{GAP}?[-–—]{GAP}?")
_OF_MONEY = re.compile(OF_MONEY)
_WORD_BEHIND = re.compile(rf"{GAP}?(?P<word>{SYMBOL}|°[cс]?|[%％]|[^\W\d_]+)\.?", re.IGNORECASE)
_CLOCK = re.compile(r"\s?:\s?\d|\s?(?:am|pm|h\d{0,2})\b|\s?[%％]")
_COUNT = re.compile(rf"^\W{{0,3}}(?:а |и |and |e )?(?:{COUNT})")
_HAVING = re.compile(HAVING)
_LIST = re.compile(rf"^\W{{0,3}}(?:please |а |пожалуйста,? )?(?:{LIST})\b")
_SORTED = ((re.compile(SORTED_DOWN), True), (re.compile(SORTED_UP), False))
_SUPERLATIVES = [
    (measure, is_highest, re.compile(rf"\b(?:{text})\b")) for measure, is_highest, text in SUPERLATIVES
]
# Nothing but this names all that there is.
_OF_ALL = re.compile(r"\b(?:товар|product|produto|item|itens)")
_STOCK = ((re.compile(OUT_OF_STOCK), False), (re.compile(IN_STOCK), True))
_STOCK_LIST = re.compile(rf"^\W{{0,3}}(?:а |и |and |e )?(?:{STOCK_LIST})\b")
_NO_LIST = re.compile(rf"\b(?:{NO_LIST})\b")
# "Tents in stock" names things and says nothing else.
_MOST_NAMES = 3
_GRAMMAR = frozenset[str]().union(*FUNCTION_WORDS.values(), *TALK.values(), FRAME)


class Aim(StrEnum):
    """What is to be done with the things that have the number."""

    WITHIN = "within"
    LOWEST = "lowest"
    HIGHEST = "highest"
    COUNT = "count"
    LIST = "list"


@dataclass(frozen=True, kw_only=True)
class Range:
    """Both ends may be open; a strict end is outside. `about` is what the range lies around."""

    lower: Decimal | None = None
    upper: Decimal | None = None
    is_lower_strict: bool = False
    is_upper_strict: bool = False
    about: Decimal | None = None

    def holds(self, value: Decimal) -> bool:
        is_above = (
            self.lower is None or value > self.lower or (value == self.lower and not self.is_lower_strict)
        )
        is_below = (
            self.upper is None or value < self.upper or (value == self.upper and not self.is_upper_strict)
        )
        return is_above and is_below

    def distance(self, value: Decimal) -> Decimal:
        """How far the value is from it; of those around an amount, from the amount."""
        if self.about is not None:
            return abs(value - self.about)
        ends = [end for end in (self.lower, self.upper) if end is not None]
        return Decimal(0) if self.holds(value) else min(abs(value - end) for end in ends)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A wish for a number, and the words of what it is about; those may be none.

    `measure` is "price", a unit's base ("gram") or its own word ("gb"), or "" for a field that the words name.
    `factor` makes the range's `unit`, as it was said, of the base. `currency` is an ISO 4217 code or "".
    `in_stock` is None where the question does not speak of the stock.
    """

    aim: Aim
    measure: str
    subject: tuple[str, ...]
    within: Range | None = None
    factor: Decimal = Decimal(1)
    unit: str = ""
    currency: str = ""
    is_descending: bool = False
    in_stock: bool | None = None


def wish_of(question: str) -> Wish | None:
    """None when the question wants nothing of a number. Linear in the question's length."""
    if len(question) > MOST_CHARACTERS:
        return None
    text = " ".join(question.lower().replace("ё", "е").split())
    in_stock, rest = _without_stock(text)
    wish = _numeric(rest, in_stock)
    return replace(wish, in_stock=in_stock) if wish else None


def _without_stock(text: str) -> tuple[bool | None, str]:
    """What is asked of the stock, and the question without it."""
    for pattern, in_stock in _STOCK:
        if found := pattern.search(text):
            return in_stock, " ".join(_blanked(text, [found.span()]).split())
    return None, text


def _numeric(text: str, in_stock: bool | None) -> Wish | None:
    if bounds := _bounds(text):
        return _bounded(text, bounds)
    speaks_of_stock = in_stock is not None
    if wish := _superlative(text) or _counted(text, speaks_of_stock=speaks_of_stock) or _listed(text):
        return wish
    return _by_stock(text) if speaks_of_stock else None


# --- the lowest and the highest


def _superlative(text: str) -> Wish | None:
    for pattern, is_descending in _SORTED:
        if found := pattern.search(text):
            return _wish(text, [found.span()], aim=Aim.LIST, measure=PRICE, is_descending=is_descending)
    found = [
        (measure, is_highest, match)
        for measure, is_highest, pattern in _SUPERLATIVES
        if (match := pattern.search(text))
    ]
    if not found or len({is_highest for _, is_highest, _ in found}) > 1:
        return None
    measure, is_highest, match = found[0]
    if any(number.end in (match.start(), match.start() - 1) for number in numbers_of(text)):
        return None  # "three cheapest": as many are not shown
    aim = Aim.HIGHEST if is_highest else Aim.LOWEST
    is_price = not measure and _OF_MONEY.search(text, match.end())
    return _wish(text, [match.span()], aim=aim, measure=PRICE if is_price else measure)


# --- bounds


@dataclass(frozen=True, kw_only=True)
class _Amount:
    """A number with its unit; `end` is behind the unit."""

    start: int
    end: int
    value: Decimal
    measure: str
    factor: Decimal
    unit: str
    currency: str


@dataclass(frozen=True, kw_only=True)
class _Bound:
    """One or both ends, said at the span; `measure` is "" where the amount has no unit."""

    span: tuple[int, int]
    within: Range
    measure: str
    amount: _Amount


def _bounds(text: str) -> list[_Bound]:
    """All of them, in their order."""
    numbers = sorted(numbers_of(text), key=lambda number: number.start)
    bounds: list[_Bound] = []
    end = 0
    for place, number in enumerate(numbers):
        following = numbers[place + 1] if place + 1 < len(numbers) else None
        if number.start >= end and (bound := _range(text, number, following) or _bound(text, number)):
            bounds.append(bound)
            end = bound.span[1]
    return bounds


def _bounded(text: str, bounds: Sequence[_Bound]) -> Wish | None:
    """None for bounds that no range holds together: "under 40 dollars and up to 3 kg"."""
    whole = bounds[0]
    for bound in bounds[1:]:
        if (joined := _joined(whole, bound)) is None:
            return None
        whole = joined
    return _wish(
        text,
        [bound.span for bound in bounds],
        aim=Aim.COUNT if _COUNT.match(text) else Aim.WITHIN,
        measure=whole.measure or PRICE,
        within=whole.within,
        factor=whole.amount.factor,
        unit=whole.amount.unit,
        currency=whole.amount.currency,
    )


def _joined(one: _Bound, other: _Bound) -> _Bound | None:
    """A lower and an upper end of the same measure; what is said without a unit has the other's."""
    measured, bare = (one, other) if one.measure or not other.measure else (other, one)
    if bare.measure and (
        bare.measure != measured.measure
        or bare.amount.factor != measured.amount.factor
        or not {bare.amount.currency, measured.amount.currency} <= {"", measured.amount.currency}
    ):
        return None
    lower, upper = (one, other) if one.within.upper is None else (other, one)
    low, high = lower.within, upper.within
    if low.lower is None or low.upper is not None or high.upper is None or high.lower is not None:
        return None
    if low.lower > high.upper:
        return None
    within = Range(
        lower=low.lower,
        upper=high.upper,
        is_lower_strict=low.is_lower_strict,
        is_upper_strict=high.is_upper_strict,
    )
    return _Bound(span=one.span, within=within, measure=measured.measure, amount=measured.amount)


def _range(text: str, first: Number, second: Number | None) -> _Bound | None:
    """ "From 10 to 20", "between 10 and 20", "10–20 €"."""
    if second is None:
        return None
    low, high = _amount(text, first), _amount(text, second, is_second=True)
    if low is None or high is None:
        return None
    before = text[max(0, first.start - _PREFIX_CHARACTERS) : first.start]
    opening = _BETWEEN.search(before) or _BEFORE[Side.FROM].search(before)
    is_dashed = not opening or high.currency
    dash = _DASH.fullmatch(text, low.end, second.start) if is_dashed else None
    joint = _AND.match(text, low.end) or dash
    if joint is None or joint.end() != second.start or not (opening or high.currency):
        return None
    scaled = low.value * second.scale if first.scale == 1 and low.value < high.value else low.value
    lower = scaled if scaled <= high.value else low.value
    start = first.start - len(before) + opening.start() if opening else first.start
    within = Range(lower=min(lower, high.value), upper=max(lower, high.value))
    return _Bound(span=(start, high.end), within=within, measure=high.measure or low.measure, amount=high)


def _bound(text: str, number: Number) -> _Bound | None:
    """ "Under 40 dollars", "3000 ₽ и дешевле"."""
    amount = _amount(text, number)
    if amount is None:
        return None
    before = text[max(0, amount.start - _PREFIX_CHARACTERS) : amount.start]
    for side, pattern in _BEFORE.items():
        if found := pattern.search(before):
            span = (amount.start - len(before) + found.start(), amount.end)
            return _Bound(span=span, within=_side(side, amount.value), measure=amount.measure, amount=amount)
    for side, pattern in _BEHIND.items():
        if found := pattern.match(text, amount.end):
            span = (amount.start, found.end())
            return _Bound(span=span, within=_side(side, amount.value), measure=amount.measure, amount=amount)
    return None


def _side(side: Side, value: Decimal) -> Range:
    if side is Side.ABOUT:
        return Range(lower=value * (1 - ABOUT_SHARE), upper=value * (1 + ABOUT_SHARE), about=value)
    if side in (Side.UP_TO, Side.BELOW):
        return Range(upper=value, is_upper_strict=side is Side.BELOW)
    return Range(lower=value, is_lower_strict=side is Side.ABOVE)


def _amount(text: str, number: Number, *, is_second: bool = False) -> _Amount | None:
    """None for the time of day, a share of a hundred, a part of a date or code; a range has a second one.

    Dates, versions and addresses of computers ("1.2.3") are numbers that cannot be read as one value.
    """
    if not number.values or max(number.values) >= _NO_AMOUNT:
        return None
    joint = text[max(0, number.start - 1) : number.start]
    if _CLOCK.match(text, number.end) or (joint and joint in (":/" if is_second else ":/-–—")):
        return None
    unit = _WORD_BEHIND.match(text, number.end)
    said = unit["word"] if unit else ""
    currency = CURRENCIES.get(number.symbol.lower(), "") or CURRENCIES.get(said, "")
    end = unit.end() if unit and said in CURRENCIES else number.end
    value, measure, factor = number.values[0], "", Decimal(1)
    if currency:
        measure = PRICE
    elif said in UNITS:
        measure, factor = UNITS[said]
        end = unit.end() if unit else end
    elif said and said not in _GRAMMAR and not _BEHIND_ANY.match(text, number.end):
        measure, end = said, unit.end() if unit else end
    if measure in ("", PRICE):  # thousands are grouped, and no price has three digits of cents
        value = max(number.values)
    return _Amount(
        start=number.start,
        end=end,
        value=value,
        measure=measure,
        factor=factor,
        unit=said if measure and not currency else "",
        currency=currency,
    )


# --- counts and lists


def _counted(text: str, *, speaks_of_stock: bool) -> Wish | None:
    found = _COUNT.match(text)
    if not (found and (speaks_of_stock or _HAVING.search(text))) or _wants_absence(text):
        return None
    return _wish(text, [found.span()], aim=Aim.COUNT, measure=PRICE)


def _listed(text: str) -> Wish | None:
    found = _LIST.match(text)
    if found is None or _wants_absence(text):
        return None
    return _wish(text, [found.span()], aim=Aim.LIST, measure=PRICE)


def _by_stock(text: str) -> Wish | None:
    """ "What is in stock?", "tents in stock"; not whether one thing is, or what happens if it is not."""
    if _NO_LIST.search(text) or _wants_absence(text):
        return None
    found, said = _STOCK_LIST.match(text), words(text)
    subject = _subject(_blanked(text, [found.span()]) if found else text)
    is_named = len(said) == len(subject) <= _MOST_NAMES
    if _excludes(text, subject) or not (found or is_named):
        return None
    return Wish(aim=Aim.LIST, measure=PRICE, subject=subject)


def _wants_absence(text: str) -> bool:
    """What is to be without something is not told by the words that it has."""
    return any(polarity(text, language).absent for language in ("en", "ru", "pt"))


def _wish(
    text: str,
    spans: Sequence[tuple[int, int]],
    *,
    aim: Aim,
    measure: str,
    within: Range | None = None,
    factor: Decimal = Decimal(1),
    unit: str = "",
    currency: str = "",
    is_descending: bool = False,
) -> Wish | None:
    rest = _blanked(text, spans)
    subject = _subject(rest)
    if _excludes(rest, subject):
        return None
    if not (subject or _is_of_all(text, aim, currency)):
        return None
    return Wish(
        aim=aim,
        measure=measure,
        subject=subject,
        within=within,
        factor=factor,
        unit=unit,
        currency=currency,
        is_descending=is_descending or aim is Aim.HIGHEST,
    )


def _is_of_all(text: str, aim: Aim, currency: str) -> bool:
    """Whether nothing in particular is meant, and not only left out."""
    if aim in (Aim.COUNT, Aim.LIST):
        return _OF_ALL.search(text) is not None
    return bool(currency) or _OF_MONEY.search(text) is not None


def _blanked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    for start, end in spans:
        text = f"{text[:start]}{' ' * (end - start)}{text[end:]}"
    return text


def _subject(rest: str) -> tuple[str, ...]:
    """The words that are left, without grammar."""
    return tuple(dict.fromkeys(word for word in words(rest) if word not in _GRAMMAR))


def _excludes(rest: str, subject: Sequence[str]) -> bool:
    """Whether some of what is left is what is not wanted: lists are of what has the words."""
    said = words(rest)
    return any(word in NEGATIONS | DENIALS and behind in subject for word, behind in pairwise(said))
