"""Remembers passages that were read, for as long as nobody has written to their rows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from retrieval_service.stores.passages import Passage, ReadPassage

REMEMBERED_PASSAGES = 2_000
# Hardly any is longer; all of them together stay some megabytes.
MOST_CHARACTERS = 20_000


@dataclass(frozen=True, kw_only=True)
class Edition:
    """A chunk with its document as somebody wrote them; `writing` changes when either is written to."""

    tenant_id: UUID
    chunk_id: UUID
    writing: str


class PassageMemory:
    """The least recently found is forgotten first, and very long ones are not kept."""

    def __init__(self, *, limit: int = REMEMBERED_PASSAGES) -> None:
        self._limit = limit
        self._remembered: OrderedDict[Edition, Passage] = OrderedDict()

    def recall(self, editions: Iterable[Edition]) -> dict[UUID, Passage]:
        """Those that are known, by chunk."""
        known = {one.chunk_id: one for one in editions if one in self._remembered}
        for edition in known.values():
            self._remembered.move_to_end(edition)
        return {chunk_id: self._remembered[edition] for chunk_id, edition in known.items()}

    def keep(self, tenant_id: UUID, read: Sequence[ReadPassage]) -> None:
        for one in read:
            if len(one.text) <= MOST_CHARACTERS:
                edition = Edition(tenant_id=tenant_id, chunk_id=one.chunk_id, writing=one.writing)
                self._remembered[edition] = one
        while len(self._remembered) > self._limit:
            self._remembered.popitem(last=False)
