"""Which heading of a Markdown document stands above a place in it."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

SEPARATOR = " > "
LONGEST_TITLE = 200
# The titles above a document share a passage's window with its text, so there is room for a few only.
LONGEST_ANCESTRY = 200
# What stands between headings and is longer is a text of its own.
_LONGEST_REPEATED = 1_000
# What a line across the page is made of.
_DRAWN = "-*_= \t"

# A fenced block is matched whole, so that the comments in a shell script are no headings. Possessive
# quantifiers keep the time linear for a row of a million backticks.
_BLOCK = re.compile(
    r"^[ ]{0,3}(?P<fence>`{3,}+|~{3,}+)[^\n]*+\n(?s:.*?)(?:^[ ]{0,3}(?P=fence)[`~]*[ \t]*$|\Z)"
    r"|^[ ]{0,3}(?P<marks>\#{1,6})(?P<title>[ \t][^\n]*)?$"
    r"|^[ ]{0,3}(?P<underlined>[^\s\#>|*+\-`~][^\n]*+)\n[ ]{0,3}(?P<line>=+|-{3,})[ \t]*$",
    re.MULTILINE | re.VERBOSE,
)
_CLOSING_MARKS = re.compile(r"(?:^|[ \t])#+$")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")


@dataclass(frozen=True, kw_only=True)
class _Heading:
    start: int
    end: int
    title: str
    path: str


class Outline:
    """The headings of one text with their places in it, from `begins` on; only Markdown has any."""

    def __init__(self, content: str, begins: int = 0, *, has_headings: bool = True) -> None:
        self._content = content
        self._headings = tuple(_headings(content, begins)) if has_headings else ()
        self._starts = [heading.start for heading in self._headings]

    def path(self, start: int, end: int) -> str:
        """A path like "Returns > Period": headings that open the passage count as standing above it."""
        place = bisect_right(self._starts, start) - 1
        while self._opens(place + 1, start, end):
            place += 1
        return self._headings[place].path if place >= 0 else ""

    def untold(self, start: int, end: int, told: Iterable[str]) -> tuple[str, ...] | None:
        """The titles of a passage of headings alone that are not among `told`; None when it holds more than headings.

        Lines that say again what is told, and lines drawn below them, are no more than headings.
        """
        if not any(map(str.isalnum, self._content[start:end])):
            return None
        first, last = bisect_left(self._starts, start), bisect_left(self._starts, end)
        inside = self._headings[first:last]
        known = {" ".join(title.split()) for title in told}
        borders = [start, *(border for heading in inside for border in (heading.start, heading.end)), end]
        between = zip(borders[::2], borders[1::2], strict=True)
        if any(self._says_more(above, below, known) for above, below in between):
            return None
        return tuple(heading.title for heading in inside if heading.title not in known)

    def _says_more(self, start: int, end: int, known: Set[str]) -> bool:
        lines = self._content[start : min(end, start + _LONGEST_REPEATED)].splitlines()
        return end - start > _LONGEST_REPEATED or not all(_is_told(line, known) for line in lines)

    def _opens(self, place: int, start: int, end: int) -> bool:
        """Whether nothing but headings stands between the start of the passage and this heading in it."""
        if place >= len(self._headings) or self._headings[place].start >= end:
            return False
        above = max(start, self._headings[place - 1].end) if place else start
        return not self._content[above : self._headings[place].start].strip()


def below(ancestors: Sequence[str], heading: str) -> str:
    """The path of a passage whose document stands below others; their titles come root first.

    The nearest titles are kept, as many as fit into 200 characters together.
    """
    kept: list[str] = []
    room = LONGEST_ANCESTRY
    for title in filter(None, map(_plain, reversed(ancestors))):
        if kept and len(title) > room:
            break
        kept.insert(0, title)
        room -= len(title) + len(SEPARATOR)
    return joined([*kept, heading])


def joined(titles: Iterable[str]) -> str:
    """A path of those that are not empty."""
    return SEPARATOR.join(filter(None, titles))


def _headings(content: str, begins: int) -> Iterator[_Heading]:
    path: dict[int, str] = {}
    for match in _BLOCK.finditer(content, begins):
        if match["fence"]:
            continue
        level, title = _level_and_title(match)
        path = {above: name for above, name in path.items() if above < level}
        path[level] = title
        yield _Heading(start=match.start(), end=match.end(), title=title, path=joined(path.values()))


def _level_and_title(match: re.Match[str]) -> tuple[int, str]:
    if match["marks"]:
        return len(match["marks"]), _plain(match["title"] or "")
    return (1 if match["line"].startswith("=") else 2), _plain(match["underlined"])


def _is_told(line: str, known: Set[str]) -> bool:
    return not line.strip(_DRAWN) or _plain(line) in known


def _plain(title: str) -> str:
    bare = _CLOSING_MARKS.sub("", title.strip()[:LONGEST_TITLE])
    return " ".join(_LINK.sub(r"\1", bare).replace("*", "").replace("`", "").split())
