"""Finds citations in a streamed answer: its markers, and the range of text that each supports."""

from __future__ import annotations

import re
from dataclasses import dataclass

from retrieval_service.domain.safe_text.citation_markers import UNFINISHED, marker_at, numbers_of
from retrieval_service.domain.safe_text.held_text import HeldText
from retrieval_service.text.sentences import bullet_length, split_sentences

_SPACES = " \t\u00a0"
_PLAIN = re.compile(rf"[^\[【{_SPACES}]+")
# Punctuation without a space before it.
_CLINGING = ".,;:!?…)»”\n"
_SPACE_RUN = re.compile(rf"[{_SPACES}]+")
_NO_SPACE = re.compile(rf"[^{_SPACES}]")

# The longest supported range of a marker, and the longest bullet before it.
_LONGEST_BULLET = 12
_MAX_SENTENCE = 800
# The characters around a full stop that decide whether it ends a sentence.
_CONTEXT = 45
_MAX_ADDRESS = 2_000

# Models write "[1](https://…)". The link is removed, because the reference has its own checked link.
_ADDRESS = rf"[^\s()]{{0,{_MAX_ADDRESS}}}+"
_ENDS_ADDRESS = re.compile(r"[\s()]")
_LINK = re.compile(rf"\((?=https?://|www\.|mailto:|/|\#){_ADDRESS}\)")
_UNFINISHED_LINK = re.compile(rf"\({_ADDRESS}\Z")
_LINK_BEGINNINGS = ("http://", "https://", "www.", "mailto:", "/", "#")
_LONGEST_BEGINNING = max(map(len, _LINK_BEGINNINGS))


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
        self._held = HeldText()
        self._answer = _Answer()

    def feed(self, text: str) -> list[AnswerEvent]:
        """The events that are final after this piece; often one delta, sometimes none."""
        return self._read(final=False) if self._held.add(text) else []

    def finish(self) -> list[AnswerEvent]:
        """The rest; nothing may be fed afterwards."""
        self._held.collect()
        events = self._read(final=True)
        return [*events, *self._answer.finish()]

    def _read(self, *, final: bool) -> list[AnswerEvent]:
        position = 0
        self._held.wait_for_anything()
        while (end := self._read_token(position, final=final)) > position:
            position = end
        self._held.drop_until(position)
        return self._answer.take_events()

    def _read_token(self, position: int, *, final: bool) -> int:
        """The end of the token at this place, or the place itself when more text is needed."""
        text = self._held.text
        if position == len(text):
            return position
        if self._answer.is_behind_marker and text[position] == "(":
            return self._read_parenthesis(position, final=final)
        if plain := _PLAIN.match(text, position):
            return self._write(plain[0], position)
        if spaces := _SPACE_RUN.match(text, position):
            return self._read_spaces(spaces, final=final)
        return self._read_bracket(position, final=final)

    def _read_spaces(self, spaces: re.Match[str], *, final: bool) -> int:
        if spaces.end() == len(self._held.text) and not final:
            self._held.wait_for(_NO_SPACE)
            return spaces.start()
        self._answer.hold_spaces(spaces[0])
        return spaces.end()

    def _read_bracket(self, position: int, *, final: bool) -> int:
        text = self._held.text
        if not final and UNFINISHED.match(text, position):
            return position
        marker = marker_at(text, position)
        if marker is None:
            return self._write(text[position], position)
        self._answer.cite([number for number in numbers_of(marker) if number in self._known_numbers])
        return marker.end()

    def _read_parenthesis(self, position: int, *, final: bool) -> int:
        text = self._held.text
        if not final and _may_become_link(text, position):
            if len(text) - position > _LONGEST_BEGINNING:
                self._held.wait_for(_ENDS_ADDRESS, room=_MAX_ADDRESS)
            return position
        if link := _LINK.match(text, position):
            return link.end()
        return self._write("(", position)

    def _write(self, text: str, position: int) -> int:
        self._answer.write(text)
        return position + len(text)


class _Answer:
    """The length and the end of the visible text, and the events about it in order."""

    def __init__(self) -> None:
        self.is_behind_marker = False
        self._new: list[str] = []
        # The last words with blanks instead of markers, and where they begin.
        self._words = ""
        self._from = 0
        # The range of the sentence before the last marker, in the whole text.
        self._last_sentence = -1, 0
        self._is_at_line_start = True
        self._spaces = ""
        self._is_behind_removed = False
        self._pending: Cited | None = None
        self._events: list[AnswerEvent] = []

    def hold_spaces(self, spaces: str) -> None:
        """Holds spaces back: a marker that follows removes them."""
        self._spaces = spaces
        if self._is_behind_removed and self._is_at_line_start:
            self._spaces = ""
        self._is_behind_removed = self.is_behind_marker = False

    def write(self, text: str) -> None:
        """Writes final text."""
        self._flush_citation()
        if not (self._is_behind_removed and text[0] in _CLINGING):
            self._append(self._spaces)
        self._append(text)
        self._spaces = ""
        self._is_behind_removed = self.is_behind_marker = False

    def cite(self, numbers: list[int]) -> None:
        """Writes a marker; one without numbers leaves nothing."""
        self.is_behind_marker = True
        if not numbers:
            self._is_behind_removed = True
            return
        self._is_behind_removed = False
        supported = self._supported_range()
        self._append(self._spaces)
        markers = "".join(f"[{number}]" for number in numbers)
        self._append(markers, words=" " * len(markers))
        self._spaces = ""
        if supported:
            self._add_citation(*supported, numbers)

    def take_events(self) -> list[AnswerEvent]:
        """All events since the last call, with the longest possible deltas."""
        self._flush_text()
        events, self._events = self._events, []
        return events

    def finish(self) -> list[AnswerEvent]:
        """Drops the spaces at the very end."""
        self._flush_citation()
        return self.take_events()

    def _append(self, text: str, *, words: str = "") -> None:
        if not text:
            return
        self._new.append(text)
        self._is_at_line_start = text.endswith("\n")
        self._words += words or text
        if len(self._words) > 2 * _MAX_SENTENCE:
            self._forget(len(self._words) - _MAX_SENTENCE)

    def _forget(self, count: int) -> None:
        """Forgets text that is further back than any sentence can begin."""
        self._from += count
        self._words = self._words[count:]

    def _flush_text(self) -> None:
        if self._new:
            self._events.append(Delta(text="".join(self._new)))
            self._new.clear()

    def _flush_citation(self) -> None:
        if self._pending:
            self._flush_text()
            self._events.append(self._pending)
            self._pending = None

    def _add_citation(self, start: int, end: int, numbers: list[int]) -> None:
        """Adds a citation; adjacent markers are one citation."""
        before: tuple[int, ...] = ()
        if self._pending and (self._pending.start, self._pending.end) == (start, end):
            before = self._pending.numbers
        else:
            self._flush_citation()
        self._pending = Cited(start=start, end=end, numbers=tuple(dict.fromkeys([*before, *numbers])))

    def _supported_range(self) -> tuple[int, int] | None:
        """The last sentence of this line, or of the line before when the marker begins its own line."""
        self._forget(max(0, len(self._words) - _MAX_SENTENCE))
        words = self._words
        end = len(words.rstrip())
        if end == 0 or words.count("\n", end) > 1:
            return None
        line_start = words.rfind("\n", 0, end) + 1
        if line_start or not self._from:
            line_start += bullet_length(f"{words[line_start:end][:_LONGEST_BULLET]} ")
        start = self._sentence_start(line_start, end)
        return None if start is None else (start, self._from + end)

    def _sentence_start(self, line_start: int, end: int) -> int | None:
        """The start of the last sentence of a line, in the whole text.

        Text before the last marker is not read again.
        """
        begin = line_start
        known_start, known_end = (place - self._from for place in self._last_sentence)
        if known_start >= line_start:
            begin = max(line_start, known_end - 2 * _CONTEXT)
        sentences = split_sentences(self._words[begin:end])
        if not sentences:
            return None
        start = begin + sentences[-1].start
        if begin > line_start and start < known_end - _CONTEXT:
            start = known_start
        self._last_sentence = self._from + start, self._from + end
        return self._from + start


def _may_become_link(text: str, position: int) -> bool:
    if not _UNFINISHED_LINK.match(text, position):
        return False
    address = text[position + 1 : position + 1 + _LONGEST_BEGINNING]
    return any(address.startswith(start) or start.startswith(address) for start in _LINK_BEGINNINGS)
