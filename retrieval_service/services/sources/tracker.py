"""Makes an index job follow the documents that a reading of a source changes, as it changes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from retrieval_service.stores.database import TenantScope
from retrieval_service.stores.queue import index_changes, index_jobs


class IndexJobEnded(Exception):
    """The job has ended or is to end, so that nothing more needs to be read for it."""


@dataclass(frozen=True, kw_only=True)
class Tracker:
    """For readings that no job asked for, `index_job_id` is None and nothing is followed."""

    index_job_id: UUID | None
    is_scan: bool

    async def hold(self, scope: TenantScope) -> None:
        """To be called before any document is locked, as the job's own steps lock the job first too."""
        if self.index_job_id is None:
            return
        job = await index_jobs.lock(scope, self.index_job_id)
        if job is None or job.state == "cancelling":
            raise IndexJobEnded

    async def follow(self, scope: TenantScope, source_type: str, external_ids: Sequence[str]) -> None:
        if self.index_job_id is None or not external_ids:
            return
        await index_changes.follow(scope, self.index_job_id, source_type, external_ids, is_scan=self.is_scan)
