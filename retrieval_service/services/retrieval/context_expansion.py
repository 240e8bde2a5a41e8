"""Expands hits to their sections, so that answers see whole instructions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from retrieval_service.domain.retrieval.sections import Piece, Section, are_copies, widened
from retrieval_service.services.retrieval.passage_cache import Edition, SurroundingsMemory
from retrieval_service.services.retrieval.search import Hit
from retrieval_service.stores.database import Database
from retrieval_service.stores.retrieval import passages
from retrieval_service.stores.retrieval.passages import Passage, ReadPassage

# Of each hit so many passages before and behind it are looked at: no section of a usual budget is longer.
REACH = 16


@dataclass(frozen=True, kw_only=True)
class Widened:
    """A hit and the passage that it became: with the text around it, at the same chunk and document.

    `chunk_ids` are those of all hits that it stands for.
    """

    hit: Hit
    passage: Passage
    chunk_ids: frozenset[UUID]

    @property
    def widened(self) -> Hit:
        return replace(self.hit, passage=self.passage)


def as_found(hits: Sequence[Hit]) -> list[Widened]:
    """The hits without expansion."""
    return [
        Widened(hit=hit, passage=hit.passage, chunk_ids=frozenset({hit.passage.chunk_id})) for hit in hits
    ]


class Widener:
    """`characters`: what all sections of an answer may have together."""

    def __init__(self, database: Database, *, characters: int) -> None:
        self._database = database
        self._characters = characters
        self._memory = SurroundingsMemory(reach=REACH)

    async def widen(self, tenant_id: UUID, hits: Sequence[Hit]) -> list[Widened]:
        """Best first, of one document as they stand there; hits of one section become one, copies are left out.

        What is stored elsewhere, or went meanwhile, stays as it was found.
        """
        if not hits:
            return []
        ids = [hit.passage.chunk_id for hit in hits]
        pieces = await self._pieces(tenant_id, [hit.passage for hit in hits])
        return without_copies(of_sections(hits, widened(ids, pieces, self._characters)))

    async def _pieces(self, tenant_id: UUID, found: Sequence[Passage]) -> list[Piece]:
        """Nothing stands around the only one of its document."""
        alone = [piece_of(passage) for passage in found if passage.is_whole]
        parts = [passage for passage in found if not passage.is_whole]
        return [*alone, *await self._around(tenant_id, parts)] if parts else alone

    async def _around(self, tenant_id: UUID, found: Sequence[Passage]) -> Sequence[Piece]:
        """In order; read anew for all of them, unless all are known: pieces of two editions do not fit."""
        editions = [
            Edition(tenant_id=tenant_id, chunk_id=passage.chunk_id, writing=passage.writing)
            for passage in found
            if isinstance(passage, ReadPassage)
        ]
        known = self._memory.recall(editions)
        if len(known) == len(found):
            pieces = {piece.chunk_id: piece for several in known.values() for piece in several}
            return sorted(pieces.values(), key=lambda piece: piece.chunk_index)
        async with self._database.at_once(tenant_id) as scope:
            fetch = await passages.around(scope, [one.chunk_id for one in found], reach=REACH)
        read = await fetch()
        self._memory.keep(editions, read)
        return read


def piece_of(passage: Passage) -> Piece:
    """Of a document that has no other."""
    return Piece(
        chunk_id=passage.chunk_id,
        document_id=passage.document_id,
        chunk_index=0,
        heading=passage.heading,
        start=passage.start_offset,
        end=passage.end_offset,
        text=passage.text,
    )


def of_sections(hits: Sequence[Hit], sections: Sequence[Section]) -> list[Widened]:
    by_chunk = {hit.passage.chunk_id: hit for hit in hits}
    found = {chunk_id for section in sections for chunk_id in section.chunk_ids}
    alone = [hit for chunk_id, hit in by_chunk.items() if chunk_id not in found]
    return [*(of_section(by_chunk[one.chunk_ids[0]], one) for one in sections), *as_found(alone)]


def of_section(hit: Hit, section: Section) -> Widened:
    passage = replace(hit.passage, text=section.text, start_offset=section.start, end_offset=section.end)
    return Widened(hit=hit, passage=passage, chunk_ids=frozenset(section.chunk_ids))


def without_copies(ranked: Sequence[Widened]) -> list[Widened]:
    """Each stands for its copies too."""
    kept: list[Widened] = []
    for one in ranked:
        same = [place for place, other in enumerate(kept) if are_copies(one.passage, other.passage)]
        if same:
            known = kept[same[0]]
            kept[same[0]] = replace(known, chunk_ids=known.chunk_ids | one.chunk_ids)
        else:
            kept.append(one)
    return kept
