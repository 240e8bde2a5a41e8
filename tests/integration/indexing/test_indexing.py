"""From a stored document to its index: only what changed is embedded, and a search sees one whole version."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import astuple, dataclass
from typing import LiteralString
from uuid import UUID

import numpy as np
import pytest
from pgvector import HalfVector, SparseVector
from pgvector.psycopg import register_vector_async
from psycopg import sql

from retrieval_service.domain.documents.stored import DocumentKey
from retrieval_service.domain.indexing.lexical import passage_terms
from retrieval_service.services.retrieval.search import Mode
from retrieval_service.stores.tenants.spaces import vectors_table
from tests.fakes.openai.bags import bag_of_words
from tests.fakes.openai.faults import Fault
from tests.kits.indexing_kit import (
    DIMENSIONS,
    EMBEDDINGS,
    Bench,
    insert,
    jobs_of,
    open_bench,
    until,
    value,
    working,
)

CHUNKS = (
    "SELECT id, text, chunk_index FROM chunks WHERE tenant_id = %s AND document_id = %s ORDER BY chunk_index"
)
WITH_VECTORS = "SELECT array_agg(c.text) FROM chunks c JOIN {vectors} v ON v.chunk_id = c.id"
VECTOR = "SELECT embedding FROM {vectors}"
INDEX_ROWS = """
SELECT (SELECT count(*) FROM chunks) + (SELECT count(*) FROM chunk_terms) + (SELECT count(*) FROM {vectors})
"""


@dataclass(frozen=True, kw_only=True)
class Used:
    """Chunks embedded and not embedded again, over all days."""

    embedded: int
    unchanged: int


@pytest.fixture
async def bench(clean_dsn: str) -> AsyncIterator[Bench]:
    """With a worker that runs."""
    async with open_bench(clean_dsn, job_poll_seconds=0.2) as opened, working(opened.service):
        yield opened


def section(name: str, word: str, words: int = 250) -> str:
    """A section that fills most of a chunk: it shares none with its neighbours."""
    return f"## {name}\n\n" + " ".join(f"{word}{number}" for number in range(words)) + "."


def long_document(changed: int | None = None) -> str:
    words = ["coffee" if number == changed else "tea" for number in range(8)]
    return "\n\n".join(section(f"Part {number}", word) for number, word in enumerate(words))


def of_space(bench: Bench, statement: LiteralString) -> sql.Composed:
    return sql.SQL(statement).format(vectors=vectors_table(bench.service.space_id))


async def chunk_ids(bench: Bench, tenant_id: UUID, document_id: UUID) -> dict[int, UUID]:
    """Ids by the chunks' places."""
    cursor = await bench.sql.execute(CHUNKS, (tenant_id, document_id))
    return {place: chunk_id for chunk_id, _, place in await cursor.fetchall()}


async def used(bench: Bench, tenant_id: UUID) -> Used:
    days = await bench.service.reader.usage(tenant_id, days=2)
    return Used(
        embedded=sum(day.embedded_chunks for day in days), unchanged=sum(day.unchanged_chunks for day in days)
    )


async def texts_found(bench: Bench, tenant_id: UUID, question: str) -> list[str]:
    found = await bench.found(tenant_id, question, Mode.FULL_TEXT)
    return [hit.passage.text for hit in found.hits]


class TestChanges:
    async def test_edit_of_one_section_embeds_that_section_alone(self, bench: Bench, tenant_id: UUID) -> None:
        document_id = await bench.put(tenant_id, "1", long_document(), content_type="text/markdown")
        await bench.indexed(tenant_id)
        before = await chunk_ids(bench, tenant_id, document_id)
        sent = len(bench.embedded_texts())
        assert await used(bench, tenant_id) == Used(embedded=len(before), unchanged=0)
        await bench.put(tenant_id, "1", long_document(changed=3), content_type="text/markdown")
        await bench.indexed(tenant_id)
        after = await chunk_ids(bench, tenant_id, document_id)
        changed = {place for place in after if before.get(place) != after[place]}
        newly_sent = bench.embedded_texts()[sent:]
        assert len(after) == len(before) > 5
        assert 1 <= len(changed) <= 2
        assert len(newly_sent) == len(changed)
        assert all("coffee" in text for text in newly_sent)
        assert await used(bench, tenant_id) == Used(
            embedded=len(before) + len(changed), unchanged=len(before) - len(changed)
        )

    async def test_section_put_before_the_others_moves_them_without_embedding_them(
        self, bench: Bench, tenant_id: UUID
    ) -> None:
        document_id = await bench.put(tenant_id, "1", long_document(), content_type="text/markdown")
        await bench.indexed(tenant_id)
        before = await chunk_ids(bench, tenant_id, document_id)
        sent = len(bench.embedded_texts())
        preface = section("Preface", "cocoa")
        await bench.put(tenant_id, "1", f"{preface}\n\n{long_document()}", content_type="text/markdown")
        await bench.indexed(tenant_id)
        after = await chunk_ids(bench, tenant_id, document_id)
        assert [after[place + 1] for place in before] == list(before.values())
        assert len(bench.embedded_texts()[sent:]) == 1

    async def test_edit_of_metadata_embeds_nothing(self, bench: Bench, tenant_id: UUID) -> None:
        document_id = await bench.put(tenant_id, "1", long_document(), metadata={"price": 5})
        await bench.indexed(tenant_id)
        before, sent = await chunk_ids(bench, tenant_id, document_id), bench.embedded_texts()
        await bench.put(tenant_id, "1", long_document(), metadata={"price": 6}, tags=("new",))
        await bench.indexed(tenant_id)
        assert await chunk_ids(bench, tenant_id, document_id) == before
        assert bench.embedded_texts() == sent
        assert (await used(bench, tenant_id)).unchanged == len(before)

    async def test_edit_of_the_title_embeds_everything_again(self, bench: Bench, tenant_id: UUID) -> None:
        document_id = await bench.put(tenant_id, "1", "Oolong is half fermented.", title="Tea")
        await bench.indexed(tenant_id)
        before = await chunk_ids(bench, tenant_id, document_id)
        await bench.put(tenant_id, "1", "Oolong is half fermented.", title="Our tea")
        await bench.indexed(tenant_id)
        assert bench.embedded_texts()[-1].startswith("Our tea\n")
        assert (await chunk_ids(bench, tenant_id, document_id)).keys() == before.keys()
        assert await used(bench, tenant_id) == Used(embedded=2, unchanged=0)

    async def test_equal_chunks_of_one_document_keep_ids_of_their_own(
        self, bench: Bench, tenant_id: UUID
    ) -> None:
        twice = [section("Same", "tea"), section("Other", "coffee"), section("Same", "tea")]
        document_id = await bench.put(tenant_id, "1", "\n\n".join(twice), content_type="text/markdown")
        await bench.indexed(tenant_id)
        before = await chunk_ids(bench, tenant_id, document_id)
        texts = await bench.texts(tenant_id, document_id)
        assert len(before) == len(set(before.values())) == 3
        assert texts[0].strip() == texts[2].strip()
        twice[1] = section("Other", "cocoa")
        await bench.put(tenant_id, "1", "\n\n".join(twice), content_type="text/markdown")
        await bench.indexed(tenant_id)
        after = await chunk_ids(bench, tenant_id, document_id)
        assert (after[0], after[2]) == (before[0], before[2])
        assert after[1] != before[1]
        assert len(bench.embedded_texts()) == 4

    async def test_one_of_two_equal_chunks_can_go(self, bench: Bench, tenant_id: UUID) -> None:
        same = section("Same", "tea")
        document_id = await bench.put(tenant_id, "1", f"{same}\n\n{same}", content_type="text/markdown")
        await bench.indexed(tenant_id)
        before = await chunk_ids(bench, tenant_id, document_id)
        await bench.put(tenant_id, "1", same, content_type="text/markdown")
        await bench.indexed(tenant_id)
        after = await chunk_ids(bench, tenant_id, document_id)
        assert len(before) == 2
        assert len(after) == 1
        assert set(after.values()) < set(before.values())


class TestMeanwhile:
    async def test_document_deleted_during_its_embedding_leaves_no_chunk(
        self, bench: Bench, tenant_id: UUID
    ) -> None:
        bench.fake.fail(Fault(path=EMBEDDINGS, delay_seconds=0.5))
        await bench.put(tenant_id, "1", "Oolong tea.")
        await bench.fake.journal.arrived(EMBEDDINGS)
        await bench.service.reader.delete_document(
            tenant_id, DocumentKey(source_type="article", external_id="1")
        )
        await bench.indexed(tenant_id)
        assert await value(bench.sql, of_space(bench, INDEX_ROWS)) == 0
        assert await texts_found(bench, tenant_id, "oolong") == []

    async def test_row_deleted_during_its_embedding_leaves_no_chunk(
        self, bench: Bench, tenant_id: UUID
    ) -> None:
        bench.fake.fail(Fault(path=EMBEDDINGS, delay_seconds=0.5))
        await bench.put(tenant_id, "1", "Oolong tea.")
        await bench.fake.journal.arrived(EMBEDDINGS)
        await bench.sql.execute("DELETE FROM documents")
        await bench.indexed(tenant_id)
        assert await value(bench.sql, of_space(bench, INDEX_ROWS)) == 0

    async def test_deleted_document_that_comes_back_is_found_again(
        self, bench: Bench, tenant_id: UUID
    ) -> None:
        key = DocumentKey(source_type="article", external_id="1")
        await bench.put(tenant_id, "1", "Oolong tea.")
        await bench.indexed(tenant_id)
        await bench.service.reader.delete_document(tenant_id, key)
        assert await texts_found(bench, tenant_id, "oolong") == []
        await bench.put(tenant_id, "1", "Oolong tea.")
        await bench.indexed(tenant_id)
        assert await texts_found(bench, tenant_id, "oolong") == ["Oolong tea."]

    async def test_of_two_versions_at_once_the_newest_remains(self, bench: Bench, tenant_id: UUID) -> None:
        bench.fake.fail(Fault(path=EMBEDDINGS, delay_seconds=0.5))
        document_id = await bench.put(tenant_id, "1", "Oolong tea.")
        await bench.fake.journal.arrived(EMBEDDINGS)
        await bench.put(tenant_id, "1", "Puer tea.")
        await bench.indexed(tenant_id)
        assert await bench.texts(tenant_id, document_id) == ["Puer tea."]
        assert (await bench.service.reader.document(tenant_id, document_id)).sync_status == "synced"

    async def test_search_during_replacements_sees_one_whole_version(
        self, bench: Bench, tenant_id: UUID
    ) -> None:
        versions = [
            "\n\n".join(section(name, f"common {word}") for name in "ABC") for word in ("tea", "coffee")
        ]
        wholes: set[frozenset[str]] = set()
        for text in versions:
            document_id = await bench.put(tenant_id, "1", text, content_type="text/markdown")
            await bench.indexed(tenant_id)
            wholes.add(frozenset(await bench.texts(tenant_id, document_id)))
        seen: list[frozenset[str]] = []
        done = asyncio.Event()

        async def search() -> None:
            while not done.is_set():
                seen.append(frozenset(await texts_found(bench, tenant_id, "common")))

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(search())
            for number in range(50):
                await bench.put(tenant_id, "1", versions[number % 2], content_type="text/markdown")
                await bench.indexed(tenant_id)
            done.set()
        assert {len(whole) for whole in wholes} == {3}
        assert set(seen) == wholes

    async def test_new_text_is_found_soon_and_the_old_one_never_again(
        self, bench: Bench, tenant_id: UUID
    ) -> None:
        await bench.put(tenant_id, "1", "Oolong costs 300.")
        await until(lambda: is_found(bench, tenant_id, "oolong"))
        await bench.put(tenant_id, "1", "Puer costs 400.")
        await until(lambda: is_found(bench, tenant_id, "puer"))
        for mode in Mode:
            found = await bench.found(tenant_id, "oolong", mode)
            assert all("Oolong" not in hit.passage.text for hit in found.hits)


async def is_found(bench: Bench, tenant_id: UUID, question: str) -> bool:
    return bool(await texts_found(bench, tenant_id, question))


class TestContents:
    async def test_row_of_plain_sql_without_language_and_hash_is_indexed(
        self, bench: Bench, tenant_id: UUID
    ) -> None:
        await insert(bench.sql, tenant_id, "1", "Мы доставляем заказы по всей стране за три дня.")
        await bench.indexed(tenant_id)
        assert await value(bench.sql, "SELECT language FROM chunks") == "ru"
        assert len(await texts_found(bench, tenant_id, "доставка заказа")) == 1

    async def test_html_is_indexed_as_text(self, bench: Bench, tenant_id: UUID) -> None:
        html = "<h1>Чай</h1><p>Улун &amp; <b>пуэр</b></p><script>alert('x')</script>"
        document_id = await bench.put(tenant_id, "1", html, content_type="text/html")
        await bench.indexed(tenant_id)
        text = "\n".join(await bench.texts(tenant_id, document_id))
        assert "Улун & пуэр" in text
        assert "<" not in text
        assert "alert" not in text

    async def test_text_in_a_script_the_model_cannot_read_is_found_by_its_words(self, clean_dsn: str) -> None:
        async with open_bench(clean_dsn, embedder="local") as bench, working(bench.service):
            tenant_id = await bench.tenant()
            await bench.put(tenant_id, "1", "Улун заваривают горячей водой.")
            await bench.put(tenant_id, "2", "Oolong is brewed with hot water.")
            await bench.indexed(tenant_id)
            assert await value(bench.sql, of_space(bench, WITH_VECTORS)) == [
                "Oolong is brewed with hot water."
            ]
            found = await bench.found(tenant_id, "как заваривать улун?")
            assert found.hits[0].passage.text == "Улун заваривают горячей водой."
            assert found.hits[0].similarity is None

    async def test_stored_vectors_are_those_that_were_computed(self, bench: Bench, tenant_id: UUID) -> None:
        await bench.put(tenant_id, "1", "Oolong is brewed with hot water.", language="en", title="Tea")
        await bench.indexed(tenant_id)
        await register_vector_async(bench.sql)
        expected = bag_of_words(bench.embedded_texts()[0], DIMENSIONS)
        stored: HalfVector = await value(bench.sql, of_space(bench, VECTOR))
        normalized = (expected / np.linalg.norm(expected)).astype(np.float16)
        np.testing.assert_allclose(stored.to_numpy(), normalized, rtol=1e-3, atol=1e-4)
        terms = passage_terms("Tea\nOolong is brewed with hot water.", "en")
        stems: SparseVector = await value(bench.sql, "SELECT stems FROM chunk_terms")
        grams: SparseVector = await value(bench.sql, "SELECT grams FROM chunk_terms")
        assert_same(stems, *astuple(terms.stems))
        assert_same(grams, *astuple(terms.grams))
        stem_ids = await value(bench.sql, "SELECT stem_ids FROM chunk_terms")
        assert stem_ids == terms.stems.indices.tolist()

    async def test_removed_documents_leave_no_rows_behind(self, bench: Bench, tenant_id: UUID) -> None:
        for number in range(5):
            await bench.put(tenant_id, str(number), long_document())
        await bench.indexed(tenant_id)
        assert await value(bench.sql, of_space(bench, INDEX_ROWS)) > 0
        await bench.sql.execute("DELETE FROM documents WHERE external_id < '3'")
        await bench.sql.execute("UPDATE documents SET is_deleted = true")
        await bench.indexed(tenant_id)
        assert await value(bench.sql, of_space(bench, INDEX_ROWS)) == 0


def assert_same(stored: SparseVector, indices: Sequence[int], values: Sequence[float]) -> None:
    assert stored.indices() == list(indices)
    np.testing.assert_allclose(stored.values(), values, rtol=1e-6)


class TestOutages:
    async def test_outage_of_the_embedder_delays_documents_and_loses_none(
        self, bench: Bench, tenant_id: UUID
    ) -> None:
        bench.fail_embedding(times=3)
        for number in range(10):
            await bench.put(tenant_id, str(number), f"Tea number {number}.")
        await bench.indexed(tenant_id)
        status = await bench.service.reader.sync_status(tenant_id)
        assert (status.documents, status.chunk_count) == ({"synced": 10}, 10)
        assert max(job.attempts for job in await jobs_of(bench.sql, tenant_id)) == 2

    async def test_document_that_is_refused_does_not_spoil_its_batch(self, clean_dsn: str) -> None:
        async with open_bench(clean_dsn) as bench:
            tenant_id = await bench.tenant()
            for number in range(10):
                await bench.put(tenant_id, str(number), f"Tea number {number}.")
            bench.fail_embedding(times=2, status=400)  # the batch, then the first of its documents alone
            async with working(bench.service):
                await bench.indexed(tenant_id)
            status = await bench.service.reader.sync_status(tenant_id)
            assert status.documents == {"synced": 9, "error": 1}
            jobs = await jobs_of(bench.sql, tenant_id)
            assert [job.attempts for job in jobs if job.status == "error"] == [1]

    async def test_search_goes_on_by_words_while_the_embedder_is_out(
        self, bench: Bench, tenant_id: UUID
    ) -> None:
        await bench.put(tenant_id, "1", "Oolong tea.")
        await bench.indexed(tenant_id)
        bench.fail_embedding(times=3)
        found = await bench.found(tenant_id, "oolong")
        assert [hit.passage.text for hit in found.hits] == ["Oolong tea."]
        assert found.degraded_reason
