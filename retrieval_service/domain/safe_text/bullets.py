"""Bullets of which nothing is left, for what stood behind them was an address that nobody may see."""

from __future__ import annotations

import re

# Longer lines say something.
_LONGEST = 80
_LINE = re.compile(r"[^\n]*+\n|[^\n]++")
_BULLET = r"[-*+•–—·▪◦]|[0-9]{1,3}(?:[.)]|\Z)"
_MARKER = r"[\[【][0-9, ]{0,20}+(?:[\]】]|\Z)"
_BULLET_ALONE = re.compile(rf"[ \t]*+(?:(?:{_BULLET})(?:[\s.,;:!…*_~`()\u2060]|{_MARKER})*+)?\Z")


class Bullets:
    """The beginning of a line waits for a word; where something was left out and no word comes, the line goes."""

    def __init__(self) -> None:
        self._line = ""
        self._is_open = True
        self._has_lost = False

    def lose(self) -> None:
        """Something was left out of this line."""
        self._has_lost = True

    def add(self, text: str) -> str:
        """What is certain now, of what waited too."""
        if not self._is_open and "\n" not in text:
            return text
        return "".join(self._add(piece) for piece in _LINE.findall(text))

    def finish(self) -> str:
        """The rest; nothing may be added afterwards."""
        return self._end_line()

    def _add(self, piece: str) -> str:
        self._line += piece
        self._is_open = self._is_open and self._is_bullet_alone()
        if piece.endswith("\n"):
            return self._end_line()
        return "" if self._is_open else self._take()

    def _is_bullet_alone(self) -> bool:
        return len(self._line) <= _LONGEST and _BULLET_ALONE.match(self._line) is not None

    def _end_line(self) -> str:
        is_empty = self._is_open and self._has_lost and bool(self._line.strip())
        self._is_open, self._has_lost = True, False
        line = self._take()
        return "" if is_empty else line

    def _take(self) -> str:
        line, self._line = self._line, ""
        return line
