"""Citations in an answer that is still being written: one form of marker, and the range each supports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from retrieval_service.domain.sentences import bullet_length, split_sentences

_SPACES = " \t\u00a0"
_PLAIN = re.compile(rf"[^\[【{_SPACES}]+")
# Punctuation that stands without a space before it.
_CLINGING = ".,;:!?…)»”\n"
_SPACE_RUN = re.compile(rf"[{_SPACES}]+")

# Longer brackets are text: a marker is never held back for more than this.
_MAX_NUMBERS = 60
_MAX_NOTE = 80
_MAX_ADDRESS = 2_000
_MAX_RANGE = 20

# "[1]", "[1, 3]", "[1-3]", "[^1]", "【1†source】"; four digits are a year.
_BRACKET = re.compile(
    rf"[\[【](?P<numbers>[ ^0-9,;:–-]{{1,{_MAX_NUMBERS}}})(?:†[^\]】\n]{{0,{_MAX_NOTE}}})?(?P<closing>[\]】])"
)
_UNFINISHED_BRACKET = re.compile(
    rf"[\[【](?:[ ^0-9,;:–-]{{1,{_MAX_NUMBERS}}}(?:†[^\]】\n]{{0,{_MAX_NOTE}}})?)?\Z"
)
_CLOSING = {"[": "]", "【": "】"}
_NUMBER = r"\^?[0-9]{1,3}(?: ?[–-] ?[0-9]{1,3})?"
_NUMBERS = re.compile(rf" ?{_NUMBER}(?: ?[,;] ?{_NUMBER})* ?")
# "4:0" is how OpenAI's own search tool counts; it names no fragment of ours.
_FOREIGN = re.compile(r"[0-9]{1,3}:[0-9]{1,3}")

# Models write "[1](https://…)"; the reference has its own checked link, so this one goes.
_ADDRESS = rf"[^\s()]{{0,{_MAX_ADDRESS}}}"
_LINK = re.compile(rf"\((?=https?://|www\.|mailto:|/|\#){_ADDRESS}\)")
_UNFINISHED_LINK = re.compile(rf"\({_ADDRESS}\Z")
_LINK_BEGINNINGS = ("http://", "https://", "www.", "mailto:", "/", "#")


@dataclass(frozen=True, kw_only=True)
class Delta:
    """Text to append to the answer."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Cited:
    """Code points `start` to `end` of the joined deltas rest on the fragments with these numbers."""

    start: int
    end: int
    numbers: tuple[int, ...]


AnswerEvent = Delta | Cited


class CitationStream:
    """Feed the model's text in any pieces: the joined deltas and the citations do not depend on the cuts.

    A marker supports the sentence or list item it stands behind. Numbers that were not given vanish with
    the space before them. Only spaces and brackets that may yet become markers are held back.
    """

    def __init__(self, known_numbers: frozenset[int]) -> None:
        self._known_numbers = known_numbers
        self._held = ""
        self._answer = _Answer()

    def feed(self, text: str) -> list[AnswerEvent]:
        """What can be said after this piece; often one delta, sometimes nothing yet."""
        self._held += text
        return self._read(final=False)

    def finish(self) -> list[AnswerEvent]:
        """The rest; nothing may be fed afterwards."""
        events = self._read(final=True)
        return [*events, *self._answer.finish()]

    def _read(self, *, final: bool) -> list[AnswerEvent]:
        position = 0
        while (end := self._read_token(position, final=final)) > position:
            position = end
        self._held = self._held[position:]
        return self._answer.take_events()

    def _read_token(self, position: int, *, final: bool) -> int:
        """The end of the token at this place, or the place itself when more text must come first."""
        if position == len(self._held):
            return position
        if self._answer.is_behind_marker and self._held[position] == "(":
            return self._read_parenthesis(position, final=final)
        if plain := _PLAIN.match(self._held, position):
            return self._write(plain[0], position)
        if spaces := _SPACE_RUN.match(self._held, position):
            return self._read_spaces(spaces, final=final)
        return self._read_bracket(position, final=final)

    def _read_spaces(self, spaces: re.Match[str], *, final: bool) -> int:
        if spaces.end() == len(self._held) and not final:
            return spaces.start()
        self._answer.hold_spaces(spaces[0])
        return spaces.end()

    def _read_bracket(self, position: int, *, final: bool) -> int:
        if not final and _UNFINISHED_BRACKET.match(self._held, position):
            return position
        marker = _BRACKET.match(self._held, position)
        if marker is None or not _is_marker(marker):
            return self._write(self._held[position], position)
        numbers = _read_numbers(marker["numbers"])
        self._answer.cite([number for number in numbers if number in self._known_numbers])
        return marker.end()

    def _read_parenthesis(self, position: int, *, final: bool) -> int:
        if not final and _may_become_link(self._held, position):
            return position
        if link := _LINK.match(self._held, position):
            return link.end()
        return self._write("(", position)

    def _write(self, text: str, position: int) -> int:
        self._answer.write(text)
        return position + len(text)


class _Answer:
    """The visible text so far, its citations, and what is said of them in which order."""

    def __init__(self) -> None:
        self.is_behind_marker = False
        self._text = ""
        # The same with blanks for markers.
        self._words = ""
        self._spoken = 0
        self._spaces = ""
        self._is_behind_removed = False
        self._cited_from = 0
        self._pending: Cited | None = None
        self._events: list[AnswerEvent] = []

    def hold_spaces(self, spaces: str) -> None:
        """Nobody knows yet whether a marker follows that takes them along."""
        self._spaces = spaces
        if self._is_behind_removed and self._is_at_line_start():
            self._spaces = ""
        self._is_behind_removed = self.is_behind_marker = False

    def write(self, text: str) -> None:
        """Text that is certain."""
        self._flush_citation()
        if not (self._is_behind_removed and text[0] in _CLINGING):
            self._append(self._spaces)
        self._append(text)
        self._spaces = ""
        self._is_behind_removed = self.is_behind_marker = False

    def cite(self, numbers: list[int]) -> None:
        """A marker; without numbers it leaves nothing behind."""
        self.is_behind_marker = True
        if not numbers:
            self._is_behind_removed = True
            return
        self._is_behind_removed = False
        supported = self._supported_range()
        self._append(self._spaces)
        markers = "".join(f"[{number}]" for number in numbers)
        self._text += markers
        self._words += " " * len(markers)
        self._spaces = ""
        if supported:
            self._add_citation(*supported, numbers)

    def take_events(self) -> list[AnswerEvent]:
        """Everything since the last call, deltas as long as possible."""
        self._flush_text()
        events, self._events = self._events, []
        return events

    def finish(self) -> list[AnswerEvent]:
        """Spaces at the very end are nobody's."""
        self._flush_citation()
        return self.take_events()

    def _append(self, text: str) -> None:
        self._text += text
        self._words += text

    def _flush_text(self) -> None:
        if self._spoken < len(self._text):
            self._events.append(Delta(text=self._text[self._spoken :]))
            self._spoken = len(self._text)

    def _flush_citation(self) -> None:
        if self._pending:
            self._flush_text()
            self._events.append(self._pending)
            self._pending = None

    def _add_citation(self, start: int, end: int, numbers: list[int]) -> None:
        """Markers side by side are one citation."""
        before: tuple[int, ...] = ()
        if self._pending and (self._pending.start, self._pending.end) == (start, end):
            before = self._pending.numbers
        else:
            self._flush_citation()
        self._pending = Cited(start=start, end=end, numbers=tuple(dict.fromkeys([*before, *numbers])))

    def _is_at_line_start(self) -> bool:
        return not self._text or self._text.endswith("\n")

    def _supported_range(self) -> tuple[int, int] | None:
        """The last sentence of this line; of the line before when the marker opens its own line."""
        offset, words = self._last_words()
        end = len(words.rstrip())
        if end == 0 or words.count("\n", end) > 1:
            return None
        line_start = words.rfind("\n", 0, end) + 1
        if line_start or not offset:
            line_start += bullet_length(words[line_start:end] + " ")
        sentences = split_sentences(words[line_start:end])
        if not sentences:
            return None
        start, end = (offset + line_start + place for place in (sentences[-1].start, sentences[-1].end))
        # "5." is a sentence inside of a line, and would be a bullet at its beginning.
        if not bullet_length(f"{sentences[-1].text} "):
            self._cited_from = start
        return start, end

    def _last_words(self) -> tuple[int, str]:
        """From where the last cited sentence begins; what is before it is settled."""
        return self._cited_from, self._words[self._cited_from :]


def _is_marker(bracket: re.Match[str]) -> bool:
    numbers = bracket["numbers"]
    is_closed = _CLOSING[bracket[0][0]] == bracket["closing"]
    return is_closed and bool(_NUMBERS.fullmatch(numbers) or _FOREIGN.fullmatch(numbers))


def _read_numbers(text: str) -> list[int]:
    if ":" in text:
        return []
    parts = text.replace("^", "").replace("–", "-").replace(";", ",").split(",")
    return list(dict.fromkeys(number for part in parts for number in _read_range(part)))


def _read_range(text: str) -> Iterator[int]:
    first, _, last = text.partition("-")
    numbers = range(int(first), int(last or first) + 1)
    return iter(numbers[:_MAX_RANGE])


def _may_become_link(text: str, position: int) -> bool:
    if not _UNFINISHED_LINK.match(text, position):
        return False
    address = text[position + 1 :]
    return any(address.startswith(start) or start.startswith(address) for start in _LINK_BEGINNINGS)
