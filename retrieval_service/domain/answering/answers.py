"""A question, the events of its answer, and the answer while it is being written."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from uuid import UUID

from retrieval_service.domain.answering import phrases
from retrieval_service.domain.answering.checked_stream import CheckedEvent
from retrieval_service.domain.answering.citations import Cited, Delta
from retrieval_service.domain.answering.conversation import Reworded
from retrieval_service.domain.answering.grounding import Flagged
from retrieval_service.domain.answering.logged import AnswerOutcome, LoggedAnswer, Reference
from retrieval_service.domain.fragments import Ending, FinishReason, Judged, Prompt
from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.domain.usage import Usage
from retrieval_service.domain.verdicts import Judgement
from retrieval_service.text import exact_json
from retrieval_service.text.small_talk.small_talk import Pleasantry, Said, pleasantry_of

# One of the reasons for a degraded answer; several are joined.
MODEL_AWAY = "the model is not available"


class AnswerStatus(StrEnum):
    """The state of an answer."""

    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, kw_only=True)
class Question:
    """`request_id` makes a repeat return the stored answer; `language` is "" for the question's own.

    `channel` is "" for the conversation's. One on trial is no customer's: it is not logged, and of what is used
    only what it cost is counted. One that `is_exempt` counts for no quota. `token_hash` proves the conversation where
    the caller has to, `visitor` is a hash of who asks, None for nobody in particular, `key_id` the key it came
    through, which no caller can choose. It may be `in_reply_to` an answer of its conversation.
    """

    text: str
    session_id: UUID | None = None
    request_id: UUID | None = None
    language: str = ""
    channel: str = ""
    conditions: Conditions = field(default_factory=Conditions)
    is_trial: bool = False
    is_exempt: bool = False
    token_hash: bytes | None = None
    visitor: str | None = None
    key_id: UUID | None = None
    in_reply_to: UUID | None = None

    @cached_property
    def courtesy(self) -> Said | None:
        """The kind of courtesy; None for a question."""
        return pleasantry_of(self.text)

    @cached_property
    def request_hash(self) -> bytes:
        """SHA-256 (32 bytes) of everything that a repeat of the request must have in common with it."""
        conditions = self.conditions
        body = [
            *(self.text, str(self.session_id or ""), self.language, self.channel),
            *(list(conditions.source_types), list(conditions.sections), list(conditions.tags)),
            *(list(conditions.languages), [dict(one) for one in conditions.metadata]),
            *([str(self.in_reply_to)] if self.in_reply_to else ()),
        ]
        return hashlib.sha256(
            exact_json.dumps(body, sort_keys=True, ascii_only=True).encode("ascii")
        ).digest()

    def is_of(self, answer: LoggedAnswer) -> bool:
        """Whether the answer belongs to this very request."""
        if answer.request_hash is None:
            return (self.text, self.session_id) == (answer.question, answer.session_id)
        return self.request_hash == answer.request_hash


@dataclass(frozen=True, kw_only=True)
class Started:
    """The first event."""

    answer_id: UUID
    session_id: UUID | None
    references: Sequence[Reference]


@dataclass(frozen=True, kw_only=True)
class Completed:
    """The last event; the answer is stored."""

    answer: LoggedAnswer


AnswerEvent = Started | CheckedEvent | Completed


@dataclass(kw_only=True)
class WrittenAnswer:
    """An answer while it is being written; times are seconds of a monotonic clock.

    `rewording` is what understanding the question took of a model, `ending` tells what the answer itself took.
    `wants_human`: the customer asked for a person. `judgement` is the model's own of what it was given to read.
    """

    answer_id: UUID
    question: Question
    started_at: float
    safety_identifier: str = ""
    language: str = ""
    text: str = ""
    answerer: str = ""
    references: Sequence[Reference] = ()
    citations: list[Cited] = field(default_factory=list)
    unsupported: list[Flagged] = field(default_factory=list)
    ending: Ending | None = None
    judgement: Judgement | None = None
    first_text_at: float | None = None
    degraded_reason: str = ""
    reworded: Reworded | None = None
    rewording: Usage = field(default_factory=Usage)
    wants_human: bool = False

    @property
    def standalone_question(self) -> str:
        """The question as its conversation completes it; empty when it needs no context."""
        return self.reworded.text if self.reworded else ""

    @property
    def asked(self) -> str:
        """The question that is searched for and answered, completed by the conversation where it needs that."""
        return self.standalone_question or self.question.text

    def started(self) -> Started:
        return Started(
            answer_id=self.answer_id, session_id=self.question.session_id, references=self.references
        )

    def note(self, event: CheckedEvent, now: float) -> None:
        """Adds the event to the answer."""
        match event:
            case Flagged():
                self.unsupported.append(event)
            case Cited():
                self.citations.append(event)
            case Delta():
                if self.first_text_at is None:
                    self.first_text_at = now
                self.text += event.text

    @property
    def is_silent(self) -> bool:
        """Whether the model has said that it knows no answer. Nothing else that it says is shown."""
        return self.judgement is Judgement.UNKNOWN

    @property
    def is_open(self) -> bool:
        """Whether the model has ended without an answer: it says so, says nothing, or cites nothing."""
        is_unsaid = self.judgement in (None, Judgement.UNKNOWN) or not self.text
        return self.ended_as is FinishReason.STOP and is_unsaid and not self.citations

    @property
    def ended_as(self) -> FinishReason:
        return self.ending.finish_reason if self.ending else FinishReason.STOP

    @property
    def is_partial(self) -> bool:
        return self.judgement is Judgement.PARTLY and self.ended_as is FinishReason.STOP

    def note_part(self, part: Judged | Ending) -> None:
        """Adds what a model says beside the text of its answer."""
        if isinstance(part, Judged):
            self.judgement = part.judgement
        else:
            self.ending = part

    def end_as(self, reason: FinishReason) -> None:
        """Ends the answer, with the tokens of the writer."""
        self.ending = replace(self.ending or Ending(finish_reason=reason), finish_reason=reason)

    def end_as_not_found(self, asked: Prompt) -> str:
        """Ends with "I don't know", without a model."""
        self.end_as(FinishReason.NO_RELEVANT_CONTENT)
        return phrases.not_found_text(asked.language, asked.shop_name, asked.fallback_contact)

    def end_as_pleasantry(self, said: Said, undecided: str, contact: str) -> str:
        """Politeness for politeness: no question, and no gap; `undecided` is the language where it tells none.

        `contact` is for those who want a person.
        """
        self.wants_human = said.pleasantry is Pleasantry.HUMAN
        self.ending = Ending(finish_reason=FinishReason.PLEASANTRY)
        self.language = self.question.language or said.language or undecided
        return phrases.pleasantry_text(said.pleasantry, self.language, contact)

    def note_model_away(self, answerer: str) -> None:
        """From here on quotations replace the model, before the first word."""
        self.answerer = answerer
        self.degraded_reason = "; ".join(filter(None, (self.degraded_reason, MODEL_AWAY)))

    def text_for_nothing(self, asked: Prompt) -> str:
        """The text for an answer without words: nothing was found, or the model refused or was cut off."""
        if self.ended_as is FinishReason.NO_RELEVANT_CONTENT:
            return phrases.not_found_text(asked.language, asked.shop_name, asked.fallback_contact)
        return phrases.no_answer_text(asked.language, asked.fallback_contact)

    def outcome(self, status: AnswerStatus, now: float) -> AnswerOutcome:
        """The outcome for the chat log."""
        ending = self.ending or Ending(finish_reason=FinishReason.STOP)
        first = self.first_text_at
        return AnswerOutcome(
            answer=self.text,
            language=self.language,
            references=self.references,
            citations=self.citations,
            status=status,
            finish_reason=ending.finish_reason if status is AnswerStatus.COMPLETED else "",
            answerer=self.answerer,
            input_tokens=ending.input_tokens + self.rewording.input_tokens,
            output_tokens=ending.output_tokens + self.rewording.output_tokens,
            first_token_ms=None if first is None else round((first - self.started_at) * 1_000),
            latency_ms=round((now - self.started_at) * 1_000),
            degraded_reason=self.degraded_reason,
            standalone_question=self.standalone_question,
            # A heading is judged after the lines below it.
            unsupported=sorted(self.unsupported, key=lambda one: (one.start, one.end)),
            wants_human=self.wants_human,
        )


def is_model_away(degraded_reason: str) -> bool:
    """Whether the answer is quoted because the model was away."""
    return MODEL_AWAY in degraded_reason.split("; ")
