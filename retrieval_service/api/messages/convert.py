"""Our values as messages of the contract, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from google.protobuf import timestamp_pb2
from kladez.v1 import (
    common_pb2,
    document_service_pb2,
    index_job_service_pb2,
    insight_service_pb2,
    search_service_pb2,
    tenant_service_pb2,
)

from retrieval_service import errors
from retrieval_service.api.access.policies import CHANNEL, OPERATOR, TENANT_READ, TENANT_WRITE
from retrieval_service.api.messages import metadata_messages
from retrieval_service.domain.answering.answers import Reference
from retrieval_service.domain.documents.documents import Draft
from retrieval_service.domain.indexing.index_jobs import IndexJob
from retrieval_service.domain.records import (
    ApiKey,
    DailyUsage,
    DocumentKey,
    Progress,
    StoredDocument,
    Tenant,
    Usage,
)
from retrieval_service.domain.retrieval.backends import Backend, Choice
from retrieval_service.domain.tenants.quotas import Quotas
from retrieval_service.domain.tenants.settings import TenantSettings
from retrieval_service.errors import Violation
from retrieval_service.services.documents.editing import PurgedTable
from retrieval_service.services.documents.importing import ETAG, Item, Outcome
from retrieval_service.services.retrieval.search import Hit, Mode

MAX_ITEM_FIELDS = 20

SCOPES = {
    tenant_service_pb2.SCOPE_OPERATOR: OPERATOR,
    tenant_service_pb2.SCOPE_TENANT_WRITE: TENANT_WRITE,
    tenant_service_pb2.SCOPE_TENANT_READ: TENANT_READ,
    tenant_service_pb2.SCOPE_CHANNEL: CHANNEL,
}
SCOPE_NUMBERS = {name: number for number, name in SCOPES.items()}

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

MODES = {
    search_service_pb2.SEARCH_MODE_UNSPECIFIED: Mode.HYBRID,
    search_service_pb2.SEARCH_MODE_SEMANTIC: Mode.SEMANTIC,
    search_service_pb2.SEARCH_MODE_FULL_TEXT: Mode.FULL_TEXT,
    search_service_pb2.SEARCH_MODE_HYBRID: Mode.HYBRID,
}
MODE_NUMBERS = {mode: number for number, mode in MODES.items()}

CHOICES = {
    common_pb2.RETRIEVAL_BACKEND_DEFAULT: Choice.DEFAULT,
    common_pb2.RETRIEVAL_BACKEND_PGVECTOR: Choice.PGVECTOR,
    common_pb2.RETRIEVAL_BACKEND_OPENAI: Choice.OPENAI,
}
CHOICE_NUMBERS = {choice: number for number, choice in CHOICES.items()}
BACKEND_NUMBERS = {
    Backend.PGVECTOR: common_pb2.RETRIEVAL_BACKEND_PGVECTOR,
    Backend.OPENAI: common_pb2.RETRIEVAL_BACKEND_OPENAI,
}

INDEX_JOB_STATES = {
    "queued": index_job_service_pb2.INDEX_JOB_STATE_QUEUED,
    "running": index_job_service_pb2.INDEX_JOB_STATE_RUNNING,
    "cancelling": index_job_service_pb2.INDEX_JOB_STATE_CANCELLING,
    "completed": index_job_service_pb2.INDEX_JOB_STATE_COMPLETED,
    "failed": index_job_service_pb2.INDEX_JOB_STATE_FAILED,
    "cancelled": index_job_service_pb2.INDEX_JOB_STATE_CANCELLED,
}

INDEX_SCOPES = {
    "missing": index_job_service_pb2.IndexScope(missing=index_job_service_pb2.IndexMissing()),
    "changed": index_job_service_pb2.IndexScope(changed=index_job_service_pb2.IndexChanged()),
    "all": index_job_service_pb2.IndexScope(all=index_job_service_pb2.IndexAll()),
    "rebuild": index_job_service_pb2.IndexScope(rebuild=index_job_service_pb2.IndexRebuild()),
}


def timestamp(moment: datetime | None) -> timestamp_pb2.Timestamp | None:
    """None stays unset."""
    if moment is None:
        return None
    stamp = timestamp_pb2.Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def tenant(row: Tenant) -> tenant_service_pb2.Tenant:
    return tenant_service_pb2.Tenant(
        tenant_id=str(row.id),
        public_key=str(row.public_key),
        name=row.name,
        settings=tenant_settings(TenantSettings.from_json(row.settings)),
        etag=str(row.version),
        create_time=timestamp(row.created_at),
        update_time=timestamp(row.updated_at),
        delete_time=timestamp(row.deleted_at),
    )


def tenant_settings(settings: TenantSettings) -> tenant_service_pb2.TenantSettings:
    return tenant_service_pb2.TenantSettings(
        languages=settings.languages,
        system_prompt=settings.system_prompt,
        fallback_contact=settings.fallback_contact,
        allowed_origins=settings.allowed_origins,
        allowed_link_domains=settings.allowed_link_domains,
        trusted_source_types=settings.trusted_source_types,
        untrusted_source_types=settings.untrusted_source_types,
        greetings=settings.greetings,
        suggested_questions=suggestions(settings),
        chat_retention_days=settings.chat_retention_days,
        index_granularity=settings.index_granularity,
        quotas=quotas(settings.quotas),
    )


def quotas(limits: Quotas) -> tenant_service_pb2.Quotas | None:
    """None while all are the installation's."""
    return tenant_service_pb2.Quotas(**asdict(limits)) if limits != Quotas() else None


def suggestions(settings: TenantSettings) -> dict[str, tenant_service_pb2.SuggestedQuestions]:
    return {
        code: tenant_service_pb2.SuggestedQuestions(questions=questions)
        for code, questions in settings.suggested_questions.items()
    }


def settings_json(message: tenant_service_pb2.TenantSettings) -> dict[str, Any]:
    """All settings of the message, by name, as `TenantSettings.from_json` takes them."""
    return {
        "languages": list(message.languages),
        "system_prompt": message.system_prompt,
        "fallback_contact": message.fallback_contact,
        "allowed_origins": list(message.allowed_origins),
        "chat_retention_days": message.chat_retention_days,
        "allowed_link_domains": list(message.allowed_link_domains),
        "trusted_source_types": list(message.trusted_source_types),
        "untrusted_source_types": list(message.untrusted_source_types),
        "greetings": dict(message.greetings),
        "suggested_questions": {
            code: list(one.questions) for code, one in message.suggested_questions.items()
        },
        "index_granularity": message.index_granularity,
        "quotas": {one.name: getattr(message.quotas, one.name) for one in message.quotas.DESCRIPTOR.fields},
    }


def public_tenant(row: Tenant) -> tenant_service_pb2.ResolvePublicKeyResponse:
    settings = TenantSettings.from_json(row.settings)
    return tenant_service_pb2.ResolvePublicKeyResponse(
        tenant_id=str(row.id),
        name=row.name,
        languages=settings.languages,
        allowed_origins=settings.allowed_origins,
        greetings=settings.greetings,
        suggested_questions=suggestions(settings),
        fallback_contact=settings.fallback_contact,
    )


def api_key(row: ApiKey) -> tenant_service_pb2.ApiKey:
    return tenant_service_pb2.ApiKey(
        api_key_id=str(row.id),
        tenant_id=str(row.tenant_id) if row.tenant_id else "",
        scopes=[SCOPE_NUMBERS[scope] for scope in row.scopes],
        display_name=row.display_name,
        create_time=timestamp(row.created_at),
        revoke_time=timestamp(row.revoked_at),
    )


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
    """Of earlier connections nothing but numbers and reasons is known."""
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


def hit(one: Hit) -> search_service_pb2.SearchHit:
    passage = one.passage
    metadata, metadata_json = metadata_messages.both(passage.metadata)
    return search_service_pb2.SearchHit(
        document_id=str(passage.document_id),
        chunk_id=str(passage.chunk_id),
        source_type=passage.source_type,
        external_id=passage.external_id,
        title=passage.title,
        heading=passage.heading,
        section=passage.section,
        tags=passage.tags,
        url=passage.url,
        text=passage.text,
        start_offset=passage.start_offset,
        end_offset=passage.end_offset,
        language=passage.language,
        score=one.score,
        similarity=one.similarity,
        lexical_score=one.stem_score,
        metadata=metadata,
        metadata_json=metadata_json,
    )


def reference(one: Reference) -> common_pb2.Reference:
    return common_pb2.Reference(**asdict(one))


def daily_usage(row: DailyUsage) -> insight_service_pb2.DailyUsage:
    day = usage(row)
    day.date = row.day.isoformat()
    return day


def usage(row: Usage) -> insight_service_pb2.DailyUsage:
    """Without a date."""
    return insight_service_pb2.DailyUsage(
        embedded_chunk_count=row.embedded_chunks,
        embedded_token_count=row.embedded_tokens,
        unchanged_chunk_count=row.unchanged_chunks,
        search_count=row.searches,
        answer_count=row.answers,
        unanswered_count=row.unanswered,
        input_token_count=row.input_tokens,
        output_token_count=row.output_tokens,
        cache_saved_token_count=row.cache_saved_tokens,
        hash_saved_token_count=row.hash_saved_tokens,
        unpriced_token_count=row.unpriced_tokens,
        embedding_usd=float(row.embedding_usd),
        answering_usd=float(row.answering_usd),
        hash_saved_usd=float(row.hash_saved_usd),
        remote_search_count=row.remote_searches,
        searching_usd=float(row.searching_usd),
    )


def index_job(row: IndexJob) -> index_job_service_pb2.IndexJob:
    return index_job_service_pb2.IndexJob(
        index_job_id=str(row.id),
        state=INDEX_JOB_STATES[row.state],
        scope=INDEX_SCOPES[row.mode],
        progress=index_job_service_pb2.IndexProgress(
            total_count=row.total_count,
            processed_count=row.processed_count,
            indexed_count=row.indexed_count,
            skipped_count=row.skipped_count,
            failed_count=row.failed_count,
            removed_count=row.removed_count,
            embedded_token_count=row.embedded_tokens,
            saved_token_count=row.saved_tokens,
        ),
        error=row.error,
        row_error=row.row_error,
        create_time=timestamp(row.created_at),
        start_time=timestamp(row.started_at),
        end_time=timestamp(row.ended_at),
    )
