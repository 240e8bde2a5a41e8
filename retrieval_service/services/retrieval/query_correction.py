"""Reads questions as they were meant, by the words of the tenant's own documents."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import structlog
from cachetools import LRUCache

from retrieval_service import errors
from retrieval_service.domain.indexing.lexical import TermStatistics, stem_index
from retrieval_service.domain.retrieval import query_readings
from retrieval_service.domain.retrieval.query_readings import Familiar, Reading
from retrieval_service.domain.retrieval.vocabulary import Vocabulary, counted, vocabulary
from retrieval_service.services.retrieval.term_statistics import SAMPLE_CHUNKS, Weights
from retrieval_service.stores.database import Database
from retrieval_service.stores.retrieval import passages

log = structlog.get_logger("kladez.rereading")

# A question waits so long for the words of a large tenant, and is read as it stands afterwards.
PATIENCE_SECONDS = 1.0
# Of all tenants together: about a hundred bytes each.
MOST_REMEMBERED_WORDS = 400_000
# What is written meanwhile is found all the same, and only mistypes of its new words are not mended.
SECONDS_OF_A_CHUNK = 0.2


@dataclass(frozen=True, kw_only=True)
class _Remembered:
    vocabulary: Vocabulary
    languages: Sequence[str]
    terms_state: str
    until: float


class Rereader:
    """Vocabularies are made when a question has a word that no document knows; they hold 0.2 s for each chunk.

    One is made beside the questions, once for all that wait for it.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._remembered: LRUCache[UUID, _Remembered] = LRUCache(MOST_REMEMBERED_WORDS, getsizeof=_size)
        self._making: dict[UUID, asyncio.Task[None]] = {}

    async def read(
        self, tenant_id: UUID, text: str, weights: Weights, own: Sequence[str], familiar: Familiar
    ) -> Reading:
        """The question with mistyped words mended; `own` are the tenant's languages.

        `familiar` tells words of the languages at large from typing mistakes. A tenant may list languages that none of
        its passages is in: questions in these are respelled as little as any in another language.
        """
        languages = tuple(sorted({*weights.languages, *own}))
        unknown = query_readings.unknown_words(
            text, languages, lambda said: known_words(said, languages, weights.statistics)
        )
        if unknown and not weights.is_of_few:
            unknown = await self._unknown_now(tenant_id, unknown, languages)
        if not unknown and not query_readings.has_spoken_measure(text):
            return Reading(text=text)
        known = await self._vocabulary(tenant_id, weights, languages)
        if known is None:
            return Reading(text=text)
        return await asyncio.to_thread(
            query_readings.read, text, unknown, known, familiar, languages=weights.languages or languages
        )

    async def _unknown_now(
        self, tenant_id: UUID, words: Sequence[str], languages: Sequence[str]
    ) -> list[str]:
        """Weights are of a sample, and may be some seconds old."""
        stems = {word: stems_of(word, languages) for word in words}
        async with self._database.tenant(tenant_id) as scope:
            known = await passages.known_stems(scope, sorted(set[int]().union(*stems.values())))
        return [word for word in words if known.isdisjoint(stems[word])]

    async def _vocabulary(
        self, tenant_id: UUID, weights: Weights, languages: Sequence[str]
    ) -> Vocabulary | None:
        """The last one, or None, where a new one is not ready in time."""
        known = self._remembered.get(tenant_id)
        if known is None or not self._holds(known, weights, languages):
            making = self._making.get(tenant_id)
            if making is None:
                making = asyncio.create_task(self._make(tenant_id, weights, languages))
                self._making[tenant_id] = making
            await asyncio.wait([making], timeout=None if weights.is_of_few else PATIENCE_SECONDS)
            if making.done():
                making.result()
            known = self._remembered.get(tenant_id)
        if known is None:
            return None
        return known.vocabulary

    async def _make(self, tenant_id: UUID, weights: Weights, languages: Sequence[str]) -> None:
        try:
            self._remembered[tenant_id] = await self._made(tenant_id, weights, languages)
        except errors.Unavailable as error:  # the questions are answered as they stand
            log.warning("vocabulary_not_made", tenant_id=str(tenant_id), error=str(error))
        finally:
            del self._making[tenant_id]

    def _holds(self, known: _Remembered, weights: Weights, languages: Sequence[str]) -> bool:
        if known.languages != languages:
            return False
        return known.terms_state == weights.terms_state or known.until > self._clock()

    async def _made(self, tenant_id: UUID, weights: Weights, languages: Sequence[str]) -> _Remembered:
        found = Counter[str]()
        async with self._database.tenant(tenant_id) as scope:
            async for texts in passages.sample_texts(scope, limit=SAMPLE_CHUNKS):
                found += await asyncio.to_thread(counted, texts)
        chunk_count = weights.statistics.chunk_count
        return _Remembered(
            vocabulary=await asyncio.to_thread(vocabulary, found, languages),
            languages=languages,
            terms_state=weights.terms_state,
            until=0.0 if weights.is_of_few else self._clock() + SECONDS_OF_A_CHUNK * chunk_count,
        )


def _size(one: _Remembered) -> int:
    """In words; the largest is kept too, alone."""
    return min(len(one.vocabulary.counts), MOST_REMEMBERED_WORDS)


def known_words(words: Iterable[str], languages: Sequence[str], statistics: TermStatistics) -> set[str]:
    """Those that a passage of the sample has in any form."""
    stems = {word: stems_of(word, languages) for word in words}
    asked = np.fromiter(set[int]().union(*stems.values()), np.int32)
    found = set(asked[statistics.stems.of(asked) > 0].tolist())
    return {word for word, its_stems in stems.items() if not found.isdisjoint(its_stems)}


def stems_of(word: str, languages: Sequence[str]) -> set[int]:
    """The term ids that the word may have in a passage."""
    return {stem_index(word, language) for language in (*languages, "")}
