"""Searches one tenant's passages by meaning, by words or by both."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import UUID

import numpy as np
import structlog
from cachetools import LRUCache

from retrieval_service import errors
from retrieval_service.domain.indexing import lexical
from retrieval_service.domain.indexing.lexical import Terms
from retrieval_service.domain.indexing.spaces import Space, Vector
from retrieval_service.domain.retrieval import fusion
from retrieval_service.domain.retrieval.backends import Backend, first_documents
from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.domain.retrieval.fusion import Blend, Scores
from retrieval_service.domain.retrieval.query_readings import Reading as Meant
from retrieval_service.services.indexing.embedders import Embedders
from retrieval_service.services.retrieval.passage_cache import Edition, PassageMemory
from retrieval_service.services.retrieval.query_correction import Rereader
from retrieval_service.services.retrieval.query_vectors import Questions
from retrieval_service.services.retrieval.term_statistics import Weigher, Weights
from retrieval_service.stores.database import Database
from retrieval_service.stores.retrieval import passages
from retrieval_service.stores.retrieval.passages import Candidates, Passage, Probe, Sight
from retrieval_service.stores.tenants import tenant_spaces
from retrieval_service.stores.tenants.tenant_spaces import Searched
from retrieval_service.text import languages
from retrieval_service.text.facts.days import has_short_date, written_out

log = structlog.get_logger("kladez.searching")

MODEL_MISSING = "the embedding model is not available"
REMEMBERED_TENANTS = 10_000
# The most repeats of a search whose documents change meanwhile.
MOST_OVERTAKEN = 3
LEAST_DEPTH = 50
# Measured: a question this short is read in .05 ms, in .5 when all its words are new; a thread costs .1 to .8.
SHORT_CHARACTERS = 200


class Mode(StrEnum):
    """The search mode."""

    SEMANTIC = "semantic"
    FULL_TEXT = "full_text"
    HYBRID = "hybrid"


@dataclass(frozen=True, kw_only=True)
class Query:
    """`depth` candidates are taken from each arm, `limit` hits are returned after `offset` of them."""

    text: str
    mode: Mode = Mode.HYBRID
    conditions: Conditions = field(default_factory=Conditions)
    min_score: float = 0.0
    limit: int = 30
    offset: int = 0
    depth: int = LEAST_DEPTH


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A passage with its scores; `score` is in [0, 1], `similarity` a cosine, `stem_score` raw BM25."""

    passage: Passage
    score: float
    similarity: float | None
    stem_score: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """`mode` is the one that answered; `degraded_reason` is "" when it is the one that was asked for.

    `space` is the one that all similarities belong to; None when its model is not there. `first_documents` are those
    of the whole ranking, however short the page is. `read_as` is the question in the words of the tenant, "" when
    it was searched for as it stands; `guess` is one with fewer typing mistakes that may be meant, "" for none, and
    doubtful where it has changed what may be a word.
    """

    hits: Sequence[Hit]
    mode: Mode
    language: str
    degraded_reason: str
    has_more: bool
    backend: Backend = Backend.PGVECTOR
    space: Space | None = None
    first_documents: Sequence[UUID] = ()
    read_as: str = ""
    guess: str = ""
    guess_is_doubtful: bool = False


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a question is in the tenant's terms, and how its scores by meaning and by words are joined.

    `written_in` are the languages of the tenant's passages. `reads_little`: the tenant is so small that every chunk of
    it is scored; `reads_all`: by every arm.
    """

    text: str
    guess: str
    guess_is_doubtful: bool
    language: str
    written_in: tuple[str, ...]
    script: str
    blend: Blend
    terms: Terms
    gate: Sequence[int]
    reads_little: bool
    reads_all: bool


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """The mode that is possible, the question's vector when it needs one, and what was lost.

    `is_turned`: the vector was turned to the language of the passages.
    """

    mode: Mode
    vector: Vector | None = None
    degraded_reason: str = ""
    is_turned: bool = False


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen of a tenant's index, and what it was seen by.

    `searched` is how the tenant stands in the same moment. `is_outdated`: the question was prepared for other vectors
    than the tenant has. `is_overtaken`: the index was written to since its words were weighed.
    """

    sight: Sight
    reading: Reading
    meaning: Meaning
    space: Space | None
    by_document: bool
    searched: Searched
    is_outdated: bool
    is_overtaken: bool


@dataclass(frozen=True, kw_only=True)
class _Page:
    """`lacks_passages`: some were deleted after the look."""

    found: Found
    lacks_passages: bool


class Searcher:
    """`exact_lexical_chunks`: up to this size every chunk of a tenant is scored by words."""

    def __init__(
        self,
        database: Database,
        embedders: Embedders,
        questions: Questions,
        weigher: Weigher,
        *,
        exact_lexical_chunks: int,
    ) -> None:
        self._database = database
        self._embedders = embedders
        self._questions = questions
        self._weigher = weigher
        self._exact_lexical_chunks = exact_lexical_chunks
        self._rereader = Rereader(database)
        self._memory = PassageMemory()
        self._searched: LRUCache[UUID, Searched] = LRUCache(REMEMBERED_TENANTS)

    async def search(self, tenant_id: UUID, query: Query) -> Found:
        """Without an embedder, words alone answer, and the reply says so."""
        patience = MOST_OVERTAKEN
        while True:  # a question embedded before a flip is not compared with the vectors after it
            look = await self._look(tenant_id, query)
            if look.is_outdated:
                self._searched[tenant_id] = look.searched
                continue
            is_patient = patience > 0
            found = None if is_patient and look.is_overtaken else await self._found(tenant_id, query, look)
            if found and not (is_patient and found.lacks_passages):
                return found.found
            self._weigher.forget(tenant_id)
            patience -= 1

    async def _look(self, tenant_id: UUID, query: Query) -> Look:
        """By what was known of the tenant when it was searched last."""
        searched, weights = self._known(tenant_id), await self._weigher.latest(tenant_id)
        space_id = searched.space_id or self._embedders.home_id
        space = self._embedders.space(space_id)
        reading = await self._reading(tenant_id, query.text, weights, space, searched.languages)
        meaning = await self._meaning(tenant_id, space_id, query, reading)
        by_document = searched.by_document and meaning.vector is not None
        probe = new_probe(meaning, reading, query.depth, by_document=by_document)
        async with self._database.at_once(tenant_id, reuses_plans=reading.reads_little) as scope:
            fetch = await passages.look(scope, space_id, probe, query.conditions)
        sight = await fetch()
        actual = self._settled(sight.searched or await self._searched_now(tenant_id))
        return Look(
            sight=sight,
            reading=reading,
            meaning=meaning,
            space=space,
            by_document=by_document,
            searched=actual,
            is_outdated=query.mode is not Mode.FULL_TEXT and actual != searched,
            is_overtaken=sight.terms_state not in ("", weights.terms_state),
        )

    async def _found(self, tenant_id: UUID, query: Query, look: Look) -> _Page:
        candidates, reading, meaning = look.sight.candidates, look.reading, look.meaning
        ranking = rank(candidates, meaning.mode, reading.blend, query.min_score, by_document=look.by_document)
        page = ranking.page(query.offset, query.limit)
        read = await self._passages(tenant_id, candidates, page, reuses_plans=reading.reads_little)
        found = Found(
            hits=hits(read, ranking, page),
            mode=meaning.mode,
            language=reading.language,
            degraded_reason=meaning.degraded_reason,
            has_more=len(ranking.order) > query.offset + query.limit,
            space=look.space.of_turned() if look.space and meaning.is_turned else look.space,
            first_documents=ranking.first_documents(),
            read_as="" if reading.text == query.text else reading.text,
            guess=reading.guess,
            guess_is_doubtful=reading.guess_is_doubtful,
        )
        return _Page(found=found, lacks_passages=len(read) < len(page))

    async def _passages(
        self, tenant_id: UUID, candidates: Candidates, page: Mapping[UUID, int], *, reuses_plans: bool
    ) -> list[Passage]:
        """Those of the page that are still there; what was read before is not read again."""
        editions = [
            Edition(tenant_id=tenant_id, chunk_id=chunk_id, writing=candidates.writings[place])
            for chunk_id, place in page.items()
        ]
        known = self._memory.recall(editions)
        if len(known) == len(page):
            return list(known.values())
        async with self._database.at_once(tenant_id, reuses_plans=reuses_plans) as scope:
            fetch = await passages.read(scope, [one for one in page if one not in known])
        read = await fetch()
        self._memory.keep(tenant_id, read)
        return [*known.values(), *read]

    async def _searched_now(self, tenant_id: UUID) -> Searched:
        async with self._database.tenant(tenant_id) as scope:
            return await tenant_spaces.searched(scope)

    def _known(self, tenant_id: UUID) -> Searched:
        return self._searched.get(tenant_id) or self._settled(Searched())

    def _settled(self, searched: Searched) -> Searched:
        """With the space named that a tenant begins in."""
        return replace(searched, space_id=searched.space_id or self._embedders.home_id)

    async def _reading(
        self, tenant_id: UUID, text: str, weights: Weights, space: Space | None, own: tuple[str, ...]
    ) -> Reading:
        dated = written_out(text, languages.language_among(text, own)) if has_short_date(text) else text
        meant = await self._rereader.read(tenant_id, dated, weights, own, self._embedders.home.familiarity)
        if len(text) <= SHORT_CHARACTERS:
            return self._read(meant, weights, space, own)
        return await asyncio.to_thread(self._read, meant, weights, space, own)

    def _read(self, meant: Meant, weights: Weights, space: Space | None, own: Sequence[str]) -> Reading:
        text = meant.text
        language = languages.language_among(text, own)
        script = languages.dominant_script(text)
        spoken = sorted({*weights.languages, language})
        terms = lexical.query_terms(text, spoken, weights.statistics)
        small = weights.statistics.chunk_count <= self._exact_lexical_chunks
        gate = () if small else lexical.rare_stems(terms, weights.statistics).tolist()
        return Reading(
            text=meant.text,
            guess=meant.guess,
            guess_is_doubtful=meant.is_doubtful,
            language=language,
            written_in=weights.languages,
            script=script,
            blend=fusion.blend(
                language,
                script,
                space or self._embedders.home_space,
                stems=terms.whole_stems,
                grams=terms.whole_grams,
            ),
            terms=terms,
            gate=gate,
            reads_little=small,
            # Measured: the arms would choose nearly all of few, in twice the time that scoring them takes.
            reads_all=weights.is_of_few,
        )

    async def _meaning(self, tenant_id: UUID, space_id: int, query: Query, reading: Reading) -> Meaning:
        if query.mode is Mode.FULL_TEXT:
            return Meaning(mode=query.mode)
        embedder = self._embedders.get(space_id)
        if embedder is None:
            log.warning(
                "search_degraded", tenant_id=str(tenant_id), error=f"space {space_id} has no embedder"
            )
            return Meaning(mode=Mode.FULL_TEXT, degraded_reason=MODEL_MISSING)
        if reading.blend.share == 0 and query.mode is Mode.HYBRID:
            return Meaning(mode=query.mode)
        if reading.blend.share == 0:
            reason = f"the embedding model does not read the {reading.script or 'question’s'} script"
            return Meaning(mode=Mode.FULL_TEXT, degraded_reason=reason)
        try:
            vector = await self._questions.vector(tenant_id, space_id, reading.text)
        except (errors.ProviderUnavailable, errors.ProviderRefused) as error:
            log.warning("search_degraded", error=str(error))
            return Meaning(mode=Mode.FULL_TEXT, degraded_reason=MODEL_MISSING)
        return facing(vector, embedder.space, query.mode, reading)


def facing(vector: Vector, space: Space, mode: Mode, reading: Reading) -> Meaning:
    """The question turned to the language of the passages, where its model tells how."""
    turns = space.turns
    turned = turns.turned(vector, reading.language, reading.written_in) if turns else None
    return Meaning(mode=mode, vector=vector if turned is None else turned, is_turned=turned is not None)


def new_probe(meaning: Meaning, reading: Reading, depth: int, *, by_document: bool) -> Probe:
    """Words choose a document's best passage also when its meaning alone was asked for."""
    by_meaning = meaning.mode is Mode.SEMANTIC and not by_document
    return Probe(
        vector=meaning.vector,
        stems=None if by_meaning else reading.terms.stems,
        grams=None if by_meaning else reading.terms.grams,
        gate=reading.gate,
        depth=depth,
        by_document=by_document,
        of_all=reading.reads_all,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranking:
    """`order` are the places of the candidates that count, best first; `scores` stand at their places."""

    candidates: Candidates
    scores: Scores
    order: Sequence[int]

    def page(self, offset: int, limit: int) -> dict[UUID, int]:
        """Places by chunk id, in order."""
        return {self.candidates.chunk_ids[place]: place for place in self.order[offset : offset + limit]}

    def first_documents(self) -> list[UUID]:
        """As many as comparisons look at."""
        return first_documents(self.candidates.document_ids[place] for place in self.order)


def rank(
    candidates: Candidates, mode: Mode, by: Blend, min_score: float, *, by_document: bool = False
) -> Ranking:
    """Equal scores are ordered by chunk id, as the candidates are."""
    raw = candidates.raw
    if mode is Mode.SEMANTIC:
        scores = np.maximum(raw.similarities, 0.0)
        counts = ~np.isnan(raw.similarities)
    else:
        scores = fusion.fuse(raw, fusion.BY_WORDS if mode is Mode.FULL_TEXT else by)
        counts = scores > 0
    order = np.argsort(-scores, kind="stable")
    kept = order[(counts & (scores >= min_score))[order]]
    ranked = kept.tolist()
    if by_document and mode is Mode.SEMANTIC:
        ranked = best_of_documents(candidates, ranked)
    return Ranking(candidates=candidates, scores=scores, order=ranked)


def best_of_documents(candidates: Candidates, ranked: Sequence[int]) -> list[int]:
    """Of each document, whose passages all have one similarity, the one that says most of the words."""
    words = candidates.raw.stems + candidates.raw.grams
    best: dict[UUID, int] = {}
    for place in ranked:
        document_id = candidates.document_ids[place]
        known = best.setdefault(document_id, place)
        if words[place] > words[known]:
            best[document_id] = place
    return list(best.values())


def hits(read: Sequence[Passage], ranking: Ranking, page: Mapping[UUID, int]) -> list[Hit]:
    """The hits in the order of the page."""
    raw = ranking.candidates.raw
    by_chunk = {passage.chunk_id: passage for passage in read}
    found = [(by_chunk[chunk_id], place) for chunk_id, place in page.items() if chunk_id in by_chunk]
    return [
        Hit(
            passage=passage,
            score=float(ranking.scores[place]),
            similarity=None if np.isnan(raw.similarities[place]) else float(raw.similarities[place]),
            stem_score=float(raw.stems[place]),
        )
        for passage, place in found
    ]
