"""Characters that a reader cannot see and a program obeys: they are taken out of whatever is shown or sent."""

from __future__ import annotations

import re

# Zero-width spaces and joiners, bidirectional marks, overrides and isolates, invisible operators, fillers,
# selectors of variants, tags, halves of pairs and control characters. Line feeds and tabs are layout, a
# variant selector 16 makes a sign an emoji.
_INVISIBLE = (
    "\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff"
)
# A joiner holds an emoji together and hides in a word. Only what begins with a set of characters is searched for
# fast, and translating by a table is ten times slower in texts that are not ASCII.
_HIDDEN = re.compile(rf"[{_INVISIBLE}\u200d](?<![\u2600-\u27bf\ufe0f\U0001f000-\U0001faff]\u200d)")
# What nobody sees even where it is allowed to stay: white space, joiners and selectors that have nothing to join.
_BLANK = re.compile(rf"[{_INVISIBLE}\u200d\ufe0f\u2800\s]*+")
_LINE_END = re.compile("[\u000b\u000c\u0085\u2028\u2029]")


def without_invisible(text: str) -> str:
    """The text as a reader sees it; its line ends are line feeds."""
    return _HIDDEN.sub("", _LINE_END.sub("\n", text))


def is_blank(text: str) -> bool:
    """Whether a reader sees nothing of it."""
    return _BLANK.fullmatch(text) is not None


class VisibleText:
    """The same for text that comes in pieces, wherever they are cut."""

    def __init__(self) -> None:
        self._before = ""

    def feed(self, piece: str) -> str:
        """What is visible of the piece; two characters before it tell whether a joiner joins an emoji."""
        text = without_invisible(self._before + piece)
        visible = text[len(without_invisible(self._before)) :]
        self._before = text[-2:]
        return visible
