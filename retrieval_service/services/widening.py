"""Widens what was found to its sections, so that an answer is made from whole instructions and not from their ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from retrieval_service.domain.sections import Section, are_copies, widened
from retrieval_service.services.searching import Hit
from retrieval_service.stores import passages
from retrieval_service.stores.database import Database
from retrieval_service.stores.passages import Passage

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
    """For those who take the passages as they are."""
    return [
        Widened(hit=hit, passage=hit.passage, chunk_ids=frozenset({hit.passage.chunk_id})) for hit in hits
    ]


class Widener:
    """`characters`: what all sections of an answer may have together."""

    def __init__(self, database: Database, *, characters: int) -> None:
        self._database = database
        self._characters = characters

    async def widen(self, tenant_id: UUID, hits: Sequence[Hit]) -> list[Widened]:
        """Best first, of one document as they stand there; hits of one section become one, copies are left out.

        What is stored elsewhere, or went meanwhile, stays as it was found.
        """
        if not hits:
            return []
        ids = [hit.passage.chunk_id for hit in hits]
        async with self._database.at_once(tenant_id) as scope:
            fetch = await passages.around(scope, ids, reach=REACH)
        return without_copies(of_sections(hits, widened(ids, await fetch(), self._characters)))


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
