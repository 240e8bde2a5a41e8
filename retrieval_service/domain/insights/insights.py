"""What a tenant learns from its customers' questions: logs, groups without a good answer, and figures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID


class GapStatus(StrEnum):
    """Where a group of questions without a good answer stands."""

    OPEN = "open"
    RESOLVED = "resolved"
    IGNORED = "ignored"


@dataclass(frozen=True, kw_only=True)
class ChatFilter:
    """What must hold of a chat log; None and "" mean anything. `until` is exclusive."""

    since: datetime | None = None
    until: datetime | None = None
    channel: str = ""
    language: str = ""
    rating: int | None = None
    answered: bool | None = None
    session_id: UUID | None = None
    finish_reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A group of questions; `question` is the first of them. `is_answered` is what asking again said last."""

    id: UUID
    status: GapStatus
    question: str
    language: str
    question_count: int
    down_count: int
    not_sure_count: int
    first_asked_at: datetime
    last_asked_at: datetime
    document_id: UUID | None
    is_answered: bool | None
    resolved_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class GapExample:
    """One question of a group."""

    gap_id: UUID
    answer_id: UUID
    question: str
    channel: str
    rating: int | None
    rating_reason: str
    created_at: datetime
    finish_reason: str


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How answers of some time did; latencies in milliseconds, None without any completed answer.

    `day` is the UTC day, None for a whole period.
    """

    day: date | None
    completed: int
    answered: int
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    up_count: int
    down_count: int
    user_count: int


@dataclass(frozen=True, kw_only=True)
class AskedWording:
    """How often a question was asked in exactly these words, whatever their case and spacing."""

    question: str
    language: str
    count: int
    unanswered_count: int
    last_asked_at: datetime


@dataclass(frozen=True, kw_only=True)
class TopQuestion(AskedWording):
    """A group of wordings under the most frequent of them."""

    wording_count: int


@dataclass(frozen=True, kw_only=True)
class TopDocument:
    """How many answers cite a document; the title is the document's own, or what it was when cited last."""

    document_id: UUID
    source_type: str
    external_id: str
    title: str
    is_deleted: bool
    answer_count: int
    down_count: int
    last_cited_at: datetime
