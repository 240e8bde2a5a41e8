"""DocumentService over the wire: single fields, many documents at once, purges and undone imports."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence

import psycopg
import pytest
import pytest_asyncio
from google.protobuf import field_mask_pb2
from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import common_pb2
from kladez.v1 import document_service_pb2 as pb
from psycopg import sql

from retrieval_service.domain.retrieval.filters import Selection
from retrieval_service.stores.documents import selections
from tests.kits.service_kit import Running, Shop, refused, upsert, wait_until_indexed

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def update(shop: Shop, paths: Sequence[str], **fields: object) -> pb.Document:
    document = pb.Document(**{"source_type": "article", "external_id": "tea", **fields})
    request = pb.UpdateDocumentRequest(
        document=document, update_mask=field_mask_pb2.FieldMask(paths=list(paths))
    )
    return (await shop.client.update_document(request)).document


async def stored(shop: Shop) -> list[str]:
    response = await shop.client.list_documents(pb.ListDocumentsRequest())
    return [one.external_id for one in response.documents]


def by_id(*documents: pb.Document) -> pb.DocumentSelector:
    return pb.DocumentSelector(ids=pb.DocumentIds(document_ids=[one.document_id for one in documents]))


# --- update


async def test_update_changes_what_the_mask_names_and_nothing_else(shop: Shop) -> None:
    await upsert(shop, "tea", "Assam is strong.", title="Assam", tags=["black"], section="Tea", language="en")
    changed = await update(shop, ["title", "tags"], title="Darjeeling", tags=["light"], section="ignored")
    assert (changed.title, list(changed.tags), changed.section) == ("Darjeeling", ["light"], "Tea")
    whole = await shop.client.get_document(pb.GetDocumentRequest(document_id=changed.document_id))
    assert (whole.document.content, whole.document.language) == ("Assam is strong.", "en")


async def test_update_can_empty_a_field_and_detect_a_language_anew(shop: Shop) -> None:
    await upsert(shop, "tea", "Чай собирают вручную в горах.", title="Чай", language="en")
    changed = await update(shop, ["title", "language"])
    assert (changed.title, changed.language) == ("", "ru")


async def test_update_at_an_old_etag_is_aborted(shop: Shop) -> None:
    first = await upsert(shop, "tea", "Tea.")
    second = await update(shop, ["title"], title="One", etag=first.etag)
    assert second.etag != first.etag
    with refused("ABORTED"):
        await update(shop, ["title"], title="Two", etag=first.etag)
    assert (await update(shop, ["title"], title="Three", etag=second.etag)).title == "Three"


@pytest.mark.parametrize(
    ("paths", "fields", "wrong"),
    [
        ([], {}, "update_mask"),
        (["*", "title"], {"title": "Tea"}, "update_mask"),
        (["*"], {"title": "Nothing else"}, "document.content"),
        (["titel"], {}, "update_mask"),
        (["external_id"], {}, "update_mask"),
        (["title"], {"title": "x" * 501}, "document.title"),
        (["content"], {"content": " "}, "document.content"),
        (["title"], {"etag": "mine"}, "document.etag"),
        (["title"], {"document_id": "mine"}, "document.document_id"),
        (
            ["parent_key"],
            {"parent_key": pb.DocumentKey(source_type="article", external_id="nobody")},
            "document.parent_key",
        ),
    ],
)
async def test_wrong_update_is_refused_by_name(
    shop: Shop, paths: list[str], fields: dict[str, object], wrong: str
) -> None:
    await upsert(shop, "tea", "Tea.", title="Tea")
    with refused("INVALID_ARGUMENT", field=wrong):
        await update(shop, paths, **fields)


async def test_update_without_a_mask_changes_what_is_given(shop: Shop) -> None:
    await upsert(shop, "tea", "Tea.", title="Tea", tags=["hot"])
    changed = await update(shop, [], title="Green tea", metadata_json='{"grams": 100}')
    whole = (await shop.client.get_document(pb.GetDocumentRequest(document_id=changed.document_id))).document
    assert (whole.title, whole.content, list(whole.tags)) == ("Green tea", "Tea.", ["hot"])
    assert dict(whole.metadata) == {"grams": 100}


async def test_update_of_everything_clears_what_is_not_given(shop: Shop) -> None:
    await upsert(shop, "tea", "Tea.", title="Tea", tags=["hot"])
    changed = await update(shop, ["*"], content="Green tea.")
    whole = (await shop.client.get_document(pb.GetDocumentRequest(document_id=changed.document_id))).document
    assert (whole.title, whole.content, list(whole.tags)) == ("", "Green tea.", [])


async def test_update_of_nothing_is_not_found(shop: Shop) -> None:
    with refused("NOT_FOUND"):
        await update(shop, ["title"], title="Tea")


# --- many at once


@pytest_asyncio.fixture(loop_scope="module")
async def stocked(shop: Shop) -> Shop:
    await upsert(shop, "assam", "Assam.", section="Tea", tags=["black", "strong"])
    await upsert(shop, "sencha", "Sencha.", section="Tea", tags=["green"])
    await upsert(shop, "arabica", "Arabica.", section="Coffee", tags=["strong"])
    await upsert(shop, "returns", "Fourteen days.", source_type="policy")
    return shop


SELECTORS = {
    "section": (pb.DocumentSelector(section="Tea"), {"assam", "sencha"}),
    "tag": (pb.DocumentSelector(tag="strong"), {"assam", "arabica"}),
    "filter": (pb.DocumentSelector(filter=common_pb2.Filter(source_types=["policy"])), {"returns"}),
    "two conditions": (
        pb.DocumentSelector(filter=common_pb2.Filter(sections=["Tea"], tags=["strong"])),
        {"assam"},
    ),
    "nothing": (pb.DocumentSelector(section="Cocoa"), set()),
}


@pytest.mark.parametrize("kind", SELECTORS)
async def test_delete_counts_first_and_deletes_when_confirmed(stocked: Shop, kind: str) -> None:
    selector, wanted = SELECTORS[kind]
    before = set(await stored(stocked))
    counted = await stocked.client.batch_delete_documents(pb.BatchDeleteDocumentsRequest(selector=selector))
    assert (counted.document_count, len(counted.sample_document_ids)) == (len(wanted), len(wanted))
    assert set(await stored(stocked)) == before
    request = pb.BatchDeleteDocumentsRequest(selector=selector, confirm=True)
    deleted = await stocked.client.batch_delete_documents(request)
    assert set(deleted.sample_document_ids) == set(counted.sample_document_ids)
    assert set(await stored(stocked)) == before - wanted
    assert (await stocked.client.batch_delete_documents(request)).document_count == 0


async def test_delete_by_ids_ignores_those_of_nobody(stocked: Shop) -> None:
    document = await upsert(stocked, "matcha", "Matcha.")
    selector = by_id(document, pb.Document(document_id=str(uuid.uuid4())))
    request = pb.BatchDeleteDocumentsRequest(selector=selector, confirm=True)
    assert (await stocked.client.batch_delete_documents(request)).document_count == 1
    assert "matcha" not in await stored(stocked)


EMPTY = {
    "no selector": pb.DocumentSelector(),
    "empty filter": pb.DocumentSelector(filter=common_pb2.Filter()),
    "no ids": pb.DocumentSelector(ids=pb.DocumentIds()),
    "blank section": pb.DocumentSelector(section=" "),
    "empty tag": pb.DocumentSelector(tag=""),
}


@pytest.mark.parametrize("kind", EMPTY)
async def test_selection_of_everything_is_refused_and_touches_nothing(stocked: Shop, kind: str) -> None:
    before = await stored(stocked)
    for call in (
        stocked.client.batch_delete_documents(
            pb.BatchDeleteDocumentsRequest(selector=EMPTY[kind], confirm=True)
        ),
        stocked.client.purge_documents(pb.PurgeDocumentsRequest(selector=EMPTY[kind], confirm=True)),
        stocked.client.reindex_documents(pb.ReindexDocumentsRequest(selector=EMPTY[kind])),
        stocked.client.purge_documents(pb.PurgeDocumentsRequest(confirm=True)),
        stocked.client.purge_documents(pb.PurgeDocumentsRequest(deleted=False, confirm=True)),
    ):
        with refused("INVALID_ARGUMENT"):
            await call
    assert await stored(stocked) == before


async def test_store_itself_refuses_a_selection_of_everything(running: Running, stocked: Shop) -> None:
    async with running.service.database.tenant(uuid.UUID(stocked.tenant_id)) as scope:
        for function in (selections.count, selections.delete, selections.enqueue, selections.lock):
            with pytest.raises(ValueError, match="every document"):
                await function(scope, Selection())
    assert len(await stored(stocked)) == 4


async def test_reindex_queues_the_selected_documents_and_wakes_the_worker(
    running: Running, stocked: Shop
) -> None:
    await wait_until_indexed(stocked)
    count = "SELECT count(*) FROM document_sync_jobs WHERE tenant_id = %(tenant_id)s"
    before = await number(running, count, stocked)
    response = await stocked.client.reindex_documents(
        pb.ReindexDocumentsRequest(selector=pb.DocumentSelector(tag="strong"))
    )
    assert response.document_count == 2
    await wait_until_indexed(stocked)
    assert await number(running, count, stocked) == before + 2


async def number(running: Running, statement: str, shop: Shop) -> int:
    async with await psycopg.AsyncConnection.connect(running.dsn) as connection:
        cursor = await connection.execute(statement.encode(), {"tenant_id": shop.tenant_id})
        [row] = await cursor.fetchall()
    return row[0]


# --- purge

TABLES = """
SELECT DISTINCT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attname IN ('document_id', 'chunk_id')
"""


async def rows_naming(running: Running, column: str, ids: list[uuid.UUID]) -> dict[str, int]:
    """Rows by table, of every table that has the column."""
    async with await psycopg.AsyncConnection.connect(running.dsn) as connection:
        tables = await (await connection.execute(TABLES)).fetchall()
        found: dict[str, int] = {}
        for table, name in tables:
            if name == column:
                statement = sql.SQL("SELECT count(*) FROM {} WHERE {} = ANY(%s)")
                composed = statement.format(sql.Identifier(table), sql.Identifier(column))
                [[found[table]]] = await (await connection.execute(composed, [ids])).fetchall()
    return found


async def chunk_ids(running: Running, document_id: str) -> list[uuid.UUID]:
    async with await psycopg.AsyncConnection.connect(running.dsn) as connection:
        cursor = await connection.execute("SELECT id FROM chunks WHERE document_id = %s", [document_id])
        return [row[0] for row in await cursor.fetchall()]


async def test_purge_leaves_nothing_in_any_table_and_says_so(running: Running, stocked: Shop) -> None:
    await import_documents(stocked, pb.Document(source_type="article", external_id="rooibos", content="Red."))
    await wait_until_indexed(stocked)
    key = pb.DocumentKey(source_type="article", external_id="rooibos")
    document = (await stocked.client.get_document(pb.GetDocumentRequest(key=key))).document
    chunks = await chunk_ids(running, document.document_id)
    assert chunks
    counted = await stocked.client.purge_documents(pb.PurgeDocumentsRequest(selector=by_id(document)))
    assert (counted.document_count, len(counted.tables)) == (1, 0)
    assert "rooibos" in await stored(stocked)
    receipt = await stocked.client.purge_documents(
        pb.PurgeDocumentsRequest(selector=by_id(document), confirm=True)
    )
    removed = {one.table: one.removed_count for one in receipt.tables}
    for table in (
        "documents",
        "chunks",
        "chunk_terms",
        "chunk_vectors_1",
        "document_sync_jobs",
        "import_items",
    ):
        assert removed[table] == 1, table
    assert {one.remaining_count for one in receipt.tables} == {0}
    ids = [uuid.UUID(document.document_id)]
    left = {
        **await rows_naming(running, "document_id", ids),
        **await rows_naming(running, "chunk_id", chunks),
    }
    assert {"chunks", "chunk_terms", "chunk_vectors_1", "import_items"} <= set(left)
    assert set(left.values()) == {0}
    assert {*left, "documents", "chat_logs"} == set(removed)
    assert set(await stored(stocked)) == {"assam", "sencha", "arabica", "returns"}


async def test_purge_takes_the_fragments_out_of_answers_that_were_given(stocked: Shop) -> None:
    """The answer stays as it was said, cites what is left, and nothing of the purged text is kept beside it."""
    text = "Rooibos has no caffeine and costs 310 rubles."
    await import_documents(stocked, pb.Document(source_type="article", external_id="rooibos", content=text))
    await wait_until_indexed(stocked)
    request = answers_pb.StreamAnswerRequest(question="How much does rooibos cost?")
    *_, last = [event async for event in stocked.client.stream_answer(request)]
    given = last.completed.answer
    assert "rooibos" in {one.external_id for one in given.references}
    key = pb.DocumentKey(source_type="article", external_id="rooibos")
    document = (await stocked.client.get_document(pb.GetDocumentRequest(key=key))).document
    receipt = await stocked.client.purge_documents(
        pb.PurgeDocumentsRequest(selector=by_id(document), confirm=True)
    )
    [line] = [one for one in receipt.tables if one.table == "chat_logs"]
    assert (line.removed_count, line.remaining_count) == (1, 0)
    kept = await stocked.client.get_answer(answers_pb.GetAnswerRequest(answer_id=given.answer_id))
    assert kept.answer.text == given.text
    assert "rooibos" not in {one.external_id for one in kept.answer.references}
    present = {one.number for one in kept.answer.references}
    assert {number for one in kept.answer.citations for number in one.numbers} <= present


async def test_purge_of_the_deleted_leaves_the_living(stocked: Shop) -> None:
    selector = pb.DocumentSelector(section="Tea")
    await stocked.client.batch_delete_documents(
        pb.BatchDeleteDocumentsRequest(selector=selector, confirm=True)
    )
    receipt = await stocked.client.purge_documents(pb.PurgeDocumentsRequest(deleted=True, confirm=True))
    assert receipt.document_count == 2
    assert set(await stored(stocked)) == {"arabica", "returns"}
    again = await stocked.client.purge_documents(pb.PurgeDocumentsRequest(deleted=True, confirm=True))
    assert (again.document_count, {one.removed_count for one in again.tables}) == (0, {0})


async def test_purged_parent_leaves_its_children_as_roots(stocked: Shop) -> None:
    parent = await upsert(stocked, "top", "Top.", title="Top")
    below = pb.DocumentKey(source_type="article", external_id="top")
    await upsert(stocked, "leaf", "Leaf.", parent_key=below)
    await stocked.client.purge_documents(pb.PurgeDocumentsRequest(selector=by_id(parent), confirm=True))
    key = pb.DocumentKey(source_type="article", external_id="leaf")
    leaf = (await stocked.client.get_document(pb.GetDocumentRequest(key=key))).document
    assert not leaf.HasField("parent_key")


# --- undo


async def import_documents(shop: Shop, *documents: pb.Document, import_id: str = "") -> str:
    identity = import_id or str(uuid.uuid4())

    async def requests() -> AsyncIterator[pb.ImportDocumentsRequest]:
        yield pb.ImportDocumentsRequest(config=pb.ImportConfig(import_id=identity))
        yield pb.ImportDocumentsRequest(chunk=pb.ImportChunk(documents=documents))

    async for _ in shop.client.import_documents(requests()):
        pass
    return identity


def article(external_id: str, content: str, **fields: object) -> pb.Document:
    return pb.Document(**{"source_type": "article", "external_id": external_id, "content": content, **fields})


async def test_undo_deletes_what_was_made_and_restores_what_was_changed(stocked: Shop) -> None:
    before = await whole(stocked, "assam")
    import_id = await import_documents(
        stocked,
        article("assam", "Spoiled.", title="Spoiled"),
        article("sencha", "Sencha.", section="Tea", tags=["green"]),
        article("new", "New."),
    )
    assert (await whole(stocked, "assam")).content == "Spoiled."
    undone = await stocked.client.undo_import(pb.UndoImportRequest(import_id=import_id))
    assert undone == pb.UndoImportResponse(deleted_count=1, restored_count=1)
    after = await whole(stocked, "assam")
    assert (after.content, after.title, after.tags, after.content_hash) == (
        before.content,
        before.title,
        before.tags,
        before.content_hash,
    )
    assert set(await stored(stocked)) == {"assam", "sencha", "arabica", "returns"}
    again = await stocked.client.undo_import(pb.UndoImportRequest(import_id=import_id))
    assert again == pb.UndoImportResponse()


async def test_undo_leaves_what_changed_since_and_names_it(stocked: Shop) -> None:
    import_id = await import_documents(stocked, article("assam", "Imported."), article("new", "New."))
    edited = await upsert(stocked, "new", "Edited by a person.")
    undone = await stocked.client.undo_import(pb.UndoImportRequest(import_id=import_id))
    assert (undone.restored_count, undone.deleted_count, undone.skipped_count) == (1, 0, 1)
    assert list(undone.skipped_document_ids) == [edited.document_id]
    assert (await whole(stocked, "new")).content == "Edited by a person."


async def test_undo_of_a_document_the_import_brought_back_deletes_it_again(stocked: Shop) -> None:
    selector = pb.DocumentSelector(section="Coffee")
    await stocked.client.batch_delete_documents(
        pb.BatchDeleteDocumentsRequest(selector=selector, confirm=True)
    )
    import_id = await import_documents(stocked, article("arabica", "Arabica again."))
    assert "arabica" in await stored(stocked)
    await stocked.client.undo_import(pb.UndoImportRequest(import_id=import_id))
    assert "arabica" not in await stored(stocked)


async def test_unknown_import_is_not_found(stocked: Shop) -> None:
    with refused("NOT_FOUND"):
        await stocked.client.undo_import(pb.UndoImportRequest(import_id=str(uuid.uuid4())))


async def whole(shop: Shop, external_id: str) -> pb.Document:
    key = pb.DocumentKey(source_type="article", external_id=external_id)
    return (await shop.client.get_document(pb.GetDocumentRequest(key=key))).document
