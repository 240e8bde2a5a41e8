"""A search as it was: the question, the summary and the hits it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class SnapshotHit:
    """A passage by the number that the summary cites it by."""

    number: int
    document_id: UUID
    chunk_id: UUID
    source_type: str
    external_id: str
    title: str
    section: str
    url: str
    snippet: str
    score: float


@dataclass(frozen=True, kw_only=True)
class NewSnapshot:
    """To be stored; the token itself never is."""

    id: UUID
    reader_key: str
    token_hash: bytes
    query: str
    language: str
    summary: str
    summarizer: str
    valid_days: int


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """As it is stored; `summary` is HTML for the web."""

    id: UUID
    query: str
    language: str
    summary: str
    summarizer: str
    created_at: datetime
    expires_at: datetime
