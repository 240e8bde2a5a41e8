"""Opens everything the service is made of, in order, and closes it in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from pydantic import SecretStr

from retrieval_service import errors
from retrieval_service.api.paging import PageTokens
from retrieval_service.bell import Bell
from retrieval_service.change_runner import ChangeRunner
from retrieval_service.claiming import Lane
from retrieval_service.config import Settings, source_dsns
from retrieval_service.domain import languages
from retrieval_service.domain.chunking import ChunkPolicy
from retrieval_service.domain.costs import PriceTable, price_table
from retrieval_service.domain.pseudonyms import Pseudonyms
from retrieval_service.fill_runner import FillRunner
from retrieval_service.index_runner import IndexRunner
from retrieval_service.providers.local.extractive_summaries import ExtractiveSummarizer
from retrieval_service.providers.opening import (
    open_answerer,
    open_embedder,
    open_file_answerer,
    open_next_embedder,
    open_retrieval_backend,
    open_rewriter,
    open_summarizer,
)
from retrieval_service.providers.ports import (
    Answerer,
    Embedder,
    FileAnswerer,
    RetrievalBackend,
    Rewriter,
    Summarizer,
)
from retrieval_service.retrieval import Retrieval, assemble_retrieval
from retrieval_service.services.answer_jobs import AnswerJobs
from retrieval_service.services.answer_log import AnswerLog
from retrieval_service.services.answering import Answering
from retrieval_service.services.authenticating import Authenticator
from retrieval_service.services.collecting import Collector
from retrieval_service.services.comparing_backends import Comparer
from retrieval_service.services.conversing import Conversing
from retrieval_service.services.declaring import Declarer
from retrieval_service.services.editing import Editor
from retrieval_service.services.embedders import Embedders
from retrieval_service.services.evaluating import Evaluations
from retrieval_service.services.filling import Filler
from retrieval_service.services.following import Follower
from retrieval_service.services.importing import Importer
from retrieval_service.services.indexing import Indexer
from retrieval_service.services.managing import Manager
from retrieval_service.services.mending import Mender
from retrieval_service.services.metering import Meter
from retrieval_service.services.overseeing import Overseer
from retrieval_service.services.promoting import Promoter
from retrieval_service.services.questions import Questions
from retrieval_service.services.reading import Reader
from retrieval_service.services.reindexing import Reindexer, ReindexOptions
from retrieval_service.services.remote_purging import RemotePurger
from retrieval_service.services.resolving import Resolver
from retrieval_service.services.rewording import Rewording
from retrieval_service.services.scheduling import Scheduler, drift_watch, rebuilding, reconciling
from retrieval_service.services.searching import Searcher
from retrieval_service.services.snapshotting import Snapshotting
from retrieval_service.services.source_addresses import SourceAddresses
from retrieval_service.services.sourcing import Sourcing
from retrieval_service.services.summarizing import Summarizing
from retrieval_service.services.surveying import Surveyor
from retrieval_service.services.sweeping import Sweeper
from retrieval_service.services.switching import Switcher, adopt
from retrieval_service.services.syncing import Syncer
from retrieval_service.services.verifying import Verifier
from retrieval_service.services.weighing import Weigher
from retrieval_service.stores import jobs, schema, spaces
from retrieval_service.stores.database import Database, PoolSize, open_database
from retrieval_service.worker import Worker, WorkerOptions, worker_name

# Words of no language make the language model load, which takes most of a second, before the first caller.
UNDECIDABLE = "zxq vbn"

# Of one worker, at a time.
SOURCE_READERS = 2


@dataclass(frozen=True, kw_only=True)
class Service:
    """Everything a server or a worker needs; without `backend` nothing is kept at a retrieval provider."""

    settings: Settings
    database: Database
    embedders: Embedders
    backend: RetrievalBackend | None
    policy: ChunkPolicy
    authenticator: Authenticator
    manager: Manager
    importer: Importer
    editor: Editor
    reader: Reader
    declarer: Declarer
    sourcing: Sourcing
    follower: Follower
    scheduler: Scheduler
    reindexer: Reindexer
    overseer: Overseer
    mender: Mender
    searcher: Searcher
    retrieval: Retrieval
    comparer: Comparer
    answering: Answering
    answer_log: AnswerLog
    conversing: Conversing
    switcher: Switcher
    verifier: Verifier
    filler: Filler
    summarizing: Summarizing
    snapshotting: Snapshotting
    surveyor: Surveyor
    resolver: Resolver
    collector: Collector
    meter: Meter
    evaluations: Evaluations
    page_tokens: PageTokens

    @property
    def embedder(self) -> Embedder:
        """The configured one."""
        return self.embedders.home

    @property
    def space_id(self) -> int:
        """The configured embedder's."""
        return self.embedders.home_id


@contextlib.asynccontextmanager
async def open_service(settings: Settings, dsn: str) -> AsyncIterator[Service]:
    """Brings the schema forward, opens providers and database, and begins to move tenants whose model is gone."""
    await schema.upgrade(dsn)
    await asyncio.to_thread(languages.detect_language, UNDECIDABLE)
    async with contextlib.AsyncExitStack() as stack:
        embedder, policy = await open_embedder(settings)
        stack.push_async_callback(embedder.close)
        following = await open_next_embedder(settings)
        if following is not None:
            stack.push_async_callback(following.close)
        answerer = await open_answerer(settings)
        stack.push_async_callback(answerer.close)
        if rewriter := await open_rewriter(settings):
            stack.push_async_callback(rewriter.close)
        summarizer = await open_summarizer(settings)
        stack.push_async_callback(summarizer.close)
        if backend := await open_retrieval_backend(settings):
            stack.push_async_callback(backend.close)
        if file_answerer := await open_file_answerer(settings):
            stack.push_async_callback(file_answerer.close)
        size = PoolSize(maximum=settings.pool_size)
        database = await stack.enter_async_context(open_database(dsn, size))
        embedders = await register(database, embedder, following, price_table(settings.prices))
        service = assemble(
            settings,
            dsn,
            database,
            embedders,
            answerer,
            summarizer,
            backend,
            policy,
            file_answerer,
            rewriter,
        )
        stack.push_async_callback(service.answering.wind_down, 0)
        await adopt(database, embedders, service.switcher)
        await service.retrieval.switcher.settle()
        yield service


def assemble(
    settings: Settings,
    dsn: str,
    database: Database,
    embedders: Embedders,
    answerer: Answerer,
    summarizer: Summarizer,
    backend: RetrievalBackend | None,
    policy: ChunkPolicy,
    file_answerer: FileAnswerer | None = None,
    rewriter: Rewriter | None = None,
) -> Service:
    authenticator = Authenticator(database)
    meter = Meter(database, price_table(settings.prices))
    weigher = Weigher(database)
    searcher = Searcher(
        database,
        embedders,
        Questions(embedders, meter),
        weigher,
        exact_lexical_chunks=settings.exact_lexical_chunks,
    )
    retrieval = assemble_retrieval(settings, database, searcher, weigher, backend, file_answerer)
    switcher = Switcher(database, embedders)
    summarizing = Summarizing(
        database,
        retrieval.retriever,
        summarizer,
        ExtractiveSummarizer(),
        meter,
        model_seconds=settings.summary_seconds,
    )
    importer = Importer(database)
    answer_log = AnswerLog(
        database,
        Pseudonyms(secret_key(settings.safety_key, "safety identifiers", dsn)),
        history_tokens=settings.history_tokens,
    )
    answering = Answering(
        AnswerJobs(seconds=settings.answer_seconds),
        answer_log,
        retrieval.retriever,
        retrieval.chooser,
        answerer,
        Rewording(rewriter),
        meter,
        retrieval.answerer,
    )
    addresses = source_addresses(settings)
    mender = Mender(database, backend)
    sourcing = Sourcing(database, addresses)
    return Service(
        settings=settings,
        database=database,
        embedders=embedders,
        backend=backend,
        policy=policy,
        authenticator=authenticator,
        manager=Manager(
            database,
            authenticator,
            space_id=embedders.home_id,
            mirrors_new=settings.use_openai_retrieval and backend is not None,
        ),
        importer=importer,
        declarer=Declarer(database, addresses),
        sourcing=sourcing,
        follower=Follower(
            database,
            sourcing,
            lease_seconds=settings.job_lease_seconds,
            max_attempts=settings.job_max_attempts,
        ),
        scheduler=new_scheduler(settings, database, mender),
        editor=Editor(database, RemotePurger(database, backend)),
        reader=Reader(database),
        reindexer=Reindexer(database, reindex_options(settings)),
        overseer=Overseer(database),
        mender=mender,
        searcher=searcher,
        retrieval=retrieval,
        comparer=Comparer(database),
        answering=answering,
        answer_log=answer_log,
        conversing=Conversing(database),
        surveyor=Surveyor(database),
        resolver=Resolver(database, importer, answering, weigher, retrieval.chooser),
        collector=Collector(database, embedders),
        switcher=switcher,
        verifier=Verifier(database, embedders, switcher),
        filler=Filler(database, embedders, switcher),
        summarizing=summarizing,
        snapshotting=Snapshotting(database, summarizing),
        meter=meter,
        evaluations=Evaluations(database),
        page_tokens=PageTokens(secret_key(settings.page_token_key, "page tokens", dsn)),
    )


async def register(
    database: Database,
    embedder: Embedder,
    following: Embedder | None = None,
    prices: PriceTable | None = None,
) -> Embedders:
    """The embedders by their spaces, which get their tables; raises `Misconfigured` for one space twice."""
    async with database.owner() as owner:
        home_id = await spaces.register(owner, embedder.space)
        if following is None:
            return Embedders({home_id: embedder}, home_id=home_id, prices=prices)
        next_id = await spaces.register(owner, following.space)
    if next_id == home_id:
        raise errors.Misconfigured("KLADEZ_NEXT_EMBEDDER gives the same vectors as KLADEZ_EMBEDDER")
    return Embedders({home_id: embedder, next_id: following}, home_id=home_id, prices=prices)


def reindex_options(settings: Settings) -> ReindexOptions:
    return ReindexOptions(
        batch=settings.index_job_batch,
        concurrency=settings.index_job_concurrency,
        cooldown_seconds=settings.index_job_cooldown_seconds,
    )


def new_scheduler(settings: Settings, database: Database, mender: Mender) -> Scheduler:
    sourcing = Sourcing(database, source_addresses(settings))
    reindexer = Reindexer(database, reindex_options(settings))
    planned = [
        reconciling(database, sourcing, settings.schedule_reconcile),
        rebuilding(database, reindexer, settings.schedule_rebuild),
        drift_watch(mender, settings.schedule_drift),
    ]
    return Scheduler(database, planned)


def source_addresses(settings: Settings) -> SourceAddresses:
    prefix = settings.sql_source_prefix
    return SourceAddresses(prefix, source_dsns(prefix), timeout_seconds=settings.sql_source_timeout_seconds)


def secret_key(setting: SecretStr | None, purpose: str, dsn: str) -> bytes:
    """When none is set, one for each purpose, the same on every server of one database."""
    if setting is not None:
        return setting.get_secret_value().encode()
    return hashlib.sha256(f"kladez {purpose}\0{dsn}".encode()).digest()


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
    sweeping = [Sweeper(service.database, service.backend).look_around] if service.backend else []
    return Worker(
        service.database,
        [indexing_lane(service, name), *syncing_lanes(service, name)],
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
            *sweeping,
        ],
        companions=[
            IndexRunner(service.reindexer, index_bell).run,
            ChangeRunner(service.follower, reading_bells).run,
            FillRunner(service.filler).run,
        ],
        index_job_bells=[index_bell, *reading_bells],
    )


def indexing_lane(service: Service, worker: str) -> Lane:
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
        work=indexer.index,
    )


def syncing_lanes(service: Service, worker: str) -> list[Lane]:
    """None without a retrieval provider."""
    if service.backend is None:
        return []
    settings = service.settings
    syncer = Syncer(service.database, service.backend, worker=worker, max_attempts=settings.job_max_attempts)
    return [
        Lane(
            target=jobs.OPENAI,
            concurrency=settings.sync_concurrency,
            batch=settings.sync_batch,
            work=syncer.sync,
        )
    ]
