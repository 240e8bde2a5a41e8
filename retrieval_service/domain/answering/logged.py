"""Answers and turns of a conversation as the chat log keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from retrieval_service.domain.answering.citations import Cited
from retrieval_service.domain.answering.grounding import Flagged


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A fragment as a reader sees it."""

    number: int
    document_id: str
    chunk_id: str
    source_type: str
    external_id: str
    title: str
    url: str
    snippet: str
    score: float


@dataclass(frozen=True, kw_only=True)
class LoggedAnswer:
    """A row of the chat log; `request_hash` is that of the question, and older rows have none."""

    id: UUID
    session_id: UUID | None
    question: str
    answer: str
    language: str
    references: Sequence[Reference]
    citations: Sequence[Cited]
    status: str
    finish_reason: str
    answerer: str
    input_tokens: int
    output_tokens: int
    created_at: datetime
    degraded_reason: str
    standalone_question: str
    unsupported: Sequence[Flagged]
    wants_human: bool = False
    request_id: UUID | None = None
    request_hash: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class ChatLog(LoggedAnswer):
    """An answer with how it was received; `channel` is "" outside of a conversation, `rating` -1, 1 or None."""

    channel: str
    first_token_ms: int | None
    latency_ms: int | None
    rating: int | None
    rating_reason: str
    rated_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class LoggedTurn:
    """What a later question of the same conversation needs of an earlier one; fields are as in `LoggedAnswer`.

    `titles` are by the numbers of the references. One that `is_offer` only said what may help, and was not replied to.
    """

    question: str
    standalone_question: str
    titles: Mapping[str, str]
    citations: Sequence[Cited]
    is_offer: bool


@dataclass(frozen=True, kw_only=True)
class AnswerOutcome:
    """How an answer ended; times in milliseconds since the question came."""

    answer: str
    language: str
    references: Sequence[Reference]
    citations: Sequence[Cited]
    status: str
    finish_reason: str
    answerer: str
    input_tokens: int
    output_tokens: int
    first_token_ms: int | None
    latency_ms: int
    degraded_reason: str = ""
    standalone_question: str = ""
    unsupported: Sequence[Flagged] = ()
    wants_human: bool = False
