"""Builds the services from the opened resources."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from pydantic import SecretStr

from retrieval_service import metrics
from retrieval_service.api.paging import PageTokens
from retrieval_service.composition.retrieval import Retrieval, assemble_retrieval
from retrieval_service.config import Settings, source_dsns
from retrieval_service.domain.answering.pseudonyms import Pseudonyms
from retrieval_service.domain.indexing.chunking import ChunkPolicy
from retrieval_service.domain.indexing.costs import price_table
from retrieval_service.domain.retrieval.circuit import CircuitLimits
from retrieval_service.domain.tenants.quotas import Quotas
from retrieval_service.providers.local.extractive import ExtractiveAnswerer
from retrieval_service.providers.local.extractive_summaries import ExtractiveSummarizer
from retrieval_service.providers.ports import (
    Answerer,
    Embedder,
    FileAnswerer,
    RetrievalBackend,
    Rewriter,
    Summarizer,
)
from retrieval_service.services.answering.answers import Answering
from retrieval_service.services.answering.asked_field import Pointer
from retrieval_service.services.answering.context import Gatherer
from retrieval_service.services.answering.conversations import Conversing
from retrieval_service.services.answering.generation import Composer
from retrieval_service.services.answering.history import Recaller
from retrieval_service.services.answering.jobs import AnswerJobs
from retrieval_service.services.answering.log import AnswerLog
from retrieval_service.services.answering.numeric_lists import Lister
from retrieval_service.services.answering.query_rewriting import Rewording
from retrieval_service.services.answering.quotation import Quoter
from retrieval_service.services.answering.small_talk import Courtesies
from retrieval_service.services.answering.trials import Trials
from retrieval_service.services.answering.writing import AnswerWriter
from retrieval_service.services.documents.editing import Editor
from retrieval_service.services.documents.importing import Importer
from retrieval_service.services.documents.reading import Reader
from retrieval_service.services.indexing.embedders import Embedders
from retrieval_service.services.indexing.index_jobs import Reindexer, ReindexOptions
from retrieval_service.services.insights.evaluations import Evaluations
from retrieval_service.services.insights.gap_grouping import Collector
from retrieval_service.services.insights.gap_resolution import Resolver
from retrieval_service.services.insights.reports import Surveyor
from retrieval_service.services.operations.process_agreement import Presence, Presences
from retrieval_service.services.operations.schedules import Scheduler, drift_watch, rebuilding, reconciling
from retrieval_service.services.retrieval.circuit_breaker import Breaker
from retrieval_service.services.retrieval.context_expansion import Widener
from retrieval_service.services.retrieval.query_vectors import Questions
from retrieval_service.services.retrieval.search import Searcher
from retrieval_service.services.retrieval.shadow_results import Comparer
from retrieval_service.services.retrieval.term_statistics import Weigher
from retrieval_service.services.sources.addresses import SourceAddresses
from retrieval_service.services.sources.changed_rows import Follower
from retrieval_service.services.sources.declarations import Declarer
from retrieval_service.services.sources.scans import Sourcing
from retrieval_service.services.spaces.calibration import Calibrator
from retrieval_service.services.spaces.filling import Filler
from retrieval_service.services.spaces.switches import Switcher
from retrieval_service.services.spaces.verification import Verifier
from retrieval_service.services.summaries.snapshots import Snapshotting
from retrieval_service.services.summaries.summaries import Summarizing
from retrieval_service.services.sync.backlog import Overseer
from retrieval_service.services.sync.drift_repair import Mender
from retrieval_service.services.sync.purges import RemotePurger
from retrieval_service.services.tenants.authentication import Authenticator
from retrieval_service.services.tenants.rate_limits import Limiter, Rates
from retrieval_service.services.tenants.tenants import Manager
from retrieval_service.services.usage import Meter
from retrieval_service.stores.database import Database

# Tokens are rarely longer in any language. A model that writes more ignores its limit.
MOST_CHARACTERS_OF_A_TOKEN = 10


@dataclass(frozen=True, kw_only=True)
class Providers:
    """The providers outside Postgres, and the sizes of chunks. Without `backend` there is no retrieval provider."""

    embedders: Embedders
    policy: ChunkPolicy
    answerer: Answerer
    summarizer: Summarizer
    backend: RetrievalBackend | None = None
    file_answerer: FileAnswerer | None = None
    rewriter: Rewriter | None = None


@dataclass(frozen=True, kw_only=True)
class Service:
    """Everything that a server or a worker needs. Without `backend` there is no retrieval provider.

    Without `presence` the process is not announced to others.
    """

    settings: Settings
    database: Database
    embedders: Embedders
    backend: RetrievalBackend | None
    policy: ChunkPolicy
    authenticator: Authenticator
    limiter: Limiter
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
    calibrator: Calibrator
    summarizing: Summarizing
    snapshotting: Snapshotting
    surveyor: Surveyor
    resolver: Resolver
    collector: Collector
    meter: Meter
    evaluations: Evaluations
    page_tokens: PageTokens
    presences: Presences
    presence: Presence | None

    @property
    def embedder(self) -> Embedder:
        """The configured one."""
        return self.embedders.home

    @property
    def space_id(self) -> int:
        """The configured embedder's."""
        return self.embedders.home_id


def assemble(
    settings: Settings,
    installation_key: bytes,
    database: Database,
    providers: Providers,
    presence: Presence | None = None,
) -> Service:
    """Builds the shared services first."""
    embedders, backend = providers.embedders, providers.backend
    authenticator = Authenticator(database, wrong_keys_per_minute=settings.wrong_keys_per_minute)
    importer = Importer(database, most_bytes=settings.document_bytes)
    meter, weigher = Meter(database, price_table(settings.prices)), Weigher(database)
    questions = Questions(embedders, meter)
    searcher = new_searcher(settings, database, embedders, questions, weigher)
    quoter, writers = Quoter(ExtractiveAnswerer()), answer_breaker(settings)
    retrieval = assemble_retrieval(
        settings, database, searcher, weigher, meter, backend, providers.file_answerer, quoter
    )
    summarizing = new_summarizing(settings, database, providers.summarizer, retrieval, meter, writers)
    logs = new_logs(settings, installation_key, database, weigher)
    composer = new_composer(settings, providers.answerer, quoter, writers)
    rewording = Rewording(providers.rewriter, writers)
    answering = new_answering(
        settings, database, composer, rewording, retrieval, logs, meter, weigher, embedders, questions
    )
    switcher, mender = Switcher(database, embedders), Mender(database, backend)
    addresses = source_addresses(settings)
    sourcing, reindexer = Sourcing(database, addresses), Reindexer(database, reindex_options(settings))
    return Service(
        settings=settings,
        database=database,
        embedders=embedders,
        backend=backend,
        policy=providers.policy,
        authenticator=authenticator,
        limiter=Limiter(rates(settings)),
        manager=new_manager(settings, database, authenticator, providers, retrieval),
        importer=importer,
        declarer=Declarer(database, addresses),
        sourcing=sourcing,
        follower=new_follower(settings, database, sourcing),
        scheduler=new_scheduler(settings, database, sourcing, reindexer, mender),
        editor=Editor(database, RemotePurger(database, backend), most_bytes=settings.document_bytes),
        reader=Reader(database),
        reindexer=reindexer,
        overseer=Overseer(database),
        mender=mender,
        searcher=searcher,
        retrieval=retrieval,
        comparer=Comparer(database),
        answering=answering,
        answer_log=logs[0],
        conversing=Conversing(database),
        surveyor=Surveyor(database),
        resolver=Resolver(database, importer, answering, weigher, retrieval.chooser),
        collector=Collector(database, embedders),
        switcher=switcher,
        verifier=Verifier(database, embedders, switcher),
        filler=Filler(database, embedders, switcher),
        calibrator=Calibrator(database, embedders),
        summarizing=summarizing,
        snapshotting=Snapshotting(database, summarizing),
        meter=meter,
        evaluations=Evaluations(database),
        page_tokens=PageTokens(secret_key(settings.page_token_key, "page tokens", installation_key)),
        presences=Presences(database),
        presence=presence,
    )


def new_logs(
    settings: Settings, installation_key: bytes, database: Database, weigher: Weigher
) -> tuple[AnswerLog, Trials]:
    """The logs of customers' questions and of trial questions."""
    pseudonyms = Pseudonyms(secret_key(settings.safety_key, "safety identifiers", installation_key))
    answer_log = AnswerLog(
        database,
        pseudonyms,
        Recaller(weigher),
        history_tokens=settings.history_tokens,
        quotas=quotas(settings),
    )
    return answer_log, Trials(database, pseudonyms, quotas=quotas(settings))


def rates(settings: Settings) -> Rates:
    return Rates(
        key_requests=settings.key_requests_per_minute,
        key_bytes=settings.key_bytes_per_minute,
        tenant_requests=settings.tenant_requests_per_minute,
        tenant_bytes=settings.tenant_bytes_per_minute,
    )


def quotas(settings: Settings) -> Quotas:
    """The quotas of tenants that have none of their own."""
    return Quotas(
        questions_per_day=settings.questions_per_day,
        channel_questions_per_day=settings.channel_questions_per_day,
        visitor_questions_per_day=settings.visitor_questions_per_day,
    )


def new_searcher(
    settings: Settings, database: Database, embedders: Embedders, questions: Questions, weigher: Weigher
) -> Searcher:
    return Searcher(
        database,
        embedders,
        questions,
        weigher,
        exact_lexical_chunks=settings.exact_lexical_chunks,
    )


def answer_breaker(settings: Settings) -> Breaker:
    """One circuit breaker for all calls of the model that writes."""
    limits = CircuitLimits(
        failures=settings.answer_breaker_failures, pause_seconds=settings.answer_breaker_pause_seconds
    )
    return Breaker(limits, provider="The model provider", shown=metrics.ANSWER_CIRCUIT_OPEN)


def new_composer(settings: Settings, answerer: Answerer, quoter: Quoter, breaker: Breaker) -> Composer:
    return Composer(
        answerer,
        quoter,
        breaker,
        patience_seconds=settings.answer_patience_seconds,
        most_characters=settings.answer_max_tokens * MOST_CHARACTERS_OF_A_TOKEN,
    )


def new_summarizing(
    settings: Settings,
    database: Database,
    summarizer: Summarizer,
    retrieval: Retrieval,
    meter: Meter,
    breaker: Breaker,
) -> Summarizing:
    return Summarizing(
        database,
        retrieval.retriever,
        summarizer,
        ExtractiveSummarizer(),
        meter,
        breaker,
        model_seconds=settings.summary_seconds,
    )


def new_answering(
    settings: Settings,
    database: Database,
    composer: Composer,
    rewording: Rewording,
    retrieval: Retrieval,
    logs: tuple[AnswerLog, Trials],
    meter: Meter,
    weigher: Weigher,
    embedders: Embedders,
    questions: Questions,
) -> Answering:
    jobs = AnswerJobs(seconds=settings.answer_seconds)
    writer = AnswerWriter(
        jobs,
        *logs,
        Gatherer(retrieval.retriever),
        Lister(database, retrieval.retriever, weigher),
        Widener(database, characters=settings.answer_context_characters),
        Courtesies(embedders, questions),
        Pointer(embedders, questions),
        retrieval.chooser,
        composer,
        rewording,
        meter,
        retrieval.answerer,
    )
    return Answering(jobs, logs[0], writer)


def new_manager(
    settings: Settings,
    database: Database,
    authenticator: Authenticator,
    providers: Providers,
    retrieval: Retrieval,
) -> Manager:
    return Manager(
        database,
        authenticator,
        retrieval.switcher,
        space_id=providers.embedders.home_id,
        mirrors_new=settings.use_openai_retrieval and providers.backend is not None,
    )


def new_follower(settings: Settings, database: Database, sourcing: Sourcing) -> Follower:
    return Follower(
        database,
        sourcing,
        lease_seconds=settings.job_lease_seconds,
        max_attempts=settings.job_max_attempts,
    )


def new_scheduler(
    settings: Settings, database: Database, sourcing: Sourcing, reindexer: Reindexer, mender: Mender
) -> Scheduler:
    planned = [
        reconciling(database, sourcing, settings.schedule_reconcile),
        rebuilding(database, reindexer, settings.schedule_rebuild),
        drift_watch(mender, settings.schedule_drift),
    ]
    return Scheduler(database, planned)


def reindex_options(settings: Settings) -> ReindexOptions:
    return ReindexOptions(
        batch=settings.index_job_batch,
        concurrency=settings.index_job_concurrency,
        cooldown_seconds=settings.index_job_cooldown_seconds,
    )


def source_addresses(settings: Settings) -> SourceAddresses:
    prefix = settings.sql_source_prefix
    return SourceAddresses(prefix, source_dsns(prefix), timeout_seconds=settings.sql_source_timeout_seconds)


def secret_key(setting: SecretStr | None, purpose: str, installation_key: bytes) -> bytes:
    """The configured secret, or a key for this purpose from random bytes in the database, which all servers share.

    The database's address is no secret: without a password in it, it can be guessed.
    """
    if setting is not None:
        return setting.get_secret_value().encode()
    return hmac.digest(installation_key, f"kladez {purpose}".encode(), "sha256")
