"""Builds retrieval and answering: in Postgres, at OpenAI, and the choice between both."""

from __future__ import annotations

from dataclasses import dataclass

from retrieval_service.config import Settings
from retrieval_service.domain.retrieval.circuit import CircuitLimits
from retrieval_service.providers.ports import FileAnswerer, RetrievalBackend
from retrieval_service.services.answering.openai_answers import RemoteAnswerer
from retrieval_service.services.answering.quotation import Quoter
from retrieval_service.services.retrieval.backend_choice import Chooser
from retrieval_service.services.retrieval.circuit_breaker import Breaker
from retrieval_service.services.retrieval.openai_search import RemoteSearcher
from retrieval_service.services.retrieval.relevance import Sifter
from retrieval_service.services.retrieval.retriever import Retriever
from retrieval_service.services.retrieval.search import Searcher
from retrieval_service.services.retrieval.shadow import Shadow
from retrieval_service.services.retrieval.term_statistics import Weigher
from retrieval_service.services.sync.backend_switches import Switcher
from retrieval_service.services.sync.vector_stores import StoreKeeper
from retrieval_service.services.usage import Meter
from retrieval_service.stores.database import Database


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """Without access to OpenAI there is no shadow and no remote answerer."""

    retriever: Retriever
    chooser: Chooser
    switcher: Switcher
    shadow: Shadow | None = None
    answerer: RemoteAnswerer | None = None


def assemble_retrieval(
    settings: Settings,
    database: Database,
    searcher: Searcher,
    weigher: Weigher,
    meter: Meter,
    backend: RetrievalBackend | None,
    answerer: FileAnswerer | None,
    quoter: Quoter,
) -> Retrieval:
    uses_openai, has_openai = settings.use_openai_retrieval, backend is not None
    chooser = Chooser(database, uses_openai=uses_openai, has_openai=has_openai)
    keeper = StoreKeeper(database, backend) if backend else None
    switcher = Switcher(database, chooser, keeper, uses_openai=uses_openai, has_openai=has_openai)
    sifter = Sifter(weigher)
    if backend is None:
        return Retrieval(retriever=Retriever(searcher, chooser, sifter), chooser=chooser, switcher=switcher)
    limits = CircuitLimits(
        failures=settings.openai_breaker_failures, pause_seconds=settings.openai_breaker_pause_seconds
    )
    breaker = Breaker(limits)
    remote = RemoteSearcher(
        database,
        backend,
        breaker,
        meter,
        seconds=settings.openai_search_seconds,
        usd_per_thousand=settings.openai_search_usd,
    )
    shadow = Shadow(database, searcher, remote, usd_per_thousand=settings.openai_search_usd)
    return Retrieval(
        retriever=Retriever(searcher, chooser, sifter, remote, shadow),
        chooser=chooser,
        switcher=switcher,
        shadow=shadow,
        answerer=RemoteAnswerer(answerer, remote, sifter, breaker, quoter) if answerer else None,
    )
