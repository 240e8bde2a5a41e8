"""Shows the queue and what was done at the retrieval provider, and hurries what is not in step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from retrieval_service import errors
from retrieval_service.stores.database import Database
from retrieval_service.stores.queue import backlog
from retrieval_service.stores.queue.backlog import QueuedJob
from retrieval_service.stores.sync import remote_documents, sync_log, vector_store_ids
from retrieval_service.stores.sync.sync_log import Entry, LoggedEntry

LOG_DAYS = 90


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """How far the provider's copy is: living documents by status, and since when its oldest job waits."""

    is_mirrored: bool
    store_id: str
    is_adopted: bool
    documents: Mapping[str, int]
    oldest_pending: datetime | None


class Overseer:
    """The queue and the log of one tenant at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def mirror(self, tenant_id: UUID) -> Mirror | None:
        """None for a tenant that has no copy at a provider, and is to have none."""
        async with self._database.tenant(tenant_id) as scope:
            is_mirrored = await backlog.is_mirrored(scope)
            store_id = await vector_store_ids.get(scope) or ""
            if not is_mirrored and not store_id:
                return None
            return Mirror(
                is_mirrored=is_mirrored,
                store_id=store_id,
                is_adopted=await vector_store_ids.is_adopted(scope),
                documents=await remote_documents.counts(scope),
                oldest_pending=await backlog.oldest_remote(scope),
            )

    async def sync_now(self, tenant_id: UUID, document_id: UUID | None, *, request_id: str) -> int:
        """How many jobs are due now that would have waited, or were not there."""
        async with self._database.tenant(tenant_id) as scope:
            if document_id is not None and not await backlog.knows(scope, document_id):
                raise errors.NotFound("there is no such document")
            queued = await backlog.revive(scope, document_id=document_id)
            queued += await backlog.hasten(scope, document_id=document_id)
            queued += await backlog.enqueue_lagging(scope, document_id=document_id)
            named = () if document_id is None else (document_id,)
            await sync_log.record(scope, _manual("sync_now", request_id, named))
        return queued

    async def retry(self, tenant_id: UUID, job_ids: Sequence[int], *, request_id: str) -> int:
        """Of jobs that failed for good those with these ids, or all; returns how many there were."""
        async with self._database.tenant(tenant_id) as scope:
            revived = await backlog.revive(scope, ids=job_ids)
            await sync_log.record(scope, _manual("retry", request_id))
        return revived

    async def jobs(
        self, tenant_id: UUID, *, before_id: int, status: str, target: str, limit: int
    ) -> list[QueuedJob]:
        async with self._database.tenant(tenant_id) as scope:
            return await backlog.page(scope, before_id=before_id, status=status, target=target, limit=limit)

    async def log(
        self, tenant_id: UUID, *, before_id: int, document_id: UUID | None, outcome: str, limit: int
    ) -> list[LoggedEntry]:
        async with self._database.tenant(tenant_id) as scope:
            return await sync_log.page(
                scope, before_id=before_id, document_id=document_id, outcome=outcome, limit=limit
            )

    async def forget_old(self) -> None:
        """The log of all tenants keeps a quarter of a year."""
        async with self._database.operator() as operator:
            await sync_log.prune(operator, days=LOG_DAYS)


def _manual(action: str, request_id: str, document_ids: Sequence[UUID] = ()) -> Entry:
    return Entry(
        actor="manual", action=action, outcome="done", document_ids=document_ids, request_id=request_id
    )
