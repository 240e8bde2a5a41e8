"""Compares every sentence of an answer with its sources, and flags what cites nothing or differs from them."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from retrieval_service.domain.answering.citations import Cited, Delta
from retrieval_service.domain.answering.claims import (
    LONGEST_TITLE,
    is_lead_in,
    is_no_claim,
    promises_in,
    word_count,
)
from retrieval_service.domain.fragments import Fragment
from retrieval_service.domain.quotation.quotes import SHORT_SENTENCE
from retrieval_service.text.contacts import JOINER
from retrieval_service.text.facts.facts import facts_of, is_known, known_from, numbers_in
from retrieval_service.text.sentences import Sentence, bullet_length, split_sentences

_MARKER = re.compile(r"\[[0-9]{1,3}\]")
_HEADING = re.compile(r"(?P<marks>#{1,6})\s|(?:\*\*\*?[^*]+\*\*\*?|__[^_]+__):?\Z")
_BOLD_LEVEL = 7
_LEAD_IN_LEVEL = 8
_TABLE_LEVEL = 9
_TABLE_RULE = frozenset("|:- \t\r")
# "Please note!" is a title; a third word makes it say something.
_LEAST_CLAIM = 3


class Reason(StrEnum):
    """Why a sentence is flagged."""

    NOT_CITED = "not_cited"
    FACT_NOT_IN_SOURCE = "fact_not_in_source"


@dataclass(frozen=True, kw_only=True)
class Flagged:
    """Code points `start` to `end` of the joined deltas are not from the sources."""

    start: int
    end: int
    reason: Reason


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A line without its markers, and where it begins; `is_last` when no words come after it."""

    start: int
    text: str
    is_last: bool


@dataclass(frozen=True, kw_only=True)
class _Said:
    """A sentence, its place in the answer, and its sources."""

    start: int
    end: int
    text: str
    numbers: frozenset[int]


@dataclass(kw_only=True)
class _Title:
    """A heading or lead-in that cites nothing itself: it may rest on what the lines under it cite."""

    level: int
    said: _Said
    has_lines: bool = False
    numbers_under: set[int] = field(default_factory=set[int])


class Grounding:
    """Give it the events of a `CitationStream` in their order; a line is judged when the next one begins,
    a title when the lines under it end, and by one that is patient nothing before the end.

    `trusted` are texts of the tenant itself: what it says of its contact needs no source. Bare numbers may
    also come from what was `asked`: "order 20931".
    """

    def __init__(
        self,
        fragments: Iterable[Fragment],
        *,
        trusted: Sequence[str] = (),
        asked: Sequence[str] = (),
        is_patient: bool = False,
    ) -> None:
        texts = {one.number: f"{one.title}\n{one.heading}\n{one.text}\n{one.url}" for one in fragments}
        self._texts = texts
        self._known: dict[int, frozenset[str]] = {}
        self._trusted = tuple(text for text in trusted if text)
        self._known_before = known_from(self._trusted) | numbers_in(asked) | _promises(asked)
        self._titles: list[_Title] = []
        self._row: list[_Said] = []
        self._text = ""
        self._judged = 0
        self._cited: list[Cited] = []
        self._is_patient = is_patient

    def take(self, event: Delta | Cited) -> list[Flagged]:
        """The flags of the sentences before this event."""
        if isinstance(event, Cited):
            self._cited.append(event)
            return []
        self._text += event.text
        # A very long line would be read again with every word.
        is_one_line = self._text.find("\n", self._judged) < 0
        return [] if self._is_patient or is_one_line else self._judge(self._last_line_start())

    def finish(self) -> list[Flagged]:
        return [*self._judge(len(self._text)), *self._settle_row(), *self._close_titles(0)]

    def _last_line_start(self) -> int:
        """The start of the last line with words, the only one that may still be cited."""
        words = _words(self._text[self._judged :])
        return self._judged + words.rfind("\n", 0, len(words.rstrip())) + 1

    def _judge(self, end: int) -> list[Flagged]:
        start, self._judged = self._judged, max(self._judged, end)
        if start >= end:
            return []
        rest = _words(self._text[start:])
        last = len(rest.rstrip())
        sources = _Sources(self._cited)
        self._cited = [cited for cited in self._cited if cited.end > end]
        found = re.finditer(r"[^\n]+", rest[: end - start])
        lines = (_Line(start=start + one.start(), text=one[0], is_last=one.end() >= last) for one in found)
        return [flag for line in lines for flag in self._judge_line(line, sources)]

    def _judge_line(self, line: _Line, sources: _Sources) -> Iterator[Flagged]:
        level = _heading_level(line.text.strip())
        if level:
            yield from self._close_titles(level)
        sentences = _sentences(line, sources)
        self._note_under_titles(sentences)
        yield from self._settle_row(is_header=_is_table_rule(line.text))
        is_row = not level and _may_be_header(line.text)
        for place, said in enumerate(sentences, start=1):
            is_led_from = not line.is_last and place == len(sentences) and is_lead_in(said.text)
            if is_row and not said.numbers:
                self._row.append(said)
                continue
            if said.numbers or not (level or is_led_from):
                yield from _flagged(said, self._reason(said))
                continue
            if not level:
                yield from self._close_titles(_LEAD_IN_LEVEL)
            self._titles.append(_Title(level=level or _LEAD_IN_LEVEL, said=said))

    def _settle_row(self, *, is_header: bool = False) -> Iterator[Flagged]:
        """Decides whether a table's row is its header, which the next line tells."""
        row, self._row = self._row, []
        if not is_header:
            for said in row:
                yield from _flagged(said, self._reason(said))
        elif row:
            yield from self._close_titles(_TABLE_LEVEL)
            self._titles += [_Title(level=_TABLE_LEVEL, said=said) for said in row]

    def _note_under_titles(self, sentences: Sequence[_Said]) -> None:
        numbers = {number for said in sentences for number in said.numbers}
        for title in self._titles if sentences else ():
            title.has_lines = True
            title.numbers_under |= numbers

    def _close_titles(self, level: int) -> Iterator[Flagged]:
        """Ends the titles of this level and below."""
        first = next((place for place, title in enumerate(self._titles) if title.level >= level), None)
        closed = [] if first is None else self._titles[first:]
        del self._titles[len(self._titles) - len(closed) :]
        for title in closed:
            yield from _flagged(title.said, self._title_reason(title))

    def _reason(self, said: _Said) -> Reason | None:
        if said.numbers:
            return None if self._are_facts_known(said, said.numbers) else Reason.FACT_NOT_IN_SOURCE
        is_claim = not (self._are_facts_known(said, ()) and self._claims_nothing(said.text))
        return Reason.NOT_CITED if is_claim else None

    def _title_reason(self, title: _Title) -> Reason | None:
        """The reason to flag a title. It may sum up what the lines below it cite."""
        text, under = title.said.text, title.numbers_under
        is_mere = self._claims_nothing(text)
        is_kept = is_mere or self._are_promises_known(text, under)
        if not (is_kept and self._are_facts_known(title.said, under)):
            return Reason.FACT_NOT_IN_SOURCE if under else Reason.NOT_CITED
        is_sentence = text.rstrip("*_| ").endswith((".", "!", "…")) or not title.has_lines
        is_claim = is_sentence and word_count(text) >= _LEAST_CLAIM
        return Reason.NOT_CITED if is_claim and not (under or is_mere) else None

    def _claims_nothing(self, text: str) -> bool:
        return is_no_claim(text) or (not promises_in(text) and any(own in text for own in self._trusted))

    def _are_facts_known(self, said: _Said, numbers: Iterable[int]) -> bool:
        sources = self._all_known(numbers)
        return all(any(is_known(fact, source) for source in sources) for fact in facts_of(said.text))

    def _are_promises_known(self, text: str, numbers: Iterable[int]) -> bool:
        sources = self._all_known(numbers)
        return all(any(promise in source for source in sources) for promise in promises_in(text))

    def _all_known(self, numbers: Iterable[int]) -> list[frozenset[str]]:
        return [self._known_before, *map(self._known_from, numbers)]

    def _known_from(self, number: int) -> frozenset[str]:
        if number not in self._known:
            text = self._texts.get(number, "")
            self._known[number] = known_from([text]) | promises_in(text)
        return self._known[number]


class _Sources:
    """The sources of each place. Ask for places in ascending order."""

    def __init__(self, cited: Iterable[Cited]) -> None:
        self._waiting = deque(sorted(cited, key=lambda one: one.start))
        self._open: list[Cited] = []

    def of(self, start: int, end: int) -> frozenset[int]:
        while self._waiting and self._waiting[0].start < end:
            self._open.append(self._waiting.popleft())
        self._open = [cited for cited in self._open if cited.end > start]
        return frozenset(number for cited in self._open for number in cited.numbers)


def _sentences(line: _Line, sources: _Sources) -> list[_Said]:
    """In their order; "Yes." rests on what the next sentence cites."""
    bullet = bullet_length(line.text)
    offset = line.start + bullet
    said = [_said(offset, sentence, sources) for sentence in split_sentences(line.text[bullet:])]
    for place in range(len(said) - 1):
        one = said[place]
        if not one.numbers and one.end - one.start < SHORT_SENTENCE:
            said[place] = replace(one, numbers=said[place + 1].numbers)
    return said


def _said(offset: int, sentence: Sentence, sources: _Sources) -> _Said:
    start, end = offset + sentence.start, offset + sentence.end
    # Joiners that break links are not part of a number.
    text = " ".join(sentence.text.replace(JOINER, "").split())
    return _Said(start=start, end=end, text=text, numbers=sources.of(start, end))


def _flagged(said: _Said, reason: Reason | None) -> Iterator[Flagged]:
    if reason:
        yield Flagged(start=said.start, end=said.end, reason=reason)


def _heading_level(line: str) -> int:
    """1 to 7, or 0 for no heading. A long heading is read like other text."""
    heading = _HEADING.match(line) if len(line) <= LONGEST_TITLE else None
    return 0 if heading is None else len(heading["marks"] or "") or _BOLD_LEVEL


def _may_be_header(line: str) -> bool:
    return "|" in line and len(line) <= LONGEST_TITLE and not _is_table_rule(line)


def _is_table_rule(line: str) -> bool:
    """Whether it is the line below a table's header: "|---|---|"."""
    return "|" in line and "-" in line and _TABLE_RULE.issuperset(line)


def _promises(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(promise for text in texts for promise in promises_in(text))


def _words(text: str) -> str:
    """The text with blanks instead of its markers."""
    return _MARKER.sub(lambda marker: " " * len(marker[0]), text)
