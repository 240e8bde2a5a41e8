"""Documents as they are stored, and how far an import of them has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


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
