"""Numbers as people write them: in figures, in words or in thousands ("2,4 тыс.", "dois mil e quatrocentos")."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from retrieval_service.text.facts.words import HUNDREDS, NUMBER_WORDS, SCALES

GAP = "[ \u00a0\u2009\u202f]"
SYMBOL = r"R\$|US\$|[₽$€£₸₴¥₹₺]"
_FIGURES = rf"(?<![\w.,])\d{{1,3}}(?:{GAP}\d{{3}})+(?:[.,]\d{{1,2}})?(?!\d)|(?<![\d.,])\d+(?:[.,]\d+)*"
_FULL_STOP = r"(?:(?<=тыс|млн)\.|(?<=млрд)\.)?"
# "2.4k"; an "m" are metres, unless money stands before it.
_SHORT_SCALE = rf"т\.(?={GAP}?р)|(?<=\d)[kк]\b|(?(symbol)(?:mi|mn|m)\b|(?!))"
_SCALE = rf"{GAP}?(?P<scale>(?:{'|'.join(SCALES)})\b|{_SHORT_SCALE}){_FULL_STOP}"
_IN_FIGURES = re.compile(
    rf"(?:(?P<symbol>{SYMBOL}){GAP}?)?(?P<figures>{_FIGURES})(?:{_SCALE})?", re.IGNORECASE
)
_SHORT_SCALES = {"т.": 10**3, "k": 10**3, "к": 10**3, "m": 10**6, "mn": 10**6, "mi": 10**6}
_MARK = re.compile("[.,]")
# A number with a 0 in front has no thousands.
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:(?:\.\d{3})+|(?:,\d{3})+)")
_TO = re.compile(rf"{GAP}?(?:[-–—]|to|or|a|до|или|и|e|ou|and|até){GAP}?", re.IGNORECASE)

_WORD = re.compile(rf"[^\W\d_]+{_FULL_STOP}", re.IGNORECASE)
_JOINT = re.compile(rf"{GAP}(?:(?:(?P<and>and)|e){GAP})?|-", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Number:
    """Each of its `values` is one way to read it; `scale` is the thousand, million or 1 at its end.

    `symbol` is a currency's in front, or "". `ends` are the places behind which its unit may stand: its own end,
    and that of the range it begins. `is_exact` is what is said in figures or several words: "five" is often
    just said.
    """

    start: int
    end: int
    values: tuple[Decimal, ...]
    scale: Decimal
    symbol: str
    ends: tuple[int, ...]
    is_exact: bool


def numbers_of(text: str) -> list[Number]:
    """Those in figures first."""
    figures = [_in_figures(match) for match in _IN_FIGURES.finditer(text)]
    numbers = [*figures, *_in_words(text, {number.end for number in figures})]
    by_start = {number.start: number for number in numbers}
    return [_in_range(text, number, by_start) for number in numbers]


def _in_range(text: str, number: Number, by_start: dict[int, Number]) -> Number:
    """ "2–3 тыс. ₽": the first end may be said in the unit and the thousands of the second."""
    to = _TO.match(text, number.end)
    other = by_start.get(to.end()) if to else None
    if other is None:
        return number
    scaled = [value * other.scale for value in number.values] if number.scale == 1 else []
    return replace(
        number,
        values=tuple(dict.fromkeys([*number.values, *scaled])),
        symbol=number.symbol or other.symbol,
        ends=(number.end, other.end),
    )


# --- in figures


def _in_figures(match: re.Match[str]) -> Number:
    word = (match["scale"] or "").lower()
    scale = Decimal(SCALES.get(word) or _SHORT_SCALES.get(word) or 1)
    return Number(
        start=match.start(),
        end=match.end(),
        values=tuple(value * scale for value in _values(match["figures"])),
        scale=scale,
        symbol=match["symbol"] or "",
        ends=(match.end(),),
        is_exact=True,
    )


def _values(figures: str) -> list[Decimal]:
    """Points and commas part thousands in one language and cents in the other: both readings count."""
    digits = re.sub(GAP, "", figures)
    if digits != figures and digits.startswith("0"):
        return []
    whole, mark, cents = (
        digits.rpartition(".") if digits.rfind(".") > digits.rfind(",") else digits.rpartition(",")
    )
    if not mark:
        return [Decimal(digits)]
    has_cents = whole.isdigit() or (mark not in whole and _GROUPED.fullmatch(whole))
    readings = [Decimal(f"{_MARK.sub('', whole)}.{cents}")] if has_cents else []
    return [*readings, *([Decimal(_MARK.sub("", digits))] if _GROUPED.fullmatch(digits) else [])]


# --- in words


@dataclass(kw_only=True)
class _Spelled:
    """A number while its words are read; what it still takes is smaller than `room`, or a scale below `scales`."""

    start: int
    end: int = 0
    word_count: int = 0
    thousands: Decimal = Decimal(0)
    below: Decimal = Decimal(0)
    room: Decimal = Decimal(10**3)
    scales: Decimal = Decimal(10**12)
    scale: Decimal = Decimal(1)

    def takes(self, word: str, joint: re.Match[str]) -> bool:
        """ "Two three" are two numbers, and so are "twenty and five"; "hundred and five" is one."""
        value = NUMBER_WORDS[word]
        if word in SCALES:
            return value < self.scales and self.below > 0
        if word in HUNDREDS and 0 < self.below < 10:
            return True
        return value < self.room and not (joint["and"] and self.room < 100)

    def add(self, word: str, end: int) -> None:
        value = NUMBER_WORDS[word]
        self.end, self.word_count = end, self.word_count + 1
        self.scale = value if word in SCALES else Decimal(1)
        if word in SCALES:
            self.thousands += (self.below or 1) * value
            self.below, self.scales, self.room = Decimal(0), value, Decimal(10**3)
        elif word in HUNDREDS and self.below:
            self.below, self.room = self.below * value, value
        else:
            self.below, self.room = self.below + value, _room_behind(value)

    def number(self) -> Number:
        return Number(
            start=self.start,
            end=self.end,
            values=(self.thousands + self.below,),
            scale=self.scale,
            symbol="",
            ends=(self.end,),
            is_exact=self.word_count > 1,
        )


def _room_behind(value: Decimal) -> Decimal:
    """ "Сто" leaves room for all below a hundred, "двадцать" for all below ten, "пять" for none."""
    return Decimal(100 if value >= 100 else 10 if value >= 20 else 0)


def _in_words(text: str, taken_ends: Collection[int]) -> Iterator[Number]:
    """The scale behind figures is taken already. "One" alone is an article."""
    numbers = (spelled.number() for spelled in _spelled(text, taken_ends))
    return (number for number in numbers if number.is_exact or number.values != (Decimal(1),))


def _spelled(text: str, taken_ends: Collection[int]) -> Iterator[_Spelled]:
    current: _Spelled | None = None
    for match in _WORD.finditer(text):
        word = match[0].lower().rstrip(".")
        if word not in NUMBER_WORDS or match.end() in taken_ends:
            continue
        joint = _JOINT.fullmatch(text, current.end, match.start()) if current else None
        if current and not (joint and current.takes(word, joint)):
            yield current
            current = None
        current = current or _Spelled(start=match.start())
        current.add(word, match.end())
    if current:
        yield current
