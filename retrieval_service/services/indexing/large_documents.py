"""How a large document is thought about: cut into passages in another process, and embedded step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from retrieval_service import errors
from retrieval_service.domain.documents.documents import too_many_passages
from retrieval_service.domain.indexing.chunking import ChunkPolicy
from retrieval_service.services.indexing.embedding import EmbeddedChunks
from retrieval_service.services.indexing.embedding_steps import Large, Stepper
from retrieval_service.services.indexing.index_writer import Planned
from retrieval_service.services.indexing.indexer import Reading
from retrieval_service.services.indexing.plans import Plan, nothing_left
from retrieval_service.services.indexing.plans_in_child import (
    Asked,
    Elsewhere,
    TooManyPassages,
    plan_elsewhere,
)
from retrieval_service.stores.queue.document_jobs import Job


class StepByStep:
    """Each job is a batch of its own."""

    def __init__(
        self, stepper: Stepper, elsewhere: Elsewhere, policy: Callable[[], ChunkPolicy], *, most_passages: int
    ) -> None:
        """`policy` can be pickled; it makes the policy where it is needed."""
        self._stepper = stepper
        self._elsewhere = elsewhere
        self._policy = policy
        self._most_passages = most_passages

    async def plan(self, reading: Reading) -> list[Planned]:
        """Raises `Invalid` for a document of too many passages, `GaveWay` for a deleted tenant."""
        await self._stepper.check_served(reading.tenant_id)
        return [
            Planned(job=job, plan=await self._plan(reading, job), is_known=job.document_id in reading.sources)
            for job in reading.jobs
        ]

    async def embed(
        self, reading: Reading, planned: Sequence[Planned], *, active_id: int | None
    ) -> EmbeddedChunks:
        [one] = planned
        source = reading.sources.get(one.document_id)
        if source is None or not one.plan.wanted:
            return EmbeddedChunks.nothing()
        large = Large(tenant_id=reading.tenant_id, source=source)
        return await self._stepper.embed(large, one.plan, active_id=active_id)

    async def _plan(self, reading: Reading, job: Job) -> Plan:
        source, stored = reading.sources.get(job.document_id), reading.stored.get(job.document_id, ())
        if source is None or source.is_deleted:
            return nothing_left(job.document_id, source.version if source else 0, stored)
        asked = Asked(
            source=source,
            stored=stored,
            policy=self._policy,
            targets=reading.targets,
            by_document=reading.by_document,
            most_passages=self._most_passages,
        )
        try:
            return await plan_elsewhere(self._elsewhere, asked)
        except TooManyPassages as error:
            raise errors.Invalid([too_many_passages(error.count, self._most_passages)]) from error
