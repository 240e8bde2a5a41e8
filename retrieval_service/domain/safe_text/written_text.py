"""What was written of a safe text, and the gaps that keep two harmless pieces from becoming a link together."""

from __future__ import annotations

import re

from retrieval_service.domain.safe_text.bullets import Bullets
from retrieval_service.domain.safe_text.citation_markers import MAX_MARKER, marker_at
from retrieval_service.text.contacts import (
    AT,
    IN_TELEPHONE,
    JOINER,
    LEAST_DIGITS,
    MAX_TELEPHONE,
    PLUS,
    SIGILS,
    is_telephone,
    number_of_digits,
)
from retrieval_service.text.hosts import DOTS, begins_with_host

_TAIL = 200
_LIKE_ADDRESS = frozenset(f"{DOTS}{SIGILS}")
# Read from the end.
_WORD = re.compile(rf"[^\s<>\[\]()\"«»‹{JOINER}]*+")
_TOUCHING = re.compile(r"\S*+")
_HAS_SCHEME = re.compile(r"://|www\.", re.IGNORECASE)
_LABEL = re.compile(r"[\w-]*+")
_USER = re.compile(r"[\w.+-]*+")
_DIGITS = re.compile(rf"[{PLUS}{IN_TELEPHONE}]{{0,{MAX_TELEPHONE}}}+")
# Markdown puts them around words, and whoever renders it takes them away: what stands on both sides is then as one.
INLINE_MARKS = "*_~`|\\^\ufe0f"
MARKS = f"{INLINE_MARKS}[]"
_MARK_RUN = re.compile(rf"[{re.escape(MARKS)}]+")
# What goes on with an address: a sign does so only where more of an address touches it.
_SIGN = rf"[{DOTS}{SIGILS}?:%&=+~-]"
_GROWS = re.compile(rf"\w|{_SIGN}(?=\w|{_SIGN})")
_MAY_GROW = re.compile(rf"{_SIGN}\Z")
# What two words make a link with, where one of them has it at its edge.
_SIGN_BEFORE_WORD = re.compile(rf"[{DOTS}{AT}](?=\w)|:(?=/)")
_SIGN_AT_END = re.compile(rf"(?:\w[{DOTS}]|[{AT}#＃$]|(?<!\w)/)\Z")
_NUMBER = re.compile(r"[0-9][0-9.]*")
_WORD_WITH_SIGN = re.compile(rf"[\w-]{{1,{MAX_TELEPHONE}}}+[{DOTS}{AT}](?=\w)")
_MAY_GET_SIGN = re.compile(rf"[\w-]{{1,{MAX_TELEPHONE - 1}}}+[{DOTS}{AT}]?\Z")
_IN_NAME = re.compile(r"[^\W_]_{1,9}\Z")
# A name, a tag, a command or a mail address: letters behind it make another one of it.
_CONTACT_AT_END = re.compile(rf"[{AT}#＃$]\w[\w.-]*+\Z|(?<![\w/<>])/\w+\Z")
# A reader may be shown these as a part of a name.
_SHOWN_IN_NAME = re.compile(r"[_\\]")
_BEFORE_CONTACT = f"\n\t(«“„\"'{MARKS}"
_SCHEME_AT_END = re.compile(r"\w:/?\Z")


class WrittenText:
    """Spaces are held until it is known whether what follows them takes them away."""

    def __init__(self) -> None:
        self._new: list[str] = []
        self._bullets = Bullets()
        self._tail = ""
        self._spaces = ""
        self._is_behind_dropped = False
        self._is_parted = False
        self._is_behind_mark = False
        # As a reader may see it, who is shown no markers, and as one who is shown no marks of Markdown either.
        self._unmarked = ""
        self._bare = ""

    def take(self) -> str:
        """What came since the last call."""
        said = "".join(self._new)
        self._new.clear()
        return said

    def finish(self) -> None:
        """Nothing comes any more."""
        self._new.append(self._bullets.finish())

    def hold_spaces(self, spaces: str) -> None:
        """At the start of a line those behind something dropped are nobody's."""
        if not (self._is_behind_dropped and self._tail[-1:] in ("", "\n")):
            self._spaces += spaces

    def drop_spaces(self) -> None:
        self._spaces = ""
        self._is_behind_dropped = True
        self._bullets.lose()

    def write(self, text: str) -> None:
        if not text:
            return
        shown = f"{self._spaces}{self._before(text)}{text}"
        self._new.append(self._bullets.add(shown))
        self._tail = (self._tail + shown)[-_TAIL:]
        self._unmarked = (self._unmarked + shown)[-_TAIL:]
        self._bare = (self._bare + _MARK_RUN.sub("", shown))[-_TAIL:]
        self._spaces = ""
        self._is_behind_dropped = False
        self._is_parted = False
        self._is_behind_mark = shown[-1] in MARKS

    def write_marks(self, marks: str) -> None:
        """A name before them must not grow by an underscore that was escaped, or that is no mark after all."""
        shown = _SHOWN_IN_NAME.search(marks)
        if shown and _CONTACT_AT_END.search(self._bare_word):
            self.write(marks[: shown.start()])
            self.write(JOINER)
            marks = marks[shown.start() :]
        self.write(marks)

    def part(self) -> None:
        """Something was left out here: an address before it must not grow by what comes after it."""
        self._is_parted = True

    def write_marker(self, marker: str) -> None:
        """It may vanish again with the spaces before it: what stands around it is then as one."""
        unmarked, bare = self._unmarked, self._bare
        if self._is_behind_address and not self.is_behind_number:
            # Whoever makes a link of an address takes whatever touches it.
            self.hold_spaces(" ")
        self.write(marker)
        self._unmarked, self._bare = unmarked, bare
        self.part()

    def needs_more(self, following: str) -> bool:
        """Whether `settle` must know what comes after this."""
        if not (self._is_parted or self._is_behind_mark):
            return False
        digits = _DIGITS.match(following)
        is_number_open = bool(digits) and digits.end() == len(following) < MAX_TELEPHONE
        is_word_open = (
            _MAY_GET_SIGN.match(following) and len(following) < MAX_TELEPHONE and self._is_within_word
        )
        return bool(_MAY_GROW.match(following) or is_word_open) or (is_number_open and self._digits > 0)

    def settle(self, following: str) -> None:
        """Puts a gap between what was written and what follows, where without it both could become a link."""
        gap = self._gap(following) if self._is_parted else ""
        if gap or (self._is_behind_mark and (gap := self._gap_behind_mark(following))):
            self.write(gap)

    def write_title(self, title: str) -> None:
        """Of a link that is left out: an address before it, or a word, must not grow by it to another one."""
        self.part()
        self.settle(title)
        grows = bool(self.word) and begins_with_host(self.label + title.split()[0])
        self.write(f" {title}" if grows else title)
        self.part()

    def write_contact(self, contact: str) -> None:
        """As it is, with a gap before it where it would grow by what touches it."""
        if self.last and self.last not in _BEFORE_CONTACT:
            self.hold_spaces(" ")
        self.settle(contact)
        self.write(contact)
        self.part()

    def write_link(self, title: str, address: str) -> None:
        """A reader is shown the title alone."""
        if not title:
            self.write(address)
            return
        if _CONTACT_AT_END.search(self._bare_word):
            self.part()
            self.settle(title)
        unmarked, bare = f"{self._unmarked}{self._spaces}", f"{self._bare}{self._spaces}"
        self.write(f"[{title}]({address})")
        self._unmarked = f"{unmarked}{title}"[-_TAIL:]
        self._bare = f"{bare}{_MARK_RUN.sub('', title)}"[-_TAIL:]
        self._is_behind_mark = True

    @property
    def is_at_word_start(self) -> bool:
        return bool(self._spaces) or not re.match(r"[^\W_]", self._tail[-1:])

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
        return "" if self._spaces else _last(pattern, self._tail)

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
                # No program takes a joiner into a number, and nobody reads a space as a part of one.
                is_number = _NUMBER.fullmatch(word) and following[0].isdecimal()
                return JOINER if is_number else f"{self._gap_in_number(following)} "
            # A word alone is seen by whoever reads on, unless a marker stands behind it.
            is_seen = word.isalpha() and word == self.label
            return "" if is_seen and not following[0].isdecimal() else JOINER
        return self._gap_in_number(following)

    def _gap_behind_mark(self, following: str) -> str:
        """Where what stands before the marks and what follows them would be a link without them."""
        # An underscore between letters is a part of the word.
        is_in_name = _IN_NAME.search(self._tail) and re.match(r"[^\W_]", following)
        if following[:1] in MARKS:
            return ""
        if is_in_name:
            return JOINER if self._makes_telephone(following) else ""
        word = self._bare_word
        if _is_address(word) and _GROWS.match(following):
            return f"{self._gap_in_number(following)} "
        is_joined = bool(word) and _SIGN_BEFORE_WORD.match(following)
        is_joined = is_joined or (re.match(r"\w", following) and _CONTACT_AT_END.search(word))
        is_joined = is_joined or (self._is_within_word and _WORD_WITH_SIGN.match(following))
        is_joined = is_joined or (_SIGN_AT_END.search(word) and re.match(r"\w", following))
        is_joined = is_joined or (_SCHEME_AT_END.search(word) and following.startswith("/"))
        return JOINER if is_joined else self._gap_in_number(following)

    def _makes_telephone(self, following: str) -> bool:
        """With the digits before the marks: "+7800__800"; dates and names of files do not."""
        digits = _DIGITS.match(following)
        return bool(digits) and is_telephone(_last(_DIGITS, self._bare) + digits[0])

    def _gap_in_number(self, following: str) -> str:
        """A space alone would part the digits as those of a telephone number are parted."""
        digits = _DIGITS.match(following)
        more = number_of_digits(digits[0]) if digits else 0
        return JOINER if more and self._digits > 0 and self._digits + more >= LEAST_DIGITS else ""

    @property
    def _bare_word(self) -> str:
        return "" if self._spaces else _last(_WORD, self._bare)

    @property
    def _unmarked_word(self) -> str:
        return "" if self._spaces else _last(_WORD, self._unmarked)

    @property
    def _is_behind_address(self) -> bool:
        """Quotation marks and marks of Markdown may stand between."""
        touching = "" if self._spaces else _last(_TOUCHING, self._unmarked)
        return _HAS_SCHEME.search(touching) is not None or _is_address(self._bare_word)

    @property
    def _is_within_word(self) -> bool:
        """What follows the marks goes on with a word, which a host or a mail address must not do."""
        return not self._spaces and re.match(r"[^\W_]|-", self._bare[-1:]) is not None

    @property
    def _digits(self) -> int:
        """Of what may be the beginning of a telephone number."""
        return number_of_digits(_last(_DIGITS, self._bare))


def _last(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.match(text[::-1])
    return found[0][::-1] if found else ""


def _is_address(word: str) -> bool:
    """One that a program takes joiners into."""
    return "://" in word or word[:4].lower() == "www." or begins_with_host(word)


def _is_like_address(word: str) -> bool:
    return not _LIKE_ADDRESS.isdisjoint(word)
