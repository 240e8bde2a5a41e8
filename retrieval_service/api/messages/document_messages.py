"""Documents, imports and purges as messages of the contract, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from kladez.v1 import (
    document_service_pb2,
)

from retrieval_service import errors
from retrieval_service.api.messages import metadata_messages
from retrieval_service.api.messages.common_messages import timestamp
from retrieval_service.domain.documents.documents import Draft
from retrieval_service.domain.documents.stored import DocumentKey, Progress, StoredDocument
from retrieval_service.errors import Violation
from retrieval_service.services.documents.editing import PurgedTable
from retrieval_service.services.documents.importing import ETAG, Item, Outcome

MAX_ITEM_FIELDS = 20

SYNC_STATUSES = {
    "pending": document_service_pb2.SYNC_STATUS_PENDING,
    "processing": document_service_pb2.SYNC_STATUS_PROCESSING,
    "synced": document_service_pb2.SYNC_STATUS_SYNCED,
    "error": document_service_pb2.SYNC_STATUS_ERROR,
}

OUTCOMES = {
    Outcome.CREATED: document_service_pb2.UPSERT_OUTCOME_CREATED,
    Outcome.UPDATED: document_service_pb2.UPSERT_OUTCOME_UPDATED,
    Outcome.UNCHANGED: document_service_pb2.UPSERT_OUTCOME_UNCHANGED,
}


def draft(message: document_service_pb2.Document) -> Draft:
    return Draft(
        source_type=message.source_type,
        external_id=message.external_id,
        title=message.title,
        section=message.section,
        tags=tuple(message.tags),
        content=message.content,
        content_type=message.content_type or "text/plain",
        language=message.language,
        url=message.url,
        metadata=metadata_messages.read(message),
        parent_key=document_key(message.parent_key) if message.HasField("parent_key") else None,
        document_id=message.document_id,
        etag=message.etag,
    )


def document_key(message: document_service_pb2.DocumentKey) -> DocumentKey:
    return DocumentKey(source_type=message.source_type, external_id=message.external_id)


def document(row: StoredDocument, *, with_content: bool = False) -> document_service_pb2.Document:
    metadata, metadata_json = metadata_messages.both(row.metadata)
    return document_service_pb2.Document(
        document_id=str(row.id),
        source_type=row.source_type,
        external_id=row.external_id,
        title=row.title,
        section=row.section,
        tags=row.tags,
        content=row.content if with_content else "",
        content_type=row.content_type,
        language=row.language,
        url=row.url,
        metadata=metadata,
        metadata_json=metadata_json,
        content_hash=row.content_hash.hex() if row.content_hash else "",
        sync_status=SYNC_STATUSES[row.sync_status],
        last_sync_error=row.last_sync_error,
        chunk_count=row.chunk_count,
        create_time=timestamp(row.created_at),
        update_time=timestamp(row.updated_at),
        last_sync_time=timestamp(row.last_sync_at),
        parent_key=row.parent_key and document_service_pb2.DocumentKey(**asdict(row.parent_key)),
        etag=str(row.version),
        provider_sync_status=SYNC_STATUSES.get(
            row.remote_status, document_service_pb2.SYNC_STATUS_UNSPECIFIED
        ),
        provider_sync_error=row.remote_error,
    )


def purged_table(table: PurgedTable) -> document_service_pb2.PurgedTable:
    return document_service_pb2.PurgedTable(
        table=table.name, removed_count=table.removed_count, remaining_count=table.remaining_count
    )


def result(index: int, item: Item) -> document_service_pb2.DocumentResult:
    message = document_service_pb2.DocumentResult(
        index=index, source_type=item.draft.source_type, external_id=item.draft.external_id
    )
    if item.outcome:
        message.outcome = OUTCOMES[item.outcome]
    else:
        message.error.CopyFrom(item_error(item.violations))
    return message


def refused_before(
    problems: Sequence[tuple[int, Sequence[Violation]]],
) -> document_service_pb2.ImportDocumentsResponse:
    """Of refusals in earlier connections only numbers and reasons are known."""
    results = [
        document_service_pb2.DocumentResult(index=sequence, error=item_error(violations))
        for sequence, violations in problems
    ]
    return document_service_pb2.ImportDocumentsResponse(
        item_errors=document_service_pb2.ImportItemErrors(errors=results)
    )


def item_error(violations: Sequence[Violation]) -> document_service_pb2.ItemError:
    first = violations[0]
    is_stale = all(one.field == ETAG for one in violations)
    return document_service_pb2.ItemError(
        reason=(errors.Conflict if is_stale else errors.Invalid).reason,
        message=f"{first.field}: {first.description}",
        fields=[
            document_service_pb2.FieldError(field=one.field, description=one.description)
            for one in violations[:MAX_ITEM_FIELDS]
        ],
    )


def summary(progress: Progress) -> document_service_pb2.ImportSummary:
    return document_service_pb2.ImportSummary(
        created_count=progress.created_count,
        updated_count=progress.updated_count,
        unchanged_count=progress.unchanged_count,
        failed_count=progress.failed_count,
    )
