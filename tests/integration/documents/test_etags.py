"""Whoever says which state it has seen overwrites and deletes no other one."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from kladez.v1 import document_service_pb2 as pb
from kladez.v1 import source_service_pb2 as sources_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service.client import CallFailed
from tests.kits.documents_kit import document, got
from tests.kits.isolation_kit import declared_source
from tests.kits.service_kit import Running, Shop, failure_of, new_shop, refused, upsert

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def service_settings() -> dict[str, Any]:
    """Without a worker: what is only stored need not be embedded."""
    return {"workers": 0}


async def put(shop: Shop, external_id: str, **fields: object) -> pb.UpsertDocumentResponse:
    return await shop.client.upsert_document(
        pb.UpsertDocumentRequest(document=document(external_id, **fields))
    )


async def batch(shop: Shop, *documents: pb.Document) -> list[list[str]]:
    """The wrong fields of each."""
    request = pb.BatchUpsertDocumentsRequest(documents=documents)
    results = (await shop.client.batch_upsert_documents(request)).results
    return [[field.field for field in one.error.fields] for one in results]


async def test_upsert_with_a_stale_etag_is_aborted_and_changes_nothing(shop: Shop) -> None:
    old = (await put(shop, "a", title="One")).document
    await put(shop, "a", title="Two")
    with refused("ABORTED"):
        await put(shop, "a", title="Three", etag=old.etag)
    assert (await got(shop, "a")).title == "Two"


async def test_upsert_with_the_newest_etag_goes_through(shop: Shop) -> None:
    first = (await put(shop, "a", title="One")).document
    second = (await put(shop, "a", title="Two", etag=first.etag, document_id=first.document_id)).document
    assert second.etag != first.etag
    again = await put(shop, "a", title="Two", etag=second.etag)
    assert again.outcome == pb.UPSERT_OUTCOME_UNCHANGED


async def test_upsert_with_the_etag_of_a_document_that_is_gone_is_aborted(shop: Shop) -> None:
    old = (await put(shop, "a")).document
    await shop.client.delete_document(pb.DeleteDocumentRequest(document_id=old.document_id))
    for external_id in ("a", "never there"):
        with refused("ABORTED"):
            await put(shop, external_id, etag=old.etag)


async def test_of_two_writers_that_saw_the_same_state_one_wins(shop: Shop) -> None:
    seen = (await put(shop, "a", title="One")).document
    writers = [put(shop, "a", title=f"Writer {number}", etag=seen.etag) for number in range(8)]
    done = await asyncio.gather(*writers, return_exceptions=True)
    won = [one for one in done if isinstance(one, pb.UpsertDocumentResponse)]
    assert len(won) == 1
    assert {one.code for one in done if isinstance(one, CallFailed)} == {"ABORTED"}
    assert (await got(shop, "a")).title == won[0].document.title


async def test_foreign_document_id_is_refused_by_name(shop: Shop, running: Running) -> None:
    other = (await put(shop, "b")).document
    stranger = await upsert(await new_shop(running), "a", "Text.")
    await put(shop, "a")
    for document_id in (other.document_id, stranger.document_id, str(uuid.uuid4()), "7"):
        for external_id in ("a", "new"):
            with refused("INVALID_ARGUMENT", field="document.document_id"):
                await put(shop, external_id, document_id=document_id)


async def test_etag_that_we_never_gave_is_refused(shop: Shop) -> None:
    await put(shop, "a")
    with refused("INVALID_ARGUMENT", field="document.etag"):
        await put(shop, "a", etag="W/1")
    with refused("INVALID_ARGUMENT", field="etag"):
        await shop.client.delete_document(pb.DeleteDocumentRequest(key=key("a"), etag="9" * 30))


async def test_items_of_a_batch_are_checked_each_for_itself(shop: Shop) -> None:
    old = (await put(shop, "a", title="One")).document
    new = (await put(shop, "a", title="Two")).document
    fields = await batch(
        shop,
        document("a", title="Three", etag=old.etag),
        document("b", document_id=old.document_id),
        document("c"),
        document("child", parent_key=key("missing"), etag=new.etag),
    )
    assert fields == [["etag"], ["document_id"], [], ["etag"]]
    assert (await got(shop, "a")).title == "Two"


async def test_child_of_a_refused_parent_is_refused_too(shop: Shop) -> None:
    fields = await batch(shop, document("parent", etag="7"), document("child", parent_key=key("parent")))
    assert fields == [["etag"], ["parent_key"]]


async def test_import_checks_etags_too(shop: Shop) -> None:
    old = (await put(shop, "a", title="One")).document
    await put(shop, "a", title="Two")

    async def requests() -> AsyncIterator[pb.ImportDocumentsRequest]:
        yield pb.ImportDocumentsRequest(config=pb.ImportConfig(import_id=str(uuid.uuid4())))
        yield pb.ImportDocumentsRequest(
            chunk=pb.ImportChunk(documents=[document("a", title="Three", etag=old.etag)])
        )

    events = [event async for event in shop.client.import_documents(requests())]
    assert events[-1].summary.failed_count == 1
    reasons = [one.error.reason for event in events for one in event.item_errors.errors]
    assert reasons == ["CONFLICT"]
    assert (await got(shop, "a")).title == "Two"


def key(external_id: str) -> pb.DocumentKey:
    return pb.DocumentKey(source_type="article", external_id=external_id)


# --- deletes and declarations


async def test_delete_with_a_stale_etag_deletes_nothing(shop: Shop) -> None:
    old = (await put(shop, "a", title="One")).document
    new = (await put(shop, "a", title="Two")).document
    for selector in ({"document_id": old.document_id}, {"key": key("a")}):
        with refused("ABORTED"):
            await shop.client.delete_document(pb.DeleteDocumentRequest(**selector, etag=old.etag))
    await shop.client.delete_document(pb.DeleteDocumentRequest(key=key("a"), etag=new.etag))
    with refused("NOT_FOUND"):
        await shop.client.delete_document(pb.DeleteDocumentRequest(key=key("a"), etag=new.etag))


async def test_tenant_with_a_stale_etag_is_not_deleted(running: Running) -> None:
    tenant = (await new_shop(running)).tenant
    wanted = tenants_pb.Tenant(tenant_id=tenant.tenant_id, name="New name")
    request = tenants_pb.UpdateTenantRequest(tenant=wanted)
    request.update_mask.paths.append("name")
    changed = (await running.client.update_tenant(request)).tenant
    with refused("ABORTED"):
        await running.client.delete_tenant(
            tenants_pb.DeleteTenantRequest(tenant_id=tenant.tenant_id, etag=tenant.etag)
        )
    deleted = await running.client.delete_tenant(
        tenants_pb.DeleteTenantRequest(tenant_id=tenant.tenant_id, etag=changed.etag)
    )
    assert deleted.tenant.HasField("delete_time")
    nobody = tenants_pb.DeleteTenantRequest(tenant_id=str(uuid.uuid4()), etag="1")
    assert (await failure_of(running.client.delete_tenant(nobody))).code == "NOT_FOUND"


async def test_source_with_a_stale_etag_is_neither_changed_nor_deleted(running: Running, shop: Shop) -> None:
    operator = running.client.for_tenant(shop.tenant_id)
    old = (await operator.upsert_source(declared_source())).source
    new = (await operator.upsert_source(declared_source())).source
    assert new.etag != old.etag
    calls: list[Callable[[str], Awaitable[object]]] = [
        lambda etag: operator.upsert_source(changed(etag)),
        lambda etag: operator.delete_source(sources_pb.DeleteSourceRequest(name="spices", etag=etag)),
    ]
    for call in calls:
        with refused("ABORTED"):
            await call(old.etag)
    newest = (await operator.upsert_source(changed(new.etag))).source
    assert newest.title_template == "Changed"
    await operator.delete_source(sources_pb.DeleteSourceRequest(name="spices", etag=newest.etag))
    for call in calls:
        assert (await failure_of(call(newest.etag))).code in {"ABORTED", "NOT_FOUND"}


def changed(etag: str) -> sources_pb.UpsertSourceRequest:
    request = declared_source()
    request.source.title_template = "Changed"
    request.source.etag = etag
    return request
