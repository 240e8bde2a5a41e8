"""Caches passages and their surroundings until their rows change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from cachetools import LRUCache

from retrieval_service.domain.retrieval.sections import Piece
from retrieval_service.stores.retrieval.passages import Passage, ReadPassage, ReadPiece

REMEMBERED_PASSAGES = 2_000
REMEMBERED_SURROUNDINGS = 500
# Hardly any is longer; all of them together stay some megabytes.
MOST_CHARACTERS = 20_000

What = TypeVar("What")


@dataclass(frozen=True, kw_only=True)
class Edition:
    """A chunk with its document as somebody wrote them; `writing` changes when either is written to.

    So it does when the document gets other chunks: who writes them marks the document.
    """

    tenant_id: UUID
    chunk_id: UUID
    writing: str


class _Memory(Generic[What]):
    """Forgets the least recently found first."""

    def __init__(self, limit: int) -> None:
        self._remembered: LRUCache[Edition, What] = LRUCache(limit)

    def recall(self, editions: Iterable[Edition]) -> dict[UUID, What]:
        """The cached ones, by chunk."""
        known = ((edition.chunk_id, self._remembered.get(edition)) for edition in editions)
        return {chunk_id: one for chunk_id, one in known if one is not None}

    def keep_as(self, edition: Edition, one: What) -> None:
        self._remembered[edition] = one


class PassageMemory(_Memory[Passage]):
    """Caches passages, except for very long ones."""

    def __init__(self, *, limit: int = REMEMBERED_PASSAGES) -> None:
        super().__init__(limit)

    def keep(self, tenant_id: UUID, read: Sequence[ReadPassage]) -> None:
        for one in read:
            if len(one.text) <= MOST_CHARACTERS:
                self.keep_as(Edition(tenant_id=tenant_id, chunk_id=one.chunk_id, writing=one.writing), one)


class SurroundingsMemory(_Memory[Sequence[Piece]]):
    """Of a chunk it has the pieces of its document that are no further than `reach` from it."""

    def __init__(self, *, reach: int, limit: int = REMEMBERED_SURROUNDINGS) -> None:
        super().__init__(limit)
        self._reach = reach

    def keep(self, editions: Iterable[Edition], read: Sequence[ReadPiece]) -> None:
        """Unless the document was written to after its passage was found."""
        by_id = {piece.chunk_id: piece for piece in read}
        for edition in editions:
            found = by_id.get(edition.chunk_id)
            if found is None or found.writing != edition.writing:
                continue
            around = [one for one in read if self._is_near(one, found)]
            if sum(len(one.text) for one in around) <= MOST_CHARACTERS:
                self.keep_as(edition, around)

    def _is_near(self, one: Piece, found: Piece) -> bool:
        return (
            one.document_id == found.document_id and abs(one.chunk_index - found.chunk_index) <= self._reach
        )
