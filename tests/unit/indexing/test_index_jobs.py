"""How many documents an index job may hand out, and what one came to."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from semantic_text_splitter import TextSplitter

from retrieval_service.domain.indexing.chunking import OPENAI_POLICY
from retrieval_service.domain.indexing.index_jobs import (
    IDS_PER_READING,
    ChangedRows,
    Outcome,
    estimated_tokens,
    readings,
    room,
)
from retrieval_service.domain.indexing.spaces import Space
from retrieval_service.services.indexing.plans import Target, nothing_left, plan
from retrieval_service.stores.index.chunks import Source, StoredChunk

SPACE = Space(provider="test", model="test", revision="1", dimensions=8, max_tokens=100)
TEA = Source(
    id=UUID(int=1),
    version=1,
    title="Tea",
    content="Green tea is brewed at 80 degrees.",
    content_type="text/plain",
    language="en",
    is_deleted=False,
)


@given(ids=st.lists(st.integers(0, 2_000).map(str), max_size=2_000))
def test_every_changed_row_is_read_once_and_never_too_many_at_a_time(ids: list[str]) -> None:
    parts = list(readings([ChangedRows(source="orders", ids=tuple(ids))]))
    assert [one for part in parts for one in part.ids] == list(dict.fromkeys(ids))
    assert all(len(part.ids) <= IDS_PER_READING and part.source == "orders" for part in parts)


def test_source_without_ids_is_one_reading() -> None:
    orders = ChangedRows(source="orders", ids=())
    assert list(readings([orders])) == [orders]


@given(waiting=st.integers(0, 500), batch=st.integers(1, 64), concurrency=st.integers(1, 8))
def test_only_whole_batches_are_handed_out_and_never_too_many(
    waiting: int, batch: int, concurrency: int
) -> None:
    handed_out = room(waiting, batch=batch, concurrency=concurrency)
    assert handed_out % batch == 0
    assert handed_out == 0 or waiting + handed_out <= batch * concurrency
    assert waiting + handed_out > batch * (concurrency - 1)


@pytest.mark.parametrize(
    "text",
    [
        "Standard delivery takes three working days and is free above fifty euros.",
        "Доставка занимает три рабочих дня и бесплатна при заказе от пяти тысяч рублей.",
        "A entrega padrão leva três dias úteis e é grátis acima de cinquenta euros.",
    ],
)
def test_estimate_is_of_the_right_size_in_every_language(text: str) -> None:
    assert counted_tokens(text) / 2 <= estimated_tokens(text) <= counted_tokens(text) * 2


def counted_tokens(text: str) -> int:
    """By the tokenizer of OpenAI's embedding models: the smallest passage that holds the text."""
    return next(
        size
        for size in range(1, 100)
        if TextSplitter.from_tiktoken_model("text-embedding-3-small", size).chunks(text) == [text]
    )


TARGET = Target(space_id=1, space=SPACE)


def stored() -> list[StoredChunk]:
    """The index of the document as it is."""
    [chunk] = plan(TEA, [], OPENAI_POLICY, [TARGET]).change.added
    return [StoredChunk(id=chunk.id, chunk_index=0, chunk_hash=chunk.chunk_hash, text=chunk.text)]


def test_new_document_is_indexed_and_saves_nothing() -> None:
    made = plan(TEA, [], OPENAI_POLICY, [TARGET])
    assert (made.outcome, made.saved_tokens) == (Outcome.INDEXED, 0)


def test_document_that_is_right_already_is_skipped_and_saves_its_tokens() -> None:
    chunks = stored()
    made = plan(TEA, chunks, OPENAI_POLICY, [replace(TARGET, held={chunk.id for chunk in chunks})])
    assert made.outcome == Outcome.SKIPPED
    assert made.saved_tokens >= estimated_tokens(TEA.content)


def test_document_without_its_vectors_is_indexed() -> None:
    made = plan(TEA, stored(), OPENAI_POLICY, [TARGET])
    assert (made.outcome, made.saved_tokens) == (Outcome.INDEXED, 0)


def test_document_that_is_gone_counts_as_removed() -> None:
    assert nothing_left(TEA.id, 2, stored()).outcome == Outcome.REMOVED
