"""Snapshots over the wire: kept for one reader, opened by a token, gone with time and with their documents."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import search_service_pb2 as pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service.client import Client
from retrieval_service.stores.chats import snapshots
from tests.kits.isolation_kit import dump
from tests.kits.service_kit import (
    Running,
    Shop,
    bearer,
    failure_of,
    new_key,
    new_shop,
    refused,
    upsert,
    wait_until_indexed,
)
from widget_gateway.app import build_app
from widget_gateway.config import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUERY = "How are Zanzibar cloves dried?"
CLOVES = "Zanzibar cloves are dried in the sun for five days."
NUTMEG = "Zanzibar nutmeg is dried beside the cloves in the shade."


@pytest_asyncio.fixture(loop_scope="module")
async def spices(running: Running) -> Shop:
    shop = await new_shop(running)
    address = "https://shop.example/cloves"
    await upsert(shop, "cloves", CLOVES, title="Cloves", url=address, section="Spices", language="en")
    await upsert(shop, "nutmeg", NUTMEG, title="Nutmeg", url="/nutmeg", language="en")
    await wait_until_indexed(shop)
    return shop


async def create(shop: Shop, **fields: object) -> pb.CreateSnapshotResponse:
    request = pb.CreateSnapshotRequest(**{"query": QUERY, "reader_key": "anna", **fields})
    return await shop.client.create_snapshot(request)


async def get(shop: Shop, snapshot_id: str) -> pb.Snapshot:
    return (await shop.client.get_snapshot(pb.GetSnapshotRequest(snapshot_id=snapshot_id))).snapshot


async def resolve(client: Client, token: str) -> pb.Snapshot:
    return (await client.resolve_snapshot(pb.ResolveSnapshotRequest(token=token))).snapshot


def hit(snapshot: pb.Snapshot, external_id: str) -> pb.SnapshotHit:
    return next(one for one in snapshot.hits if one.external_id == external_id)


async def expire(running: Running, snapshot_id: str) -> None:
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        await connection.execute(
            "UPDATE snapshots SET expires_at = now() - interval '1 second' WHERE id = %s", [snapshot_id]
        )


async def test_snapshot_keeps_query_summary_and_hits_with_their_sources(spices: Shop) -> None:
    made = await create(spices)
    kept = await get(spices, made.snapshot.snapshot_id)
    assert kept == made.snapshot
    assert (kept.query, kept.language, kept.summarizer) == (QUERY, "en", "extractive")
    cloves = hit(kept, "cloves")
    assert (cloves.title, cloves.section, cloves.snippet) == ("Cloves", "Spices", CLOVES)
    assert (cloves.url, cloves.source_type) == ("https://shop.example/cloves", "article")
    assert 0 < cloves.score <= 1
    assert cloves.document_id
    assert cloves.chunk_id
    assert CLOVES in kept.summary_html
    assert f">[{cloves.number}]</a>" in kept.summary_html


async def test_token_opens_the_snapshot_without_naming_a_tenant(running: Running, spices: Shop) -> None:
    made = await create(spices)
    channel_key = await new_key(running, [tenants_pb.SCOPE_CHANNEL])
    assert await resolve(Client(running.channel, bearer(channel_key)), made.token) == made.snapshot
    assert await resolve(spices.client, made.token) == made.snapshot


async def test_reading_key_cannot_open_tokens_of_all_tenants(running: Running, spices: Shop) -> None:
    made = await create(spices)
    key = await new_key(running, [tenants_pb.SCOPE_TENANT_READ], tenant_id=spices.tenant_id)
    with refused("PERMISSION_DENIED"):
        await resolve(Client(running.channel, bearer(key)), made.token)


async def test_only_the_hash_of_a_long_token_is_stored(running: Running, spices: Shop) -> None:
    tokens = {(await create(spices)).token for _ in range(5)}
    assert len(tokens) == 5
    assert min(len(token) for token in tokens) >= 22  # 128 bits in base64
    token = (await create(spices)).token
    rows = str(await dump(running, spices.tenant_id))
    assert token not in rows
    assert hashlib.sha256(token.encode()).hexdigest() in rows


async def test_readers_next_snapshot_takes_the_place_of_the_former(spices: Shop) -> None:
    former = await create(spices)
    others = await create(spices, reader_key="boris")
    current = await create(spices, query="How is nutmeg dried?")
    with refused("NOT_FOUND"):
        await get(spices, former.snapshot.snapshot_id)
    with refused("NOT_FOUND"):
        await resolve(spices.client, former.token)
    assert await get(spices, others.snapshot.snapshot_id) == others.snapshot
    assert await resolve(spices.client, current.token) == current.snapshot


async def test_snapshots_made_at_once_all_arrive_and_the_last_one_stays(spices: Shop) -> None:
    made = await asyncio.gather(*(create(spices) for _ in range(12)))
    assert all(one.snapshot.hits and CLOVES in one.snapshot.summary_html for one in made)
    assert len({one.snapshot.snapshot_id for one in made}) == len({one.token for one in made}) == 12
    opened = await asyncio.gather(
        *(resolve(spices.client, one.token) for one in made), return_exceptions=True
    )
    [current] = [one for one in opened if isinstance(one, pb.Snapshot)]
    assert current in [one.snapshot for one in made]


@pytest.mark.parametrize(("asked", "days"), [(0, 7), (1, 1), (30, 30)])
async def test_snapshot_is_kept_for_the_days_asked_for(spices: Shop, asked: int, days: int) -> None:
    made = (await create(spices, valid_days=asked)).snapshot
    kept_for = made.expire_time.ToDatetime(UTC) - made.create_time.ToDatetime(UTC)
    assert abs(kept_for - timedelta(days=days)) < timedelta(hours=2)
    assert made.expire_time.ToDatetime(UTC) > datetime.now(UTC)


async def test_wrong_requests_are_refused_by_field(spices: Shop) -> None:
    for wrong, field in (
        ({"valid_days": 31}, "valid_days"),
        ({"valid_days": -1}, "valid_days"),
        ({"reader_key": ""}, "reader_key"),
        ({"reader_key": "x" * 129}, "reader_key"),
        ({"query": ""}, "query"),
    ):
        with refused("INVALID_ARGUMENT", field=field):
            await create(spices, **wrong)


@pytest.mark.parametrize(
    "token",
    [
        "",
        " ",
        "\u200b" * 32,
        "A" * 15,
        "A" * 129,
        "A" * 20_000,
        "../../etc/passwd",
        "A" * 32 + "\0",
        "A" * 32 + "\n",
        "Ж" * 32,
    ],
)
async def test_what_is_no_token_is_refused_by_field(running: Running, spices: Shop, token: str) -> None:
    key = await new_key(running, [tenants_pb.SCOPE_CHANNEL])
    for client in (Client(running.channel, bearer(key)), spices.client):
        failure = await failure_of(resolve(client, token))
        assert (failure.code, [one.field for one in failure.violations]) == ("INVALID_ARGUMENT", ["token"])


async def test_token_of_another_shop_is_told_to_be_what_an_unknown_one_is(
    running: Running, spices: Shop
) -> None:
    made, other = await create(spices), await new_shop(running)
    key = await new_key(running, [tenants_pb.SCOPE_CHANNEL], tenant_id=other.tenant_id)
    client = Client(running.channel, bearer(key))
    existing, unknown = [await failure_of(resolve(client, token)) for token in (made.token, "A" * 32)]
    assert existing.code == "NOT_FOUND"
    assert (existing.code, str(existing), existing.reason) == (unknown.code, str(unknown), unknown.reason)
    assert spices.tenant_id not in repr(vars(existing))


async def test_expired_snapshot_is_not_found_and_is_pruned(running: Running, spices: Shop) -> None:
    made, other = await create(spices), await create(spices, reader_key="boris")
    await expire(running, made.snapshot.snapshot_id)
    with refused("NOT_FOUND"):
        await get(spices, made.snapshot.snapshot_id)
    with refused("NOT_FOUND"):
        await resolve(spices.client, made.token)
    async with running.service.database.operator() as operator:
        assert await snapshots.prune(operator) >= 1
    rows = (await dump(running, spices.tenant_id))["snapshots"]
    assert [row[0]["id"] for row in rows] == [other.snapshot.snapshot_id]


async def test_deleted_snapshot_is_not_found(spices: Shop) -> None:
    made = await create(spices)
    request = pb.DeleteSnapshotRequest(snapshot_id=made.snapshot.snapshot_id)
    await spices.client.delete_snapshot(request)
    with refused("NOT_FOUND"):
        await resolve(spices.client, made.token)
    with refused("NOT_FOUND"):
        await spices.client.delete_snapshot(request)


async def test_snapshot_of_a_deleted_tenant_is_not_found(running: Running, spices: Shop) -> None:
    made = await create(spices)
    await running.client.delete_tenant(tenants_pb.DeleteTenantRequest(tenant_id=spices.tenant_id))
    with refused("NOT_FOUND"):
        await resolve(running.client, made.token)


async def test_text_of_a_deleted_document_is_shown_no_more(spices: Shop) -> None:
    made = await create(spices)
    key = documents_pb.DocumentKey(source_type="article", external_id="cloves")
    await spices.client.delete_document(documents_pb.DeleteDocumentRequest(key=key))
    kept = await get(spices, made.snapshot.snapshot_id)
    assert [one.external_id for one in kept.hits] == ["nutmeg"]
    assert kept.summary_html == ""


async def test_purge_leaves_nothing_of_a_document_in_snapshots_and_says_so(
    running: Running, spices: Shop
) -> None:
    made = await create(spices)
    selector = documents_pb.DocumentSelector(
        ids=documents_pb.DocumentIds(document_ids=[hit(made.snapshot, "cloves").document_id])
    )
    request = documents_pb.PurgeDocumentsRequest(selector=selector, confirm=True)
    receipt = await spices.client.purge_documents(request)
    [counted] = [one for one in receipt.tables if one.table == "snapshot_hits"]
    assert (counted.removed_count, counted.remaining_count) == (1, 0)
    kept = await get(spices, made.snapshot.snapshot_id)
    assert [one.external_id for one in kept.hits] == ["nutmeg"]
    rows = await dump(running, spices.tenant_id)
    assert "five days" not in str(rows["snapshots"]) + str(rows["snapshot_hits"])


async def test_query_without_an_answer_makes_an_honest_snapshot(spices: Shop) -> None:
    made = await create(spices, query="Who won the chess championship in Reykjavik?")
    assert made.snapshot.summary_html.startswith("<p>I don't know:")
    assert not made.snapshot.hits


async def test_gateway_shows_the_snapshot_by_its_token(running: Running, spices: Shop) -> None:
    made = await create(spices)
    settings = Settings.model_validate({"service_address": "unused:1", "channel_key": "unused"})
    async with TestClient(TestServer(build_app(settings, running.client))) as visitor:
        response = await visitor.get(f"/s/{made.token}")
        shown = await response.text()
        assert response.status == 200
        assert made.snapshot.summary_html in shown
        assert QUERY in shown
        missing = await visitor.get(f"/s/{'A' * 32}")
        assert missing.status == 404
