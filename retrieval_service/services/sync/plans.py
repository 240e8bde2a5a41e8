"""Decides what has to be done at the retrieval provider for a document: nothing, new attributes, a new file, none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from retrieval_service.domain.sync.remote_documents import (
    attributes_digest,
    content_digest,
    content_of,
    remote_document,
)
from retrieval_service.domain.sync.remote_files import Original, RemoteDocument
from retrieval_service.stores.queue.document_jobs import Job
from retrieval_service.stores.sync.document_files import LEFTOVER, PRIMARY, DocumentFile


class Step(StrEnum):
    """What brings the provider up to date; the names stand in the sync log."""

    NOTHING = "nothing"
    UPDATE_ATTRIBUTES = "update_attributes"
    REPLACE = "replace"
    REMOVE = "remove"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A document at one version: what the provider is to hold of it, None for nothing, and what it holds.

    `doomed` files are known to have to go and may be swept away at any moment. While the document
    `is_unsettled` the provider may hold more than is known; `is_gone` means that its row is no more.
    """

    job: Job
    version: int
    document: RemoteDocument | None
    held: DocumentFile | None
    doomed: frozenset[str] = frozenset()
    content_digest: str = ""
    attributes_digest: str = ""
    byte_count: int = 0
    is_unsettled: bool = False
    is_gone: bool = False

    def step(self, store_id: str | None) -> Step:
        """`store_id` is the tenant's store now; a file in another one is sent anew."""
        if self.document is None:
            return Step.REMOVE if self.held or self.is_unsettled else Step.NOTHING
        if self.is_unsettled or self.held is None or self.held.store_id != store_id:
            return Step.REPLACE
        if self.held.content_digest != self.content_digest:
            return Step.REPLACE
        if self.held.attributes_digest != self.attributes_digest:
            return Step.UPDATE_ATTRIBUTES
        return Step.NOTHING


def plan(job: Job, original: Original | None, files: Sequence[DocumentFile]) -> Plan:
    """`files` are those of the document. Slow for long documents: call it in a thread."""
    document = remote_document(original) if original else None
    return Plan(
        job=job,
        version=original.version if original else 0,
        document=document,
        held=next((file for file in files if file.role == PRIMARY), None),
        doomed=frozenset(file.file_id for file in files if file.role == LEFTOVER),
        content_digest=content_digest(document) if document else "",
        attributes_digest=attributes_digest(document) if document else "",
        byte_count=len(content_of(document)) if document else 0,
        # A row that is gone took its mark with it.
        is_unsettled=original is None or original.is_unsettled,
        is_gone=original is None or original.is_deleted,
    )
