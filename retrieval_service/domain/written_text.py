"""What was written of a safe text, and the gaps that keep two harmless pieces from becoming a link together."""

from __future__ import annotations

import re

from retrieval_service.domain.contacts import (
    IN_TELEPHONE,
    JOINER,
    LEAST_DIGITS,
    MAX_TELEPHONE,
    SIGILS,
    number_of_digits,
)
from retrieval_service.domain.hosts import DOTS, begins_with_host
from retrieval_service.domain.markers import MAX_MARKER, marker_at

_TAIL = 200
_LIKE_ADDRESS = frozenset(f"{DOTS}{SIGILS}")
# Read from the end.
_WORD = re.compile(rf"[^\s<>\[\]()\"«»‹{JOINER}]*+")
_LABEL = re.compile(r"[\w-]*+")
_USER = re.compile(r"[\w.+-]*+")
_DIGITS = re.compile(rf"[+{IN_TELEPHONE}]{{0,{MAX_TELEPHONE}}}+")
# What goes on with an address: a sign does so only where more of an address touches it.
_SIGN = rf"[{DOTS}{SIGILS}?:%&=+~-]"
_GROWS = re.compile(rf"\w|{_SIGN}(?=\w|{_SIGN})")
_MAY_GROW = re.compile(rf"{_SIGN}\Z")


class WrittenText:
    """Spaces are held until it is known whether what follows them takes them away."""

    def __init__(self) -> None:
        self._new: list[str] = []
        self._tail = ""
        self._spaces = ""
        self._is_behind_dropped = False
        self._is_parted = False
        # As a reader may see it, who is shown no markers.
        self._unmarked = ""

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
        self._unmarked = (self._unmarked + shown)[-_TAIL:]
        self._spaces = ""
        self._is_behind_dropped = False
        self._is_parted = False

    def part(self) -> None:
        """Something was left out here: an address before it must not grow by what comes after it."""
        self._is_parted = True

    def write_marker(self, marker: str) -> None:
        """It may vanish again with the spaces before it: what stands around it is then as one."""
        unmarked = self._unmarked
        self.write(marker)
        self._unmarked = unmarked
        self.part()

    def needs_more(self, following: str) -> bool:
        """Whether `settle` must know what comes after this."""
        if not self._is_parted:
            return False
        digits = _DIGITS.match(following)
        is_number_open = bool(digits) and digits.end() == len(following) < MAX_TELEPHONE
        return bool(_MAY_GROW.match(following)) or (is_number_open and self._digits > 0)

    def settle(self, following: str) -> None:
        """Puts a gap between what was written and what follows, where without it both could become a link."""
        if self._is_parted and (gap := self._gap(following)):
            self.write(gap)

    def write_title(self, title: str) -> None:
        """Of a link that is left out: an address before it, or a word, must not grow by it to another one."""
        self.part()
        self.settle(title)
        grows = bool(self.word) and begins_with_host(self.label + title.split()[0])
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
        return " " if is_image or (is_target and not self.is_behind_number) else ""

    def _gap(self, following: str) -> str:
        """Nobody sees the joiner, but where a program would take it into an address it must be a space."""
        word = self._unmarked_word
        if word and _GROWS.match(following):
            if _is_like_address(word):
                return " "
            # A word alone is seen by whoever reads on, unless a marker stands behind it.
            is_seen = word.isalpha() and word == self.label
            return "" if is_seen and not following[0].isdecimal() else JOINER
        digits = _DIGITS.match(following)
        more = number_of_digits(digits[0]) if digits else 0
        return JOINER if more and self._digits > 0 and self._digits + more >= LEAST_DIGITS else ""

    @property
    def _unmarked_word(self) -> str:
        found = None if self._spaces else _WORD.match(self._unmarked[::-1])
        return found[0][::-1] if found else ""

    @property
    def _digits(self) -> int:
        """Of what may be the beginning of a telephone number."""
        found = _DIGITS.match(self._unmarked[::-1])
        return number_of_digits(found[0]) if found else 0


def _is_like_address(word: str) -> bool:
    return not _LIKE_ADDRESS.isdisjoint(word)
