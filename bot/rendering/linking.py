"""Keeps Telegram from making links of words that did not stand in the answer as they are shown."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import replace

from bot.rendering.styled import StyledText

# It is invisible, and no program continues an address across it.
JOINER = "\u2060"

# Characters that Markdown adds between words or removes.
_PIECE = re.compile(r"[^\s*_`~|\[\]()<>⦗⦘⧼]+")
# An underscore inside a word is a part of it.
_NAME = re.compile(r"(?<![^\W_])[@#$/]\w+")
_AROUND = ".,;:!?…'\"«»“”„"
_WEAK = re.compile(r"(?<=[.:@#$/])(?=\w)")
_NUMBER = re.compile(r"\+?\d[\d \u00a0().-]{5,40}\d")
_BETWEEN_DIGITS = re.compile(r"(?<=[\d+])(?=[^\d])|(?<=[^\d])(?=\d)")


def without_new_links(styled: StyledText, said: str) -> StyledText:
    """Breaks links that Markdown made of several words. The service has checked only the words of `said`.

    "evil&#46;com", "evil\\.com" and "@**evil_bot**" would become links, as their author intended.
    """
    places = sorted({*_weak_places(styled.text, said)})
    if not places:
        return styled
    parts = (styled.text[start:end] for start, end in zip([0, *places], [*places, None], strict=True))
    spans = tuple(
        replace(
            span,
            start=span.start + bisect_right(places, span.start),
            end=span.end + bisect_left(places, span.end),
        )
        for span in styled.spans
    )
    return StyledText(text=JOINER.join(parts), spans=spans)


def _weak_places(shown: str, said: str) -> Iterator[int]:
    known = {piece.strip(_AROUND) for piece in _PIECE.findall(said)}
    for piece in _PIECE.finditer(shown):
        if piece[0].strip(_AROUND) not in known:
            yield from (weak.start() for weak in _WEAK.finditer(shown, piece.start(), piece.end()))
    known_names = {name.rstrip("_") for name in _NAME.findall(said)}
    for name in _NAME.finditer(shown):
        if name[0].rstrip("_") not in known_names:
            yield name.start() + 1
    known_numbers = {*_NUMBER.findall(said)}
    for number in _NUMBER.finditer(shown):
        if number[0] not in known_numbers:
            yield from (
                weak.start() for weak in _BETWEEN_DIGITS.finditer(shown, number.start() + 1, number.end())
            )
