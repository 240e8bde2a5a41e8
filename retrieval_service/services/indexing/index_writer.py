"""Writes what documents come to and ends their jobs, as many in one transaction as nobody else is changing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import structlog

from retrieval_service import metrics
from retrieval_service.domain.indexing.costs import embedding_bill
from retrieval_service.domain.indexing.spaces import Vector
from retrieval_service.domain.usage import Usage
from retrieval_service.services.indexing.embedders import Embedders
from retrieval_service.services.indexing.embedding import EmbeddedChunks
from retrieval_service.services.indexing.plans import Plan
from retrieval_service.services.usage import total, total_of
from retrieval_service.stores.database import Database, TenantScope
from retrieval_service.stores.index import chunks, embedding_steps, vectors
from retrieval_service.stores.queue import document_jobs, index_jobs
from retrieval_service.stores.queue.document_jobs import Job
from retrieval_service.stores.queue.index_jobs import Ended
from retrieval_service.stores.tenants import tenant_spaces, usage

log = structlog.get_logger("kladez.indexing")

# Whoever changes one of these documents meanwhile waits until all are written.
CHUNKS_IN_A_TRANSACTION = 500


class SpacesChanged(Exception):
    """The tenant's spaces are not those any more that we embedded in."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What a claimed job comes to; `is_known` says whether its document exists at all."""

    job: Job
    plan: Plan
    is_known: bool

    @property
    def document_id(self) -> UUID:
        return self.job.document_id


@dataclass(frozen=True, kw_only=True)
class Spaces:
    """The spaces that a tenant's vectors are kept in, the active one first, and those of them with an embedder."""

    ids: tuple[int, ...]
    embedded_ids: frozenset[int]

    @property
    def active_id(self) -> int | None:
        return self.ids[0] if self.ids else None


@dataclass(frozen=True, kw_only=True)
class Written:
    """A planned job that is done; superseded when a newer version came, whose own job writes the index."""

    planned: Planned
    amounts: Usage
    is_superseded: bool


class Writer:
    """Ends jobs under one worker's name."""

    def __init__(self, database: Database, embedders: Embedders, *, worker: str) -> None:
        self._database = database
        self._embedders = embedders
        self._worker = worker

    async def write_free(
        self, planned: Sequence[Planned], embedded: EmbeddedChunks, spaces: Spaces
    ) -> list[Planned]:
        """Writes those of one tenant that nobody else is changing, together; returns the others.

        Raises `SpacesChanged`, with nothing written.
        """
        async with self._database.tenant(planned[0].job.tenant_id) as scope:
            await self._hold(scope, spaces)
            claimed = [one.job for one in planned]
            done, left = await document_jobs.finish_free(scope, claimed, worker=self._worker)
            written = await self._apply(scope, of_jobs(planned, done), embedded, spaces)
        held = of_jobs(planned, left)
        tell([one for one in planned if one not in held], written)
        return held

    async def write_alone(self, planned: Planned, embedded: EmbeddedChunks, spaces: Spaces) -> None:
        """Waits for whoever is changing the document; it may be gone then. Raises `SpacesChanged`."""
        async with self._database.tenant(planned.job.tenant_id) as scope:
            await self._hold(scope, spaces)
            done = await document_jobs.finish(scope, planned.job, worker=self._worker)
            written = await self._apply(scope, [planned] if done else [], embedded, spaces)
        tell([planned], written)

    async def _hold(self, scope: TenantScope, spaces: Spaces) -> None:
        if await tenant_spaces.hold(scope) != spaces.ids:
            raise SpacesChanged

    async def _apply(
        self, scope: TenantScope, planned: Sequence[Planned], embedded: EmbeddedChunks, spaces: Spaces
    ) -> list[Written]:
        """What jobs come to that are done in this transaction."""
        if not planned:
            return []
        applied = await chunks.apply(scope, [one.plan.change for one in planned])
        await write_vectors(
            scope, [one.plan for one in planned if one.document_id in applied], embedded, spaces
        )
        written = [
            Written(
                planned=one,
                amounts=self._amounts(one.plan, embedded, spaces),
                is_superseded=one.document_id not in applied,
            )
            for one in planned
        ]
        if whole := [
            one.document_id for one in planned if one.document_id in applied and may_have_steps(one)
        ]:
            await embedding_steps.forget(scope, whole)
        await index_jobs.record(scope, [ended(one) for one in written if is_end(one)])
        await usage.add(scope, total_of(one.amounts for one in written))
        return written

    def _amounts(self, plan: Plan, embedded: EmbeddedChunks, spaces: Spaces) -> Usage:
        price = self._embedders.price(spaces.active_id)
        return total(used(plan, embedded), embedding_bill(price, tokens=0, saved_tokens=plan.saved_tokens))


def may_have_steps(planned: Planned) -> bool:
    """Small documents leave none; those of one that was large are forgotten with their age."""
    return planned.job.is_large or planned.plan.is_gone


def of_jobs(planned: Iterable[Planned], wanted: Iterable[Job]) -> list[Planned]:
    ids = {job.id for job in wanted}
    return [one for one in planned if one.job.id in ids]


async def write_vectors(
    scope: TenantScope, plans: Sequence[Plan], embedded: EmbeddedChunks, spaces: Spaces
) -> None:
    made: defaultdict[int, dict[UUID, Vector]] = defaultdict(dict)
    outdated: defaultdict[int, list[UUID]] = defaultdict(list)
    for wanted in (one for plan in plans for one in plan.wanted):
        if new := embedded.of(wanted):
            made[wanted.space_id].update(new)
            outdated[wanted.space_id].extend(wanted.outdated_ids)
    for space_id, new in made.items():
        await vectors.remove(scope, space_id, outdated[space_id])
        await vectors.insert(scope, space_id, new)
    if behind := spaces_behind(plans, embedded, spaces):
        await tenant_spaces.mark_stale(scope, behind)


def spaces_behind(plans: Iterable[Plan], embedded: EmbeddedChunks, spaces: Spaces) -> list[int]:
    """The spaces in which what is new has no vectors now."""
    without = set(spaces.ids) - spaces.embedded_ids
    behind = set[int]()
    for plan in plans:
        if plan.change.added or plan.text_count:
            behind |= without | {
                one.space_id for one in plan.wanted if one.space_id in embedded.failed_spaces
            }
    return sorted(behind)


def portions(planned: Sequence[Planned]) -> Iterator[list[Planned]]:
    """In order, none of them with more chunks than a transaction should write; at least one document each."""
    portion: list[Planned] = []
    size = 0
    for one in planned:
        count = len(one.plan.change.added) + len(one.plan.change.kept)
        if portion and size + count > CHUNKS_IN_A_TRANSACTION:
            yield portion
            portion, size = [], 0
        portion.append(one)
        size += count
    if portion:
        yield portion


def used(plan: Plan, embedded: EmbeddedChunks) -> Usage:
    """The document's share of what a batch cost, by its share of the texts."""
    done = (one for one in plan.wanted if one.space_id not in embedded.failed_spaces)
    count = sum(len(one.texts) for one in done)
    share = count / embedded.count if embedded.count else 0.0
    return Usage(
        embedded_chunks=count,
        embedded_tokens=round(embedded.bill.embedded_tokens * share),
        embedding_usd=embedded.bill.embedding_usd * Decimal(share),
        unpriced_tokens=round(embedded.bill.unpriced_tokens * share),
        unchanged_chunks=plan.unchanged_count,
    )


def is_end(written: Written) -> bool:
    """Whether an index job need not wait for the document any more: no job of a newer version does it."""
    return not written.is_superseded or not written.planned.is_known


def ended(written: Written) -> Ended:
    return Ended(
        document_id=written.planned.document_id,
        outcome=written.planned.plan.outcome,
        embedded_tokens=written.amounts.embedded_tokens,
        saved_tokens=written.planned.plan.saved_tokens,
    )


def tell(planned: Sequence[Planned], written: Sequence[Written]) -> None:
    """One event for each document."""
    metrics.JOBS.labels(document_jobs.PGVECTOR, "done").inc(len(written))
    done = {one.planned.job.id for one in written}
    for lost in (one.job for one in planned if one.job.id not in done):
        log.warning("job_lost", tenant_id=str(lost.tenant_id), document_id=str(lost.document_id))
    for one in written:
        plan = one.planned.plan
        log.info(
            "document_superseded" if one.is_superseded else "document_indexed",
            tenant_id=str(one.planned.job.tenant_id),
            document_id=str(one.planned.document_id),
            chunks_added=len(plan.change.added),
            chunks_removed=len(plan.change.removed),
            chunks_unchanged=plan.unchanged_count,
            chunks_embedded=one.amounts.embedded_chunks,
            tokens_embedded=one.amounts.embedded_tokens,
        )
