"""Brings the retrieval provider in step with the database: read, act at the provider, write; no lock across it.

While a document's file is sent, its row says so. A worker that dies leaves that mark, and the next one looks for
the file before it sends another. A document that was deleted meanwhile has a job of its own, which comes later
and removes what this one sent.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

import structlog

from retrieval_service import errors
from retrieval_service.providers.ports import RetrievalBackend
from retrieval_service.services.indexing.indexer import by_tenant
from retrieval_service.services.sync.actions import PROVIDER_FAILURES, SyncActs, failure_of, unchanged
from retrieval_service.services.sync.plans import Plan, Step, plan
from retrieval_service.services.sync.results import Ended, Failure, SyncBook
from retrieval_service.services.sync.vector_stores import StoreKeeper
from retrieval_service.stores.database import Database
from retrieval_service.stores.queue.document_jobs import Job
from retrieval_service.stores.sync import document_files, remote_documents
from retrieval_service.stores.sync.document_files import DocumentFile

log = structlog.get_logger("kladez.syncing")

Item = TypeVar("Item")
AT_ONCE = 4


class Syncer:
    """Carries out batches of claimed jobs under one worker's name."""

    def __init__(
        self,
        database: Database,
        backend: RetrievalBackend,
        *,
        worker: str,
        max_attempts: int,
        given_store_id: str = "",
    ) -> None:
        """`given_store_id` is a store that exists already, for the only tenant of an installation."""
        self._database = database
        self._acts = SyncActs(backend)
        self._keeper = StoreKeeper(database, backend, given_id=given_store_id)
        self._book = SyncBook(database, worker=worker, max_attempts=max_attempts)
        self._max_attempts = max_attempts

    async def sync(self, batch: Sequence[Job], mark_waiting: Callable[[], None] = lambda: None) -> None:
        """Ends every job of the batch: done, put back for later, or given up with the reason kept.

        No tenant waits for another one's files. `mark_waiting` is called whenever the batch waits for slow files only.
        """
        by_owner = by_tenant(batch)
        busy = set(by_owner)

        def is_waiting(tenant_id: UUID) -> None:
            busy.discard(tenant_id)
            if not busy:
                mark_waiting()

        async with asyncio.TaskGroup() as group:
            for tenant_id, tenant_jobs in by_owner.items():
                group.create_task(self._sync_tenant(tenant_id, tenant_jobs, is_waiting))

    async def _sync_tenant(
        self, tenant_id: UUID, tenant_jobs: Sequence[Job], is_waiting: Callable[[UUID], None]
    ) -> None:
        try:
            plans = await self._read(tenant_id, tenant_jobs)
            spent = [one for one in plans if one.job.attempts > self._max_attempts]
            await self._fail(spent, Failure(error="every attempt ended with the death of its worker"))
            alive = [one for one in plans if one not in spent]
            await self._carry_out(tenant_id, alive, lambda: is_waiting(tenant_id))
        except errors.Unavailable as error:
            # The lease ends it.
            log.warning("sync_left", tenant_id=str(tenant_id), jobs=len(tenant_jobs), error=str(error))
        finally:
            is_waiting(tenant_id)

    async def _read(self, tenant_id: UUID, tenant_jobs: Sequence[Job]) -> list[Plan]:
        ids = [job.document_id for job in tenant_jobs]
        async with self._database.tenant(tenant_id) as scope:
            originals = {one.id: one for one in await remote_documents.read(scope, ids)}
            files: defaultdict[UUID, list[DocumentFile]] = defaultdict(list)
            for file in await document_files.of_documents(scope, ids):
                files[file.document_id].append(file)
        return [
            await asyncio.to_thread(plan, job, originals.get(job.document_id), files[job.document_id])
            for job in tenant_jobs
        ]

    async def _carry_out(
        self, tenant_id: UUID, plans: Sequence[Plan], is_waiting: Callable[[], None]
    ) -> None:
        try:
            store_id = await self._store_id(tenant_id, plans)
        except PROVIDER_FAILURES as error:
            await self._fail(plans, failure_of(error))
            return
        by_step: defaultdict[Step, list[Plan]] = defaultdict(list)
        for one in plans:
            by_step[one.step(store_id)].append(one)
        await self._each(self._book.write, [unchanged(one) for one in by_step[Step.NOTHING]])
        await self._remove(store_id, by_step[Step.REMOVE])
        outdated = await self._update(store_id, by_step[Step.UPDATE_ATTRIBUTES])
        await self._replace(tenant_id, store_id, [*by_step[Step.REPLACE], *outdated], is_waiting)

    async def _store_id(self, tenant_id: UUID, plans: Iterable[Plan]) -> str:
        """Empty when nothing has to be done at the provider."""
        needed = any(one.document or one.step("") is Step.REMOVE for one in plans)
        return await self._keeper.store_id(tenant_id) if needed else ""

    async def _remove(self, store_id: str, plans: Sequence[Plan]) -> None:
        try:
            strays: Mapping[UUID, set[str]] = await self._acts.strays(plans)
        except PROVIDER_FAILURES as error:
            await self._fail(plans, failure_of(error))
            return

        async def remove(one: Plan) -> None:
            await self._book.write(await self._acts.remove(store_id, one, strays[one.job.document_id]))

        await self._each(remove, plans)

    async def _update(self, store_id: str, plans: Sequence[Plan]) -> list[Plan]:
        """Returns those whose file has gone from the store, to be sent anew."""
        outdated: list[Plan] = []

        async def update(one: Plan) -> None:
            if ended := await self._acts.update(store_id, one):
                await self._book.write(ended)
            else:
                outdated.append(one)

        await self._each(update, plans)
        return outdated

    async def _replace(
        self, tenant_id: UUID, store_id: str, plans: Sequence[Plan], is_waiting: Callable[[], None]
    ) -> None:
        """Successes are written down as they come: one slow file keeps none of the others waiting."""
        if not plans:
            return
        await self._book.begin_uploads(tenant_id, plans)
        written: set[int] = set()

        async def write(one: Ended) -> None:
            # Without the database it is written at the end, with the others.
            with suppress(errors.Unavailable):
                await self._book.write(one)
                written.add(one.plan.job.id)

        told = await self._acts.replace(store_id, plans, succeeded=write, is_waiting=is_waiting)
        ended = [one for one in told if one.plan.job.id not in written]
        if any(one.failure and one.failure.is_final for one in ended):
            ended = await self._reconsidered(tenant_id, store_id, ended)
        await self._each(self._book.write, ended)

    async def _reconsidered(self, tenant_id: UUID, store_id: str, ended: Sequence[Ended]) -> list[Ended]:
        """What was refused may be refused for want of the store: then another attempt finds a new one."""
        try:
            is_lost = await self._keeper.is_lost(tenant_id, store_id)
        except PROVIDER_FAILURES:
            is_lost = True
        return [again(one) if is_lost and one.failure else one for one in ended]

    async def _fail(self, plans: Sequence[Plan], failure: Failure) -> None:
        await self._each(self._book.write, [Ended(plan=one, failure=failure) for one in plans])

    async def _each(self, act: Callable[[Item], Awaitable[None]], items: Sequence[Item]) -> None:
        """A few at a time; when the database is lost, what has begun is still brought to its end."""
        slots = asyncio.Semaphore(AT_ONCE)
        lost: list[errors.Unavailable] = []

        async def in_turn(item: Item) -> None:
            async with slots:
                try:
                    await act(item)
                except errors.Unavailable as error:
                    lost.append(error)

        async with asyncio.TaskGroup() as group:
            for item in items:
                group.create_task(in_turn(item))
        if lost:
            raise lost[0]


def again(ended: Ended) -> Ended:
    return replace(ended, failure=replace(ended.failure, is_final=False)) if ended.failure else ended
