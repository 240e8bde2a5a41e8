"""What the stores keep, as values that any floor may hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """A row of `tenants`; `version` grows with every change."""

    id: UUID
    public_key: UUID
    name: str
    settings: Mapping[str, Any]
    space_id: int | None
    version: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A row of `api_keys` without the hash; `tenant_id` is None for a key that serves many tenants."""

    id: UUID
    tenant_id: UUID | None
    scopes: list[str]
    display_name: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class DocumentKey:
    """The caller's own identity of a document."""

    source_type: str
    external_id: str


@dataclass(frozen=True, kw_only=True)
class StoredDocument:
    """A document as it is stored; `content` is "" where a listing leaves it out.

    `sync_status` is pending, processing, synced or error; `version` grows with every change. `remote_status`
    is that of the copy at the retrieval provider, "" without one. A root has neither `parent_source_type` nor
    `parent_external_id`.
    """

    id: UUID
    source_type: str
    external_id: str
    title: str
    section: str
    tags: list[str]
    content: str
    content_type: str
    language: str
    url: str
    metadata: Mapping[str, Any]
    content_hash: bytes | None
    version: int
    sync_status: str
    last_sync_at: datetime | None
    last_sync_error: str
    created_at: datetime
    updated_at: datetime
    chunk_count: int
    parent_source_type: str | None
    parent_external_id: str | None
    remote_status: str = ""
    remote_error: str = ""

    @property
    def parent_key(self) -> DocumentKey | None:
        if self.parent_source_type is None or self.parent_external_id is None:
            return None
        return DocumentKey(source_type=self.parent_source_type, external_id=self.parent_external_id)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Counts over the whole import; everything before `next_sequence` is stored."""

    next_sequence: int = 0
    created_count: int = 0
    updated_count: int = 0
    unchanged_count: int = 0
    failed_count: int = 0


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Amounts to add, or amounts of one day; dollars at the prices of the moment of use.

    `remote_searches` were made at the retrieval provider, for searches, for answers and to compare.
    `cache_saved_tokens` are of questions asked again, `hash_saved_tokens` of chunks that had not changed.
    `unpriced_tokens` were used or saved at a price that nobody has told, and are in no sum of dollars.
    """

    embedded_chunks: int = 0
    embedded_tokens: int = 0
    unchanged_chunks: int = 0
    searches: int = 0
    remote_searches: int = 0
    answers: int = 0
    unanswered: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_saved_tokens: int = 0
    hash_saved_tokens: int = 0
    unpriced_tokens: int = 0
    embedding_usd: Decimal = Decimal(0)
    answering_usd: Decimal = Decimal(0)
    hash_saved_usd: Decimal = Decimal(0)
    searching_usd: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class DailyUsage(Usage):
    """Amounts of one day."""

    day: date


@dataclass(frozen=True, kw_only=True)
class LoggedAnswer:
    """A row of the chat log; `context` are the references, `citations` are `[start, end, [numbers]]`.

    `unsupported` are `[start, end, reason]`. `request_hash` is that of the question; older rows have none.
    """

    id: UUID
    session_id: UUID | None
    request_id: UUID | None
    question: str
    answer: str
    language: str
    context: Sequence[Mapping[str, Any]]
    citations: Sequence[Sequence[Any]]
    status: str
    finish_reason: str
    answerer: str
    input_tokens: int
    output_tokens: int
    created_at: datetime
    degraded_reason: str
    standalone_question: str
    unsupported: Sequence[Sequence[Any]]
    wants_human: bool = False
    request_hash: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class LoggedTurn:
    """What a later question of the same conversation needs of an earlier one; fields are as in `LoggedAnswer`.

    `titles` are by the numbers of the references. One that `is_offer` only said what may help, and was not replied to.
    """

    question: str
    standalone_question: str
    titles: Mapping[str, str]
    citations: Sequence[Sequence[Any]]
    is_offer: bool


@dataclass(frozen=True, kw_only=True)
class AnswerOutcome:
    """How an answer ended; times in milliseconds since the question came."""

    answer: str
    language: str
    context: Sequence[Mapping[str, Any]]
    citations: Sequence[Sequence[Any]]
    status: str
    finish_reason: str
    answerer: str
    input_tokens: int
    output_tokens: int
    first_token_ms: int | None
    latency_ms: int
    degraded_reason: str = ""
    standalone_question: str = ""
    unsupported: Sequence[Sequence[Any]] = ()
    wants_human: bool = False
