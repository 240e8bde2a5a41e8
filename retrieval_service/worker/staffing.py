"""Builds a worker: its lanes, its housekeeping, and the tasks beside them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from retrieval_service.child_process import Apart
from retrieval_service.composition.services import Service
from retrieval_service.domain.indexing.chunking import ChunkPolicy
from retrieval_service.providers.local.choosing import chunk_policy
from retrieval_service.services.indexing.embedding_steps import Stepper
from retrieval_service.services.indexing.indexer import AtOnce, Indexer, Limits, Thought
from retrieval_service.services.indexing.large_documents import StepByStep
from retrieval_service.services.indexing.own_indexes import Promoter
from retrieval_service.services.sync.chores import ProviderChore
from retrieval_service.services.sync.leftovers import Sweeper
from retrieval_service.services.sync.offboarding import Evacuator
from retrieval_service.services.sync.syncer import Syncer
from retrieval_service.stores.queue import document_jobs
from retrieval_service.worker.changed_rows import ChangeRunner
from retrieval_service.worker.claiming import Lane
from retrieval_service.worker.index_jobs import IndexRunner
from retrieval_service.worker.space_filling import FillRunner
from retrieval_service.worker.wake_up import Wakeup
from retrieval_service.worker.worker import Worker, WorkerOptions, worker_name

# The number of sources that one worker reads at a time.
SOURCE_READERS = 2
# The number of documents that are sent to a retrieval provider together.
LARGE_FILES_AT_A_TIME = 4


def new_worker(service: Service) -> Worker:
    """A worker with a unique name, which also runs the housekeeping.

    Without a retrieval provider it leaves the provider's jobs to other workers.
    """
    settings, name = service.settings, worker_name()
    promoter = Promoter(service.database, own_index_chunks=settings.own_index_chunks)
    options = WorkerOptions(
        lease_seconds=settings.job_lease_seconds,
        poll_seconds=settings.job_poll_seconds,
        shutdown_seconds=settings.shutdown_seconds,
    )
    index_wakeup, reading_wakeups = Wakeup(), [Wakeup() for _ in range(SOURCE_READERS)]
    index_runner, apart = IndexRunner(service.reindexer, index_wakeup), Apart()
    return Worker(
        service.database,
        [*indexing_lanes(service, name, apart, index_runner.step_at_once), *syncing_lanes(service, name)],
        name=name,
        options=options,
        housekeeping=[
            promoter.run_housekeeping,
            service.scheduler.run_housekeeping,
            service.overseer.forget_old,
            service.comparer.run_housekeeping,
            service.answer_log.run_housekeeping,
            service.conversing.run_housekeeping,
            service.switcher.drop_outlived,
            service.snapshotting.run_housekeeping,
            service.collector.run_housekeeping,
            *provider_chores(service),
        ],
        companions=[
            index_runner.run,
            ChangeRunner(service.follower, reading_wakeups).run,
            FillRunner(service.filler).run,
        ],
        index_job_wakeups=[index_wakeup, *reading_wakeups],
        last=apart.close,
    )


def indexing_lanes(service: Service, worker: str, apart: Apart, on_idle: Callable[[], None]) -> list[Lane]:
    """The lanes for indexing. Large documents have their own, so that small ones never wait for them."""
    settings = service.settings
    at_once = new_indexer(service, worker, AtOnce(service.embedders, service.policy))
    step_by_step = new_indexer(service, worker, new_step_by_step(service, apart))
    small = Lane(
        target=document_jobs.PGVECTOR,
        concurrency=max(1, settings.workers),
        spare=settings.job_tenants - 1,
        batch=settings.job_batch,
        max_bytes=settings.job_batch_bytes,
        work=lambda batch, _: at_once.index(batch),
        on_idle=on_idle,
    )
    large = Lane(
        target=document_jobs.PGVECTOR,
        is_large=True,
        concurrency=1,
        spare=1,
        batch=1,
        work=lambda batch, _: step_by_step.index(batch),
        on_idle=on_idle,
    )
    return [small, large]


def new_indexer(service: Service, worker: str, thought: Thought) -> Indexer:
    settings = service.settings
    limits = Limits(attempts=settings.job_max_attempts, content_bytes=settings.document_bytes)
    return Indexer(service.database, service.embedders, thought, worker=worker, limits=limits)


def new_step_by_step(service: Service, apart: Apart) -> StepByStep:
    settings = service.settings
    return StepByStep(
        Stepper(
            service.database,
            service.embedders,
            passages=settings.job_step_passages,
            turn_seconds=settings.job_turn_seconds,
        ),
        apart,
        policy_elsewhere(service),
        most_passages=settings.document_passages,
    )


def policy_elsewhere(service: Service) -> Callable[[], ChunkPolicy]:
    """A function that builds the service's policy in another process."""
    if service.policy.unit == "tiktoken":
        return partial(given, service.policy)
    return partial(chunk_policy, service.settings.local_model, service.settings.local_model_dir)


def given(policy: ChunkPolicy) -> ChunkPolicy:
    return policy


def provider_chores(service: Service) -> list[Callable[[], Awaitable[None]]]:
    """None without a retrieval provider."""
    if service.backend is None:
        return []
    sweeper = Sweeper(service.database, service.backend)
    evacuator = Evacuator(service.database, service.backend, service.retrieval.switcher)
    chores = (ProviderChore("sweep", sweeper.sweep), ProviderChore("evacuate", evacuator.evacuate))
    return [chore.run_housekeeping for chore in chores]


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
    small = Lane(
        target=document_jobs.OPENAI,
        concurrency=settings.sync_concurrency,
        spare=1,
        batch=settings.sync_batch,
        tenants=settings.sync_batch,
        work=syncer.sync,
    )
    large = replace(
        small, is_large=True, concurrency=1, batch=LARGE_FILES_AT_A_TIME, tenants=LARGE_FILES_AT_A_TIME
    )
    return [small, large]
