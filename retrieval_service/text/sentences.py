"""Where the sentences of a text begin and end, for Russian, English and Portuguese shop texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# A bullet or a number at the start of a line, or the marks of a heading or a quotation in Markdown.
_BULLET = re.compile(r"(?:[-*+•–—·▪◦]|\#{1,6}|>|\(?[0-9]{1,3}[.)])[ \t]+")
_LINE = re.compile(r"[^\n]*(?:\n|\Z)")
_WORD_BEFORE = re.compile(r"[^\s(«\"“„\[]*\Z")
# How far a word before a full stop is looked at.
_LONGEST_WORD = 40

_STOP = re.compile(
    r"""
      (?<![.…!?]) [.…!?]++ ["'»”’“)\]*_]*+ (?=\s|\Z)   # marks, then closing quotation marks, then space
    | (?<=[^\W\d_]{2}) [.!?…]++ (?=[^\W\d_]{2})         # no space: "бесплатно.Оплата"
    | [。！？]+
    """,
    re.VERBOSE,
)
_OPENING = re.compile(r"[\s\"'«“„‘(\[*_¿¡—–-]*")
_ADDRESS = re.compile(r"://|@|www\.|/", re.IGNORECASE)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# They promise a word to come, so they end no sentence.
_PREFIXES = _words(
    "т.е т.н т.к им ул пр просп пер пл наб бул ш д к кв стр корп обл р-н пос дер оз рис табл ср тел напр св "
    "mr mrs ms dr prof sr sra srta dra st ave vs e.g eg i.e ie cf approx tel "
    "av r pág págs p.ex ex vol tels profa"
)
# They promise a number; before anything else they are a word ("No. We do not.").
_BEFORE_NUMBERS = _words("no nos nº n art fig pp ст гл п пп")
# They belong to a number before them (a year, a length), and otherwise to the word to come ("г. Москва").
_AFTER_NUMBERS = _words("г гг в вв см")
# They may end a sentence: a capital letter decides.
_SUFFIXES = _words(
    "т.д т.п др руб коп р тыс млн млрд шт уп кг гр мл л мм м км мин ч час сек н.э долл эт inc ltd co "
    "etc jr a.m p.m am pm oz lb lbs ft in min max hr hrs sec pcs u.s u.k apt "
    "ltda cia aprox máx mín un kg ml reais seg"
)


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """`text` is the source from `start` to `end` in code points, without white space around it."""

    start: int
    end: int
    text: str


def split_sentences(text: str) -> list[Sentence]:
    """In order and without overlaps; between them stands nothing but white space."""
    return [sentence for start, end in _pieces(text) if (sentence := _trimmed(text, start, end)).text]


def bullet_length(text: str) -> int:
    """How many code points at the beginning are a bullet ("- ", "2) ", "## ") and not words."""
    match = _BULLET.match(text)
    return match.end() if match else 0


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    for block_start, block_end in _blocks(text):
        start = block_start
        for stop in _stops(text, block_start, block_end):
            yield start, stop
            start = stop
        yield start, block_end


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Lines, joined where one only goes on: no blank line, and the next begins with a small letter."""
    start = 0
    for line in _LINE.finditer(text):
        following = text[line.end() : line.end() + 1]
        if line[0].strip() and following.islower():
            continue
        yield start, line.end()
        start = line.end()


def _stops(text: str, start: int, end: int) -> Iterator[int]:
    words_start = start + bullet_length(text[start : start + _LONGEST_WORD])
    for match in _STOP.finditer(text, words_start, end):
        if _ends_sentence(text, match, end):
            yield match.end()


def _ends_sentence(text: str, match: re.Match[str], end: int) -> bool:
    opening = _OPENING.match(text, match.end(), end)
    following = text[opening.end() : opening.end() + 1] if opening and opening.end() < end else ""
    if not following:
        return True
    word = _word_before(text, match.start())
    if text[match.end()].isspace():
        return not following.islower() and not (
            match[0] == "." and _leads_on(text, match.start(), word, following)
        )
    if match[0][0] in "。！？":
        return True
    return following.isupper() and not _is_in_name(text, match, word)


def _word_before(text: str, position: int) -> str:
    found = _WORD_BEFORE.search(text[max(0, position - _LONGEST_WORD) : position])
    return found[0] if found else ""


def _leads_on(text: str, position: int, word: str, following: str) -> bool:
    """Whether the full stop behind the word shortens it and the sentence goes on."""
    small = word.lower()
    if small in _BEFORE_NUMBERS:
        return following.isdigit()
    if small in _AFTER_NUMBERS:
        return not (
            _word_before(text, max(0, position - len(word) - 1))[-1:].isdigit() and following.isupper()
        )
    if small in _SUFFIXES:
        return not following.isupper()
    return small in _PREFIXES or _is_initial(word)


def _is_initial(word: str) -> bool:
    """ "А" of "А. С. Пушкин", or "А.С"."""
    return all(len(letter) == 1 and letter.isupper() for letter in word.split("."))


def _is_in_name(text: str, match: re.Match[str], word: str) -> bool:
    """A full stop inside an address or a name in capitals ("kladez.RU", "shop.example/A?B") ends nothing."""
    rest = text[match.end() : match.end() + _LONGEST_WORD].split(maxsplit=1)[0]
    return bool(_ADDRESS.search(word + rest)) or rest[:2].isupper()


def _trimmed(text: str, start: int, end: int) -> Sentence:
    piece = text[start:end]
    words = piece.strip()
    start += len(piece) - len(piece.lstrip())
    return Sentence(start=start, end=start + len(words), text=words)
