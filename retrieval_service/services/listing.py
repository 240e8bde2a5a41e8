"""Answers what compares, ranks or counts a stored number: the things of the kind that is asked for, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from retrieval_service.domain.conditions import Conditions
from retrieval_service.domain.function_words import content_words
from retrieval_service.domain.lexical import stem_index
from retrieval_service.domain.listings import Listing, listing_of
from retrieval_service.domain.numeric_fields import field_of
from retrieval_service.domain.numeric_wishes import Aim, Wish, wish_of
from retrieval_service.domain.subjects import Kind, Thing, kind_of
from retrieval_service.domain.verdicts import Verdict
from retrieval_service.domain.words import words
from retrieval_service.services.dividing import Gathered
from retrieval_service.services.retrieving import Retriever
from retrieval_service.services.searching import Hit, Query
from retrieval_service.services.weighing import Weigher
from retrieval_service.stores import numbered, passages
from retrieval_service.stores.database import Database
from retrieval_service.stores.numbered import NumberedRow

# Of more documents none is compared: what is left out might be the cheapest.
MOST_DOCUMENTS = 20_000
# A title that has so much in common with the question, and no number of its own, is a written answer to it.
SAME_QUESTION = 0.8
LANGUAGES = ("ru", "en", "pt")


class Lister:
    """Comes after the search: what it found tells whether the question is about things that have the number."""

    def __init__(self, database: Database, retriever: Retriever, weigher: Weigher) -> None:
        self._database = database
        self._retriever = retriever
        self._weigher = weigher

    async def listed(
        self, tenant_id: UUID, typed: str, conditions: Conditions, gathered: Gathered
    ) -> Gathered:
        """The things that fulfil the wish, in place of what was found; that where there is none, or one of several.

        Words of comparing are no mistakes: where the question as it was read has lost its wish, it is as it was typed.
        """
        read = gathered.found.read_as or typed
        text = read if wish_of(read) else typed
        wish = wish_of(text)
        if wish is None or gathered.askings or _is_answered(text, gathered.sifted.hits):
            return gathered
        listing = await self._listing(tenant_id, wish, conditions, gathered.sifted.hits)
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
        things = await self._things(tenant_id, conditions, stems=await self._stems(tenant_id, wish))
        if things and (listing := await asyncio.to_thread(_listing, wish, things, hits)):
            return listing
        if wish.aim in (Aim.COUNT, Aim.LIST) or not wish.subject:
            return None
        things = await self._alike(tenant_id, wish, conditions, hits)
        return await asyncio.to_thread(_of_all, wish, things) if things else None

    async def _stems(self, tenant_id: UUID, wish: Wish) -> list[int]:
        weights = await self._weigher.latest(tenant_id)
        languages = {*LANGUAGES, *weights.languages}
        return sorted({stem_index(word, language) for word in wish.subject for language in languages})

    async def _things(
        self,
        tenant_id: UUID,
        conditions: Conditions,
        *,
        stems: Sequence[int] = (),
        sections: Sequence[str] = (),
    ) -> list[Thing]:
        """None at all where there are too many to compare."""
        async with self._database.tenant(tenant_id) as scope:
            rows = await numbered.find(
                scope, conditions, stems=stems, sections=sections, limit=MOST_DOCUMENTS + 1
            )
        return [] if len(rows) > MOST_DOCUMENTS else await asyncio.to_thread(_things, rows)

    async def _alike(
        self, tenant_id: UUID, wish: Wish, conditions: Conditions, hits: Sequence[Hit]
    ) -> list[Thing]:
        """By meaning, when the question itself found such things: the section that most of them lie in."""
        text = " ".join(wish.subject)
        found = await self._retriever.search(tenant_id, Query(text=text, conditions=conditions, limit=10))
        sifted = await self._retriever.relevant(tenant_id, found, text)
        if sifted.verdict is not Verdict.ANSWERS:
            return []
        sections = [hit.passage.section for hit in sifted.hits]
        section = max(sections, key=sections.count, default="")
        if not section or 2 * sections.count(section) <= len(sections):
            return []
        if hits and hits[0].passage.section != section:
            return []
        return await self._things(tenant_id, conditions, sections=[section])

    async def _hits(self, tenant_id: UUID, listing: Listing) -> list[Hit]:
        ids = [entry.thing.chunk_id for entry in listing.entries]
        async with self._database.tenant(tenant_id) as scope:
            fetch = await passages.read(scope, ids)
            read = await fetch()
        return [Hit(passage=one, score=1.0, similarity=None, stem_score=0.0) for one in read]


def _listing(wish: Wish, things: Sequence[Thing], hits: Sequence[Hit]) -> Listing | None:
    """What is only described so, or called by some of the words, must be what the search found first."""
    named = field_of(wish, {key for thing in things for key in thing.numbers})
    if named is None:
        return None
    field, wish = named
    kind = kind_of(wish.subject, [one for one in things if field.value(one.numbers)])
    if wish.aim in (Aim.COUNT, Aim.LIST):
        is_meant = kind.is_sure and len(kind.things) > 1  # who asks for one thing counts something in it
    else:
        is_meant = kind.is_sure or _is_found(kind, hits)
    if not is_meant:
        return None
    return listing_of(wish, field, kind.things)


def _of_all(wish: Wish, things: Sequence[Thing]) -> Listing | None:
    named = field_of(wish, {key for thing in things for key in thing.numbers})
    return listing_of(named[1], named[0], things) if named else None


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


def _things(rows: Sequence[NumberedRow]) -> list[Thing]:
    return [_thing(row) for row in rows]


def _thing(row: NumberedRow) -> Thing:
    return Thing(
        document_id=row.document_id,
        chunk_id=row.chunk_id,
        title=row.title,
        section=row.section,
        tags=tuple(row.tags),
        language=row.language,
        figures=row.figures,
        mentions=frozenset(row.mentions),
    )
