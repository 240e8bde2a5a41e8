"""Documents below documents: what of the ones above is searched, and what follows when they change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import psycopg
import pytest

from retrieval_service import errors
from retrieval_service.domain.documents.documents import Draft
from retrieval_service.domain.documents.stored import DocumentKey, StoredDocument
from retrieval_service.services.documents.importing import Item, Outcome
from retrieval_service.services.retrieval.search import Mode
from tests.kits.indexing_kit import Bench, claim, indexer, insert, jobs_of, open_bench, value, working


@pytest.fixture
async def bench(clean_dsn: str) -> AsyncIterator[Bench]:
    """Without a worker that runs."""
    async with open_bench(clean_dsn, job_poll_seconds=0.2) as opened:
        yield opened


def key(external_id: str) -> DocumentKey:
    return DocumentKey(source_type="article", external_id=external_id)


def page(external_id: str, title: str = "", parent: str = "", content: str = "Tea.") -> Draft:
    return Draft(
        source_type="article",
        external_id=external_id,
        title=title,
        content=content,
        language="en",
        parent_key=key(parent) if parent else None,
    )


async def put(bench: Bench, tenant_id: UUID, *drafts: Draft) -> list[Item]:
    return await bench.service.importer.upsert_batch(tenant_id, drafts)


async def retitle(bench: Bench, tenant_id: UUID, external_id: str, title: str) -> StoredDocument:
    return await bench.service.editor.update(
        tenant_id,
        key(external_id),
        version=None,
        given=page(external_id, title),
        names={"title"},
    )


async def move(bench: Bench, tenant_id: UUID, external_id: str, parent: str) -> StoredDocument:
    return await bench.service.editor.update(
        tenant_id,
        key(external_id),
        version=None,
        given=page(external_id, parent=parent),
        names={"parent_key"},
    )


async def headings(bench: Bench) -> dict[str, str]:
    """The path above each document's first chunk, by external id."""
    cursor = await bench.sql.execute(
        "SELECT d.external_id, c.heading FROM chunks c JOIN documents d ON d.id = c.document_id"
    )
    return dict(await cursor.fetchall())


async def found(bench: Bench, tenant_id: UUID, question: str) -> set[str]:
    hits = (await bench.found(tenant_id, question, Mode.FULL_TEXT)).hits
    return {hit.passage.external_id for hit in hits}


def chain(length: int) -> list[Draft]:
    """Each document below the one before."""
    return [page(str(n), f"Level {n}", str(n - 1) if n else "", f"Text number {n}.") for n in range(length)]


async def test_child_is_found_by_the_titles_above_it(bench: Bench, tenant_id: UUID) -> None:
    await put(
        bench,
        tenant_id,
        page("returns", "Returns"),
        page("period", "Period", "returns", "Fourteen days."),
        page("tea", "Tea"),
    )
    async with working(bench.service):
        await bench.indexed(tenant_id)
    assert await found(bench, tenant_id, "returns") == {"returns", "period"}
    assert (await headings(bench))["period"] == "Returns"
    assert any(text.startswith("Period\nReturns\nFourteen") for text in bench.embedded_texts())


async def test_new_title_of_a_root_indexes_all_below_and_embeds_nothing_else(
    bench: Bench, tenant_id: UUID
) -> None:
    below = [page(str(n), f"Page {n}", "root" if n < 20 else str(n % 20), f"Fact {n}.") for n in range(200)]
    await put(bench, tenant_id, page("root", "Handbook"), page("other", "Other", "", "Apart."), *below)
    async with working(bench.service):
        await bench.indexed(tenant_id)
        sent = len(bench.embedded_texts())
        await retitle(bench, tenant_id, "root", "Manual")
        await bench.indexed(tenant_id)
    again = bench.embedded_texts()[sent:]
    assert len(again) == 201
    assert all("Manual" in text for text in again)
    paths = await headings(bench)
    assert (paths["3"], paths["23"], paths["other"]) == ("Manual", "Manual > Page 3", "")
    assert await value(bench.sql, "SELECT count(*) FROM documents WHERE sync_status <> 'synced'") == 0


async def test_edit_of_a_roots_text_leaves_the_ones_below_alone(bench: Bench, tenant_id: UUID) -> None:
    root, child = page("root", "Handbook"), page("child", "Page", "root")
    await put(bench, tenant_id, root, child)
    async with working(bench.service):
        await bench.indexed(tenant_id)
    await bench.service.editor.update(
        tenant_id, key("root"), version=None, given=page("root", content="Coffee."), names={"content"}
    )
    waiting = [job.document_id for job in await jobs_of(bench.sql, tenant_id) if job.status == "pending"]
    assert waiting == [(await bench.service.reader.document(tenant_id, key("root"))).id]


async def test_fifty_levels_are_indexed_and_the_lowest_follows_its_root(
    bench: Bench, tenant_id: UUID
) -> None:
    items = await put(bench, tenant_id, *chain(50))
    assert {item.outcome for item in items} == {Outcome.CREATED}
    async with working(bench.service):
        await bench.indexed(tenant_id)
        assert "Level 48" in (await headings(bench))["49"]
        sent = len(bench.embedded_texts())
        await retitle(bench, tenant_id, "0", "Top")
        assert len([job for job in await jobs_of(bench.sql, tenant_id) if job.status != "done"]) == 50
        await bench.indexed(tenant_id)
    again = bench.embedded_texts()[sent:]
    assert all("Top" in text for text in again)
    assert 10 < len(again) < 50  # those too far below have no room for this title


async def test_deeper_than_64_levels_is_refused(bench: Bench, tenant_id: UUID) -> None:
    with pytest.raises(errors.Invalid, match="64 levels"):
        await put(bench, tenant_id, *chain(66))
    await put(bench, tenant_id, *chain(65))
    await put(bench, tenant_id, page("new root"))
    with pytest.raises(errors.Invalid, match="64 levels"):
        await move(bench, tenant_id, "0", "new root")


async def test_moved_tree_carries_the_new_titles(bench: Bench, tenant_id: UUID) -> None:
    await put(
        bench, tenant_id, page("a", "Old"), page("b", "New"), page("c", "Middle", "a"), page("d", "Leaf", "c")
    )
    async with working(bench.service):
        await bench.indexed(tenant_id)
        moved = await move(bench, tenant_id, "c", "b")
        assert moved.parent_key == key("b")
        await bench.indexed(tenant_id)
        paths = await headings(bench)
        assert (paths["c"], paths["d"]) == ("New", "New > Middle")
        assert (await move(bench, tenant_id, "c", "")).parent_key is None
        await bench.indexed(tenant_id)
    paths = await headings(bench)
    assert (paths["c"], paths["d"]) == ("", "Middle")


async def test_title_of_a_deleted_document_is_not_searched_below_it(bench: Bench, tenant_id: UUID) -> None:
    await put(bench, tenant_id, page("a", "Top"), page("b", "Gone", "a"), page("c", "Leaf", "b"))
    async with working(bench.service):
        await bench.indexed(tenant_id)
        await bench.service.reader.delete_document(tenant_id, key("b"))
        await bench.indexed(tenant_id)
    assert await headings(bench) == {"a": "", "c": "Top"}


async def test_circle_is_refused_and_changes_nothing(bench: Bench, tenant_id: UUID) -> None:
    await put(bench, tenant_id, page("a"), page("b", "", "a"), page("c", "", "b"))
    with pytest.raises(errors.Invalid, match="below itself"):
        await move(bench, tenant_id, "a", "c")
    with pytest.raises(errors.Invalid, match="document itself"):
        await move(bench, tenant_id, "a", "a")
    with pytest.raises(errors.Invalid, match="below itself"):
        await put(bench, tenant_id, page("new"), page("a", "", "c"))
    assert (await bench.service.reader.document(tenant_id, key("a"))).parent_key is None


async def test_of_two_moves_at_once_that_would_close_a_circle_one_is_refused(
    bench: Bench, tenant_id: UUID
) -> None:
    for number in range(10):
        first, second = f"a{number}", f"b{number}"
        await put(bench, tenant_id, page(first), page(second))
        moves = (move(bench, tenant_id, first, second), move(bench, tenant_id, second, first))
        ended = await asyncio.gather(*moves, return_exceptions=True)
        assert sorted(type(one).__name__ for one in ended) == ["Invalid", "StoredDocument"]


async def test_plain_sql_cannot_close_a_circle_either(bench: Bench, tenant_id: UUID) -> None:
    first, second = await insert(bench.sql, tenant_id, "1"), await insert(bench.sql, tenant_id, "2")
    await bench.sql.execute("UPDATE documents SET parent_id = %s WHERE id = %s", (first, second))
    with pytest.raises(psycopg.errors.CheckViolation):
        await bench.sql.execute("UPDATE documents SET parent_id = %s WHERE id = %s", (second, first))


async def test_parent_moved_by_plain_sql_is_a_new_version_of_the_child(bench: Bench, tenant_id: UUID) -> None:
    await put(bench, tenant_id, page("a", "A"), page("b", "B"))
    before = await bench.service.reader.document(tenant_id, key("b"))
    await bench.sql.execute(
        "UPDATE documents b SET parent_id = a.id FROM documents a"
        " WHERE a.external_id = 'a' AND b.external_id = 'b'"
    )
    after = await bench.service.reader.document(tenant_id, key("b"))
    assert (after.version, after.content_hash, after.parent_key) == (before.version + 1, None, key("a"))


async def test_parent_of_another_tenant_or_of_nobody_is_refused(bench: Bench, tenant_id: UUID) -> None:
    other = await bench.tenant()
    await put(bench, other, page("theirs"))
    [orphan, good, grandchild] = await put(
        bench, tenant_id, page("a", "", "theirs"), page("b"), page("c", "", "a")
    )
    assert [one.violations[0].field for one in (orphan, grandchild)] == ["parent_key", "parent_key"]
    assert good.outcome == Outcome.CREATED
    with pytest.raises(errors.Invalid, match=r"document\.parent_key"):
        await move(bench, tenant_id, "b", "theirs")


async def test_upsert_without_a_parent_makes_a_root_and_a_repetition_changes_nothing(
    bench: Bench, tenant_id: UUID
) -> None:
    await put(bench, tenant_id, page("a"), page("b", "", "a"))
    [same] = await put(bench, tenant_id, page("b", "", "a"))
    [root] = await put(bench, tenant_id, page("b"))
    assert (same.outcome, root.outcome) == (Outcome.UNCHANGED, Outcome.UPDATED)
    assert (await bench.service.reader.document(tenant_id, key("b"))).parent_key is None


async def test_tombstone_beats_an_embedding_that_comes_late(bench: Bench, tenant_id: UUID) -> None:
    """The worker has read the document, then the document and the one above it go."""
    await put(bench, tenant_id, page("a", "Top"), page("b", "Leaf", "a"))
    batch = await claim(bench.service.database)
    await bench.service.reader.delete_document(tenant_id, key("b"))
    await retitle(bench, tenant_id, "a", "New top")
    await indexer(bench).index(batch)
    async with working(bench.service):
        await bench.indexed(tenant_id)
    assert await headings(bench) == {"a": ""}


async def test_title_changed_during_the_work_on_a_child_is_indexed_after_it(
    bench: Bench, tenant_id: UUID
) -> None:
    await put(bench, tenant_id, page("a", "Old"), page("b", "Leaf", "a"))
    batch = await claim(bench.service.database)
    await retitle(bench, tenant_id, "a", "New")
    states = sorted(job.status for job in await jobs_of(bench.sql, tenant_id))
    assert states == ["pending", "pending", "processing", "processing"]
    await indexer(bench).index(batch)
    assert (await bench.service.reader.document(tenant_id, key("b"))).sync_status == "pending"
    async with working(bench.service):
        await bench.indexed(tenant_id)
    assert (await headings(bench))["b"] == "New"
    assert (await bench.service.reader.document(tenant_id, key("b"))).sync_status == "synced"
