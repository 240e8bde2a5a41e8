"""Puts a worker together: its lanes, its chores, and what runs beside them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from retrieval_service.assembling import Service
from retrieval_service.bell import Bell
from retrieval_service.change_runner import ChangeRunner
from retrieval_service.claiming import Lane
from retrieval_service.fill_runner import FillRunner
from retrieval_service.index_runner import IndexRunner
from retrieval_service.services.evacuating import Evacuator
from retrieval_service.services.indexing import Indexer
from retrieval_service.services.promoting import Promoter
from retrieval_service.services.provider_chores import ProviderChore
from retrieval_service.services.sweeping import Sweeper
from retrieval_service.services.syncing import Syncer
from retrieval_service.stores import jobs
from retrieval_service.worker import Worker, WorkerOptions, worker_name

# Of one worker, at a time.
SOURCE_READERS = 2


def new_worker(service: Service) -> Worker:
    """A worker with a name of its own, which also does everything that nobody waits for.

    Without a retrieval provider it leaves the jobs for one to others.
    """
    settings, name = service.settings, worker_name()
    promoter = Promoter(service.database, own_index_chunks=settings.own_index_chunks)
    options = WorkerOptions(
        lease_seconds=settings.job_lease_seconds,
        poll_seconds=settings.job_poll_seconds,
        shutdown_seconds=settings.shutdown_seconds,
    )
    index_bell, reading_bells = Bell(), [Bell() for _ in range(SOURCE_READERS)]
    index_runner = IndexRunner(service.reindexer, index_bell)
    return Worker(
        service.database,
        [indexing_lane(service, name, index_runner.step_at_once), *syncing_lanes(service, name)],
        name=name,
        options=options,
        housekeeping=[
            promoter.look_around,
            service.scheduler.look_around,
            service.overseer.forget_old,
            service.comparer.look_around,
            service.answer_log.look_around,
            service.conversing.look_around,
            service.switcher.drop_outlived,
            service.snapshotting.look_around,
            service.collector.look_around,
            *provider_chores(service),
        ],
        companions=[
            index_runner.run,
            ChangeRunner(service.follower, reading_bells).run,
            FillRunner(service.filler).run,
        ],
        index_job_bells=[index_bell, *reading_bells],
    )


def indexing_lane(service: Service, worker: str, ran_dry: Callable[[], None]) -> Lane:
    settings = service.settings
    indexer = Indexer(
        service.database,
        service.embedders,
        policy=service.policy,
        worker=worker,
        max_attempts=settings.job_max_attempts,
    )
    return Lane(
        target=jobs.PGVECTOR,
        concurrency=max(1, settings.workers),
        batch=settings.job_batch,
        work=lambda batch, _: indexer.index(batch),
        ran_dry=ran_dry,
    )


def provider_chores(service: Service) -> list[Callable[[], Awaitable[None]]]:
    """None without a retrieval provider."""
    if service.backend is None:
        return []
    sweeper = Sweeper(service.database, service.backend)
    evacuator = Evacuator(service.database, service.backend, service.retrieval.switcher)
    chores = (ProviderChore("sweep", sweeper.sweep), ProviderChore("evacuate", evacuator.evacuate))
    return [chore.look_around for chore in chores]


def syncing_lanes(service: Service, worker: str) -> list[Lane]:
    """None without a retrieval provider."""
    if service.backend is None:
        return []
    settings = service.settings
    syncer = Syncer(
        service.database,
        service.backend,
        worker=worker,
        max_attempts=settings.job_max_attempts,
        given_store_id=settings.openai_vector_store_id,
    )
    return [
        Lane(
            target=jobs.OPENAI,
            concurrency=settings.sync_concurrency,
            batch=settings.sync_batch,
            work=syncer.sync,
        )
    ]
