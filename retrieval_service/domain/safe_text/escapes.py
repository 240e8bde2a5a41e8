"""Underscores within names, which models escape so that no renderer takes them for emphasis."""

from __future__ import annotations

import re

# Between letters an underscore is nobody's mark, with a backslash before it or without.
_WITHIN_NAME = re.compile(r"(?<=[^\W_])(?:\\?_){1,31}+(?=[^\W_]|[(/])")
_LONGEST = 62
_UNFINISHED = re.compile(rf"(?<![\\_])[\\_]{{1,{_LONGEST}}}+\Z")


class UnescapedNames:
    r"""Feed text in any pieces: "@lumen\_bot" becomes "@lumen_bot" wherever it is cut."""

    def __init__(self) -> None:
        self._before = ""
        self._held = ""

    def feed(self, piece: str) -> str:
        """What is certain after this piece: underscores and backslashes at its end wait for what follows them."""
        if piece and not self._held and "\\" not in piece and piece[-1] != "_":
            self._before = piece[-1]
            return piece
        text = self._held + piece
        tail = text[-_LONGEST - 1 :]
        unfinished = _UNFINISHED.search(tail)
        length = len(text) - (len(unfinished[0]) if unfinished else 0)
        self._held = text[length:]
        return self._unescaped(text[:length])

    def finish(self) -> str:
        """The rest; nothing may be fed afterwards."""
        return self._unescaped(self._held)

    def _unescaped(self, text: str) -> str:
        if not text:
            return ""
        plain = _WITHIN_NAME.sub(_without_backslashes, f"{self._before}{text}")
        self._before, plain = text[-1], plain[len(self._before) :]
        return plain


def _without_backslashes(run: re.Match[str]) -> str:
    return run[0].replace("\\", "")
