"""Checks a model's stream: makes it safe, separates text and citations, and compares sentences with their sources."""

from __future__ import annotations

import re
from collections.abc import Iterable

from retrieval_service.domain.answering.citations import CitationStream, Cited, Delta
from retrieval_service.domain.answering.grounding import Flagged, Grounding
from retrieval_service.domain.fragments import Prompt
from retrieval_service.domain.safe_text.links import policy_of
from retrieval_service.domain.safe_text.safe_text import SafeText

CheckedEvent = Delta | Cited | Flagged

_SAYS_NOTHING = re.compile(r"(?:\[[0-9]{1,3}\]|[\s.,;:…*_#>|–—-])*+\Z")


class CheckedText:
    """Feed the model's text in any pieces: what it ends up saying does not depend on the cuts.

    A model that `cites_late` may yet name a source for what it said lines ago: nothing is flagged before the end.
    What stands before the first word waits for it: markers alone are no answer.
    """

    def __init__(self, asked: Prompt, *, cites_late: bool = False) -> None:
        self._safe = SafeText(policy_of(asked))
        self._citations = CitationStream(frozenset(fragment.number for fragment in asked.fragments))
        self._grounding = Grounding(
            asked.fragments,
            trusted=[asked.fallback_contact, "".join(asked.listing)],
            asked=[asked.question, *(turn.question for turn in asked.history)],
            is_patient=cites_late,
        )
        self._before_words: list[CheckedEvent] = []
        self._has_said_something = False

    def feed(self, text: str) -> list[CheckedEvent]:
        """The events that are final after this piece."""
        return self._said(self._judged(self._citations.feed(self._safe.feed(text))))

    def finish(self) -> list[CheckedEvent]:
        """The rest; nothing may be fed afterwards."""
        rest = self._judged(self._citations.feed(self._safe.finish()))
        return self._said([*rest, *self._judged(self._citations.finish()), *self._grounding.finish()])

    def cite(self, late: Cited) -> list[CheckedEvent]:
        """Cites a source for an earlier sentence without a marker."""
        return self._said(self._judged([late]))

    def _judged(self, events: Iterable[Delta | Cited]) -> list[CheckedEvent]:
        return [one for event in events for one in (event, *self._grounding.take(event))]

    def _said(self, events: list[CheckedEvent]) -> list[CheckedEvent]:
        if self._has_said_something:
            return events
        self._before_words += events
        self._has_said_something = any(map(_says_something, events))
        return self._before_words if self._has_said_something else []


def _says_something(event: CheckedEvent) -> bool:
    return isinstance(event, Delta) and not _SAYS_NOTHING.match(event.text)
