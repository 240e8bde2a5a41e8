"""What was written of a safe text, and the gaps that keep two harmless pieces from becoming a link together."""

from __future__ import annotations

import re

from retrieval_service.domain.contacts import SIGILS
from retrieval_service.domain.hosts import DOTS, begins_with_host
from retrieval_service.domain.markers import MAX_MARKER, marker_at

_TAIL = 200
_LIKE_ADDRESS = frozenset(f"{DOTS}{SIGILS}")
# Read from the end.
_WORD = re.compile(r"[^\s<>\[\]()\"«»]*+")
_LABEL = re.compile(r"[\w-]*+")
_USER = re.compile(r"[\w.+-]*+")
# What goes on with an address.
_GROWS = re.compile(r"[\w/?#@:%&=-]")


class WrittenText:
    """Spaces are held until it is known whether what follows them takes them away."""

    def __init__(self) -> None:
        self._new: list[str] = []
        self._tail = ""
        self._spaces = ""
        self._is_behind_dropped = False
        self._is_parted = False

    def take(self) -> str:
        """What came since the last call."""
        said = "".join(self._new)
        self._new.clear()
        return said

    def hold_spaces(self, spaces: str) -> None:
        """At the start of a line those behind something dropped are nobody's."""
        if not (self._is_behind_dropped and self._tail[-1:] in ("", "\n")):
            self._spaces += spaces

    def drop_spaces(self) -> None:
        self._spaces = ""
        self._is_behind_dropped = True

    def write(self, text: str) -> None:
        if not text:
            return
        shown = f"{self._spaces}{self._before(text)}{text}"
        self._new.append(shown)
        self._tail = (self._tail + shown)[-_TAIL:]
        self._spaces = ""
        self._is_behind_dropped = False
        self._is_parted = False

    def part(self) -> None:
        """Something was left out here: an address before it must not grow by what comes after it."""
        self._is_parted = True

    def write_title(self, title: str) -> None:
        """Of a link that is left out: an address before it, or a word, must not grow by it to another one."""
        word = self.word
        grows = bool(word) and (_is_like_address(word) or begins_with_host(self.label + title.split()[0]))
        self.write(f" {title}" if grows else title)
        self.part()

    def write_link(self, title: str, address: str) -> None:
        self.write(f"[{title}]({address})" if title else address)

    @property
    def is_at_word_start(self) -> bool:
        return bool(self._spaces) or not re.match(r"\w", self._tail[-1:])

    @property
    def last(self) -> str:
        """The last character, "" where nothing touches what is written next."""
        return "" if self._spaces else self._tail[-1:]

    @property
    def word(self) -> str:
        return self._last(_WORD)

    @property
    def label(self) -> str:
        """What may be the part of a host before its next full stop."""
        return self._last(_LABEL)

    @property
    def user(self) -> str:
        """What may stand before the sign of a mail address."""
        return self._last(_USER)

    @property
    def is_behind_number(self) -> bool:
        """A citation's; it may also have come together from pieces."""
        if self._spaces or self._tail[-1:] not in ("]", "】"):
            return False
        begin = max(self._tail.rfind("["), self._tail.rfind("【"))
        marker = marker_at(self._tail, begin) if begin >= len(self._tail) - MAX_MARKER else None
        return marker is not None and marker.end() == len(self._tail)

    def _last(self, pattern: re.Pattern[str]) -> str:
        found = None if self._spaces else pattern.match(self._tail[::-1])
        return found[0][::-1] if found else ""

    def _before(self, text: str) -> str:
        """A gap where two harmless pieces would make an image, an address or a link's target that nobody checked."""
        if self._spaces:
            return ""
        is_image = text.startswith("[") and self._tail.endswith("!") and not marker_at(text, 0)
        is_target = text.startswith("(") and self._tail.endswith("]")
        is_grown = self._is_parted and _GROWS.match(text) and _is_like_address(self.word)
        return " " if is_image or is_grown or (is_target and not self.is_behind_number) else ""


def _is_like_address(word: str) -> bool:
    return not _LIKE_ADDRESS.isdisjoint(word)
