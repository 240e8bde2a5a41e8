"""Passages that are remembered while nobody writes to their rows."""

from __future__ import annotations

from uuid import UUID

from retrieval_service.services.retrieval.passage_cache import (
    MOST_CHARACTERS,
    Edition,
    PassageMemory,
    SurroundingsMemory,
)
from retrieval_service.stores.retrieval.passages import ReadPassage, ReadPiece

TENANT, OTHER = UUID(int=1), UUID(int=2)


def edition(chunk: int, writing: str = "1 1", tenant_id: UUID = TENANT) -> Edition:
    return Edition(tenant_id=tenant_id, chunk_id=UUID(int=chunk), writing=writing)


def passage(chunk: int, text: str = "Tea.") -> ReadPassage:
    return ReadPassage(
        chunk_id=UUID(int=chunk),
        document_id=UUID(int=9),
        source_type="faq",
        external_id="tea",
        title="",
        heading="",
        section="",
        tags=[],
        url="",
        text=text,
        start_offset=0,
        end_offset=len(text),
        language="en",
        metadata={},
        writing="1 1",
    )


def test_passage_is_known_until_somebody_writes_to_it() -> None:
    memory = PassageMemory()
    memory.keep(TENANT, [passage(1)])
    assert memory.recall([edition(1)]) == {UUID(int=1): passage(1)}
    assert memory.recall([edition(1, "1 2"), edition(2)]) == {}


def test_passage_of_one_tenant_is_unknown_to_another() -> None:
    memory = PassageMemory()
    memory.keep(TENANT, [passage(1)])
    assert memory.recall([edition(1, tenant_id=OTHER)]) == {}


def test_least_recently_found_is_forgotten_first() -> None:
    memory = PassageMemory(limit=2)
    memory.keep(TENANT, [passage(1), passage(2)])
    memory.recall([edition(1)])
    memory.keep(TENANT, [passage(3)])
    assert set(memory.recall([edition(1), edition(2), edition(3)])) == {UUID(int=1), UUID(int=3)}


def test_what_is_very_long_is_not_kept() -> None:
    memory = PassageMemory()
    memory.keep(TENANT, [passage(2, "x" * (MOST_CHARACTERS + 1))])
    assert memory.recall([edition(1), edition(2)]) == {}


def piece(index: int, writing: str = "1 1", text: str = "Tea.") -> ReadPiece:
    return ReadPiece(
        chunk_id=UUID(int=index),
        document_id=UUID(int=9),
        chunk_index=index,
        heading="",
        start=index,
        end=index + 1,
        text=text,
        writing=writing,
    )


def test_of_a_chunk_what_stands_around_it_is_remembered_and_no_more() -> None:
    memory = SurroundingsMemory(reach=1)
    memory.keep([edition(2), edition(3)], [piece(1), piece(2), piece(3), piece(4)])
    assert memory.recall([edition(2)]) == {UUID(int=2): [piece(1), piece(2), piece(3)]}
    assert memory.recall([edition(2, "1 2"), edition(2, tenant_id=OTHER), edition(4)]) == {}


def test_what_stands_around_a_chunk_that_somebody_has_written_to_is_not_remembered() -> None:
    memory = SurroundingsMemory(reach=1)
    memory.keep([edition(1), edition(2)], [piece(1, "2 2"), piece(3)])
    assert memory.recall([edition(1), edition(1, "2 2"), edition(2)]) == {}


def test_long_surroundings_are_not_remembered() -> None:
    memory = SurroundingsMemory(reach=1)
    memory.keep([edition(1)], [piece(1), piece(2, text="x" * MOST_CHARACTERS)])
    assert memory.recall([edition(1)]) == {}
