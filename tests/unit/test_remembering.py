"""Passages that are remembered while nobody writes to their rows."""

from __future__ import annotations

from uuid import UUID

from retrieval_service.services.remembering import MOST_CHARACTERS, Edition, PassageMemory
from retrieval_service.stores.passages import ReadPassage

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
