"""Answers questions that compare, rank or count a stored number, with a list in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from uuid import UUID

import structlog

from retrieval_service.domain.indexing.lexical import stem_index
from retrieval_service.domain.numeric_lists.fields import NumericField, field_of
from retrieval_service.domain.numeric_lists.listings import Listing, listing_of, may_be_listed
from retrieval_service.domain.numeric_lists.wishes import Aim, Wish, wish_of
from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.domain.retrieval.subjects import Kind, Thing, is_named, kind_of
from retrieval_service.domain.verdicts import Verdict
from retrieval_service.services.answering.question_splitting import Gathered
from retrieval_service.services.retrieval.retriever import Retriever
from retrieval_service.services.retrieval.search import Hit, Query
from retrieval_service.services.retrieval.term_statistics import Weigher
from retrieval_service.services.tenant_locks import TenantLocks
from retrieval_service.stores.database import Database
from retrieval_service.stores.documents import numeric_fields
from retrieval_service.stores.documents.numeric_fields import NumberedRow
from retrieval_service.stores.retrieval import passages
from retrieval_service.text import exact_json
from retrieval_service.text.comparison_words import PRICE
from retrieval_service.text.function_words import content_words
from retrieval_service.text.words import words

# The most documents that are compared. Beyond them a list could miss the cheapest. This many take a quarter of a
# second.
MOST_DOCUMENTS = 5_000
# The most comparisons at a time. Each takes a connection and a processor, which other questions need too.
COMPARED_AT_ONCE = 2
# The longest wait for the lists of others. After it the question is answered without a list.
PATIENCE_SECONDS = 2.0
# A title that has so much in common with the question, and no number of its own, is a written answer to it.
SAME_QUESTION = 0.8
LANGUAGES = ("ru", "en", "pt")

log = structlog.get_logger(__name__)


class Busy(Exception):
    """The lists of others took all the time."""


class Turns:
    """Allows one list of a tenant at a time, and few in all; waiting holds no resource."""

    def __init__(self, at_once: int = COMPARED_AT_ONCE, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._patience_seconds = patience_seconds
        self._locks = TenantLocks()

    @asynccontextmanager
    async def turn(self, tenant_id: UUID) -> AsyncIterator[None]:
        """Raises `Busy` when the turn does not come in time."""
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(self._patience_seconds):
                    await held.enter_async_context(self._locks.of(tenant_id))
                    await held.enter_async_context(self._slots)
            except TimeoutError as error:
                raise Busy from error
            yield


class Lister:
    """Comes after the search: what it found tells whether the question is about things that have the number."""

    def __init__(self, database: Database, retriever: Retriever, weigher: Weigher) -> None:
        self._database = database
        self._retriever = retriever
        self._weigher = weigher
        self._turns = Turns()

    async def listed(
        self, tenant_id: UUID, typed: str, conditions: Conditions, gathered: Gathered
    ) -> Gathered:
        """The things that fulfil the wish, in place of what was found; that where there is none, or one of several.

        Words of comparing are no mistakes: where the question as it was read has lost its wish, it is as it was typed.
        """
        read = gathered.found.read_as or typed
        text, wish = read, wish_of(read)
        if wish is None and typed != read:
            text, wish = typed, wish_of(typed)
        if wish is None or gathered.askings or _is_answered(text, gathered.sifted.hits):
            return gathered
        try:
            listing = await self._listing(tenant_id, wish, conditions, gathered.sifted.hits)
        except Busy:
            log.info("list_left_out", tenant_id=str(tenant_id))
            return gathered
        if listing is None:
            return gathered
        hits = await self._hits(tenant_id, listing)
        if len(hits) < len(listing.entries):  # one was deleted meanwhile
            return gathered
        found = replace(gathered.found, hits=hits)
        sifted = replace(gathered.sifted, hits=hits, verdict=Verdict.ANSWERS)
        return replace(gathered, found=found, sifted=sifted, listing=listing)

    async def _listing(
        self, tenant_id: UUID, wish: Wish, conditions: Conditions, hits: Sequence[Hit]
    ) -> Listing | None:
        stems, is_filtered = await self._stems(tenant_id, wish), not conditions.unlimited
        listing = await self._compared(
            tenant_id,
            conditions,
            lambda things: _listing(wish, things, hits, is_filtered=is_filtered),
            stems=stems,
        )
        if listing or wish.aim in (Aim.COUNT, Aim.LIST) or not wish.subject:
            return listing
        if not (section := await self._section(tenant_id, wish, conditions, hits)):
            return None
        return await self._compared(
            tenant_id, conditions, lambda things: _of_all(wish, things), sections=[section]
        )

    async def _stems(self, tenant_id: UUID, wish: Wish) -> list[int]:
        weights = await self._weigher.latest(tenant_id)
        languages = {*LANGUAGES, *weights.languages}
        return sorted({stem_index(word, language) for word in wish.subject for language in languages})

    async def _compared(
        self,
        tenant_id: UUID,
        conditions: Conditions,
        choose: Callable[[Sequence[Thing]], Listing | None],
        *,
        stems: Sequence[int] = (),
        sections: Sequence[str] = (),
    ) -> Listing | None:
        """Nothing where there are too many to compare; raises `Busy`."""
        async with self._turns.turn(tenant_id):
            async with self._database.tenant(tenant_id) as scope:
                rows = await numeric_fields.find(
                    scope, conditions, stems=stems, sections=sections, limit=MOST_DOCUMENTS + 1
                )
            if not rows or len(rows) > MOST_DOCUMENTS:
                return None
            return await asyncio.to_thread(lambda: choose([_thing(row) for row in rows]))

    async def _section(self, tenant_id: UUID, wish: Wish, conditions: Conditions, hits: Sequence[Hit]) -> str:
        """By meaning, when the question itself found such things: that which most of them lie in; or ""."""
        text = " ".join(wish.subject)
        found = await self._retriever.search(tenant_id, Query(text=text, conditions=conditions, limit=10))
        sifted = await self._retriever.relevant(tenant_id, found, text)
        if sifted.verdict is not Verdict.ANSWERS:
            return ""
        sections = [hit.passage.section for hit in sifted.hits]
        section = max(sections, key=sections.count, default="")
        if 2 * sections.count(section) <= len(sections) or (hits and hits[0].passage.section != section):
            return ""
        return section

    async def _hits(self, tenant_id: UUID, listing: Listing) -> list[Hit]:
        ids = [entry.thing.chunk_id for entry in listing.entries]
        async with self._database.tenant(tenant_id) as scope:
            fetch = await passages.read(scope, ids)
            read = await fetch()
        return [Hit(passage=one, score=1.0, similarity=None, stem_score=0.0) for one in read]


def _listing(
    wish: Wish, things: Sequence[Thing], hits: Sequence[Hit], *, is_filtered: bool
) -> Listing | None:
    """What is only described so, or called by some of the words, must be what the search found first."""
    named = _field(wish, things)
    if named is None:
        return None
    field, wish = named
    kind = kind_of(wish.subject, [one for one in things if may_be_listed(wish, field, one)])
    # One thing is compared with nothing: "plants below 10" may mean others than the one that is called a plant, and
    # who asks how many of one thing counts something in it.
    is_meant = kind.is_sure or (wish.aim not in (Aim.COUNT, Aim.LIST) and _is_found(kind, hits))
    is_lone = len(kind.things) == 1 and (wish.aim in (Aim.COUNT, Aim.LIST) or not is_filtered)
    if not is_meant or is_lone:
        return None
    return listing_of(wish, field, kind.things)


def _field(wish: Wish, things: Sequence[Thing]) -> tuple[NumericField, Wish] | None:
    """What is listed by its price, or by its stock, need not have the price in figures."""
    named = field_of(wish, {key for thing in things for key in thing.numbers})
    is_listed = wish.measure == PRICE and wish.within is None and wish.aim in (Aim.LIST, Aim.COUNT)
    return named or ((NumericField(name=PRICE, factors={}), wish) if is_listed else None)


def _of_all(wish: Wish, things: Sequence[Thing]) -> Listing | None:
    """None where a thing is called by one of the words: the others then say which of them is meant."""
    named = _field(wish, things)
    if named is None or any(is_named(one, named[1].subject) for one in things):
        return None
    return listing_of(named[1], named[0], things)


def _is_found(kind: Kind, hits: Sequence[Hit]) -> bool:
    return bool(hits) and hits[0].passage.document_id in {one.document_id for one in kind.things}


def _is_answered(text: str, hits: Sequence[Hit]) -> bool:
    """Whether a document that states no number is called as the question is: somebody has answered it in words."""
    if not hits or any(isinstance(one, int | float) for one in hits[0].passage.metadata.values()):
        return False
    passage = hits[0].passage
    asked, title = (
        {stem_index(word, passage.language) for word in content_words(words(one), (passage.language,))}
        for one in (text, passage.title)
    )
    return len(asked & title) >= SAME_QUESTION * max(len(asked | title), 1)


def _thing(row: NumberedRow) -> Thing:
    return Thing(
        document_id=row.document_id,
        chunk_id=row.chunk_id,
        title=row.title,
        section=row.section,
        tags=tuple(row.tags),
        language=row.language,
        figures=exact_json.loads_stored(row.figures),
        mentions=frozenset(row.mentions),
    )
