"""Adds markers to an answer whose model cites files by position."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from uuid import UUID

from retrieval_service.domain.answering.checked_stream import CheckedEvent, CheckedText
from retrieval_service.domain.answering.citations import Cited, Delta
from retrieval_service.domain.sync.remote_files import FileCited
from retrieval_service.text.sentences import split_sentences

# There may be many citations, so each searches its sentence only this far back.
_LONGEST_SENTENCE = 2_000


class FileCitations:
    """Feed text and citations as they come; `numbers` are those of the references, by document.

    A citation becomes the marker `[1]` at its place. One that comes after the text has gone on supports its
    sentence without a marker, because what was said cannot be changed. Unknown documents are not cited.
    """

    def __init__(self, numbers: Mapping[UUID, int], checked: CheckedText) -> None:
        self._numbers = numbers
        self._stream = checked
        self._waiting: list[FileCited] = []
        self._heard = ""
        self._said = ""

    def text(self, text: str) -> list[CheckedEvent]:
        """Feeds text. Offsets count the model's own text, so early citations cut it."""
        events: list[CheckedEvent] = []
        end = len(self._heard) + len(text)
        while self._waiting and self._waiting[0].offset <= end:
            place = self._waiting[0].offset - len(self._heard)
            events += self._feed(text[:place])
            text = text[place:]
            events += self._mark(self._waiting.pop(0))
        return [*events, *self._feed(text)]

    def cited(self, citation: FileCited) -> list[CheckedEvent]:
        if citation.document_id not in self._numbers:
            return []
        if citation.offset > len(self._heard):
            insort(self._waiting, citation, key=lambda one: one.offset)
            return []
        if any(letter.isalnum() for letter in self._heard[citation.offset :]):
            return self._late(citation)
        return self._mark(citation)

    def finish(self) -> list[CheckedEvent]:
        """Ends the text. Citations that wait for text that never came go to the end."""
        waiting, self._waiting = self._waiting, []
        marked = [event for citation in waiting for event in self._mark(citation)]
        return [*marked, *self._keep(self._stream.finish())]

    def _feed(self, text: str) -> list[CheckedEvent]:
        self._heard += text
        return self._keep(self._stream.feed(text))

    def _mark(self, citation: FileCited) -> list[CheckedEvent]:
        return self._keep(self._stream.feed(f"[{self._numbers[citation.document_id]}]"))

    def _late(self, citation: FileCited) -> list[CheckedEvent]:
        sentences = split_sentences(
            self._heard[max(0, citation.offset - _LONGEST_SENTENCE) : citation.offset]
        )
        if not sentences:
            return []
        words = sentences[-1].text
        start = self._said.rfind(words)
        number = self._numbers[citation.document_id]
        late = Cited(start=start, end=start + len(words), numbers=(number,))
        return self._stream.cite(late) if start >= 0 else []

    def _keep(self, events: Sequence[CheckedEvent]) -> list[CheckedEvent]:
        self._said += "".join(event.text for event in events if isinstance(event, Delta))
        return list(events)
