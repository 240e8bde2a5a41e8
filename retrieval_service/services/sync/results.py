"""Writes down how the work at the retrieval provider ended: files, the document's standing, its job, the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import structlog

from retrieval_service import metrics
from retrieval_service.domain.sync.retry import delay_seconds
from retrieval_service.services.sync.plans import Plan
from retrieval_service.stores.database import Database, TenantScope
from retrieval_service.stores.documents import documents
from retrieval_service.stores.queue import document_jobs
from retrieval_service.stores.sync import document_files, remote_documents, sync_log
from retrieval_service.stores.sync.document_files import LEFTOVER, PRIMARY, DocumentFile
from retrieval_service.stores.sync.sync_log import Entry

log = structlog.get_logger("kladez.syncing")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why nothing came of it; another attempt may do better unless it `is_final`."""

    error: str
    is_final: bool = True
    retry_after_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A plan that was carried out, or failed; `file_id` stands for the document now, empty for none.

    `removed` are gone from the provider, `leftovers` may still be there; both were in the store `store_id`.
    """

    plan: Plan
    store_id: str = ""
    file_id: str = ""
    removed: Sequence[str] = ()
    leftovers: Sequence[str] = ()
    failure: Failure | None = None
    entry: Entry | None = None


class SyncBook:
    """Of one worker; each ending is one transaction."""

    def __init__(self, database: Database, *, worker: str, max_attempts: int) -> None:
        self._database = database
        self._worker = worker
        self._max_attempts = max_attempts

    async def begin_uploads(self, tenant_id: UUID, plans: Sequence[Plan]) -> None:
        async with self._database.tenant(tenant_id) as scope:
            await remote_documents.begin_uploads(scope, [plan.job.document_id for plan in plans])

    async def write(self, ended: Ended) -> None:
        job = ended.plan.job
        async with self._database.tenant(job.tenant_id) as scope:
            await documents.lock(scope, job.document_id)
            if ended.entry:
                await sync_log.record(scope, ended.entry)
            status = await (self._fail if ended.failure else self._succeed)(scope, ended)
            await document_files.add_leftovers(scope, [leftover(ended, one) for one in ended.leftovers])
        metrics.JOBS.labels(document_jobs.OPENAI, status).inc()
        log.info(
            "document_synced" if status == "done" else "sync_not_done",
            tenant_id=str(job.tenant_id),
            document_id=str(job.document_id),
            status=status,
            attempts=job.attempts,
            error=ended.failure.error if ended.failure else "",
        )

    async def _succeed(self, scope: TenantScope, ended: Ended) -> str:
        """A file that was sent in vain, because the job was taken over or its document purged, must go."""
        if not await document_jobs.finish(scope, ended.plan.job, worker=self._worker):
            vain = [leftover(ended, ended.file_id)] if ended.file_id else []
            await document_files.add_leftovers(scope, vain)
            return "lost"
        document_id = ended.plan.job.document_id
        if ended.file_id:
            await document_files.set_primary(scope, standing(ended))
        await document_files.forget(scope, ended.removed)
        if ended.plan.is_gone:
            await remote_documents.mark_removed(scope, document_id)
        else:
            await remote_documents.mark_synced(scope, document_id, ended.plan.version, ended.file_id)
        return "done"

    async def _fail(self, scope: TenantScope, ended: Ended) -> str:
        failure, job = ended.failure, ended.plan.job
        if failure is None:
            raise ValueError("what succeeded cannot be failed")
        status = await document_jobs.fail(
            scope,
            job,
            worker=self._worker,
            error=failure.error,
            delay_seconds=max(delay_seconds(job.attempts), failure.retry_after_seconds or 0),
            max_attempts=self._max_attempts,
            final=failure.is_final,
        )
        if status == "error":
            await remote_documents.mark_failed(scope, job.document_id, failure.error)
        return status


def standing(ended: Ended) -> DocumentFile:
    return file_of(ended, ended.file_id, PRIMARY)


def leftover(ended: Ended, file_id: str) -> DocumentFile:
    return file_of(ended, file_id, LEFTOVER)


def file_of(ended: Ended, file_id: str, role: str) -> DocumentFile:
    plan = ended.plan
    return DocumentFile(
        file_id=file_id,
        document_id=plan.job.document_id,
        store_id=ended.store_id,
        role=role,
        version=plan.version,
        content_digest=plan.content_digest,
        attributes_digest=plan.attributes_digest,
        byte_count=plan.byte_count,
        created_at=datetime.now(UTC),
    )
