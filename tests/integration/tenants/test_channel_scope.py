"""What a key of scope `channel` can do: speak in conversations that it can prove, and nothing else."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from google.protobuf import message
from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import common_pb2
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service import server
from retrieval_service.api.access.policies import CHANNEL, POLICIES, TENANT_READ
from retrieval_service.client import CallFailed, Client
from tests.house.repository import ROOT
from tests.kits.answers_kit import QUESTION, RETURNS, ask
from tests.kits.gate_kit import ANSWER, OURS, raw
from tests.kits.service_kit import (
    Running,
    Shop,
    bearer,
    failure_of,
    new_key,
    refused,
    upsert,
    wait_until_indexed,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHANNELS = sorted(method for method, policy in POLICIES.items() if CHANNEL in policy.scopes)
MOUTHS = ("bot", "widget_gateway")
# By which both hold conversations.
CONVERSATIONS = ROOT / "retrieval_service" / "client" / "conversations.py"


@pytest_asyncio.fixture(loop_scope="module", params=["a tenant's own", "of many tenants"])
async def mouth(running: Running, lamps: Shop, request: pytest.FixtureRequest) -> Shop:
    """A client with a channel's key, stolen perhaps."""
    tenant_id = lamps.tenant_id if request.param == "a tenant's own" else ""
    key = await new_key(running, [tenants_pb.SCOPE_CHANNEL], tenant_id=tenant_id)
    client = Client(running.channel, bearer(key)).for_tenant(lamps.tenant_id)
    return Shop(tenant=lamps.tenant, client=client, key=key)


async def opened(shop: Shop) -> pb.CreateSessionResponse:
    return await shop.client.create_session(pb.CreateSessionRequest(channel="widget", user_key="ann"))


async def test_channels_may_call_what_the_mouths_call_and_no_more() -> None:
    files = [file for folder in MOUTHS for file in (ROOT / folder).rglob("*.py")]
    sources = "".join(file.read_text() for file in (*files, CONVERSATIONS))
    called = {method for method in OURS if re.search(rf"(client|knowledge)\.{snake(method)}\(", sources)}
    assert called == set(CHANNELS)


def snake(method: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", method.rpartition("/")[2]).lower()


@pytest.mark.parametrize("method", sorted(set(OURS) - set(CHANNELS)))
async def test_everything_else_is_refused_to_channels(running: Running, lamps: Shop, method: str) -> None:
    key = await new_key(running, [tenants_pb.SCOPE_CHANNEL])
    metadata = bearer(key, ("x-tenant-id", lamps.tenant_id))
    assert (await raw(running.channel, method, b"", metadata)).code == "PERMISSION_DENIED"


# By method, a call that is well when the session and its token are.
Call = Callable[[Shop, str, str, str], Any]
CALLS: dict[str, Call] = {
    "StreamAnswer": lambda shop, session_id, token, _: ask(
        shop, session_id=session_id, session_token=token, visitor="ann"
    ),
    "CancelAnswer": lambda shop, session_id, token, answer_id: shop.client.cancel_answer(
        pb.CancelAnswerRequest(answer_id=answer_id, session_id=session_id, session_token=token)
    ),
    "CreateHandoff": lambda shop, session_id, token, _: shop.client.create_handoff(
        pb.CreateHandoffRequest(session_id=session_id, session_token=token)
    ),
    "SubmitFeedback": lambda shop, session_id, token, answer_id: shop.client.submit_feedback(
        pb.SubmitFeedbackRequest(
            answer_id=answer_id, session_id=session_id, session_token=token, rating=pb.RATING_DOWN
        )
    ),
}


def session_methods() -> set[str]:
    """Methods of channels whose requests name what belongs to a conversation."""
    requests = {
        f"/{service.full_name}/{method.name}": method.input_type
        for service in server.SERVICES
        for method in service.methods
    }
    named = {"session_id", "answer_id", "snapshot_id"}
    return {
        method.rpartition("/")[2]
        for method in CHANNELS
        if named & {field.name for field in requests[method].fields}
    }


async def test_every_method_about_a_conversation_asks_for_its_token() -> None:
    assert session_methods() == set(CALLS)


@pytest.mark.parametrize("name", sorted(CALLS))
async def test_conversation_is_reached_with_its_token_alone(lamps: Shop, mouth: Shop, name: str) -> None:
    own, others = await opened(mouth), await opened(lamps)
    answer_id = (await ask(lamps, session_id=own.session_id)).completed.answer.answer_id
    for token in ("", "x", others.session_token, own.session_token.lower()):
        failure = await failure_of(CALLS[name](mouth, own.session_id, token, answer_id))
        assert failure.code == "NOT_FOUND", token
    with refused("INVALID_ARGUMENT", field="session_id"):
        await CALLS[name](mouth, "", own.session_token, answer_id)
    assert await CALLS[name](mouth, own.session_id, own.session_token, answer_id) is not None


async def test_missing_token_is_named(mouth: Shop) -> None:
    session = await opened(mouth)
    failure = await failure_of(ask(mouth, session_id=session.session_id))
    assert "session_token" in str(failure)


@pytest.mark.parametrize("name", ["CancelAnswer", "SubmitFeedback"])
async def test_own_token_opens_no_answer_of_another_conversation(lamps: Shop, mouth: Shop, name: str) -> None:
    own, others = await opened(mouth), await opened(lamps)
    foreign = (await ask(lamps, session_id=others.session_id)).completed.answer.answer_id
    for answer_id in (foreign, (await ask(lamps)).completed.answer.answer_id, str(uuid.uuid4())):
        with refused("NOT_FOUND"):
            await CALLS[name](mouth, own.session_id, own.session_token, answer_id)


async def test_conversation_without_any_token_is_begun_anew(running: Running, mouth: Shop) -> None:
    """As one of an older version is."""
    session = await opened(mouth)
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        await connection.execute(
            "UPDATE chat_sessions SET token_hashes = DEFAULT WHERE id = %(id)s", {"id": session.session_id}
        )
    with refused("NOT_FOUND"):
        await ask(mouth, session_id=session.session_id, session_token=session.session_token)


async def test_handed_over_conversation_is_proven_by_both_tokens(running: Running, mouth: Shop) -> None:
    session = await opened(mouth)
    await ask(mouth, session_id=session.session_id, session_token=session.session_token)
    tokens = [session.session_token]
    for _ in range(3):
        handoff = await mouth.client.create_handoff(
            pb.CreateHandoffRequest(session_id=session.session_id, session_token=tokens[-1])
        )
        claimed = await mouth.client.claim_handoff(
            pb.ClaimHandoffRequest(code=handoff.code, channel="telegram")
        )
        assert claimed.session_token not in tokens
        tokens.append(claimed.session_token)
    for token in tokens:
        assert (await ask(mouth, session_id=session.session_id, session_token=token)).text


async def test_tokens_of_a_conversation_taken_along_without_end_stay_few(
    running: Running, lamps: Shop
) -> None:
    session = await opened(lamps)
    for _ in range(15):
        handoff = await lamps.client.create_handoff(pb.CreateHandoffRequest(session_id=session.session_id))
        claimed = await lamps.client.claim_handoff(
            pb.ClaimHandoffRequest(code=handoff.code, channel="telegram")
        )
    async with await psycopg.AsyncConnection.connect(running.dsn) as connection:
        cursor = await connection.execute(
            "SELECT cardinality(token_hashes) FROM chat_sessions WHERE id = %(id)s",
            {"id": session.session_id},
        )
        assert await cursor.fetchone() == (10,)
    assert claimed.session_token


async def test_answer_under_way_is_joined_with_its_token_alone(running: Running, mouth: Shop) -> None:
    session, request_id = await opened(mouth), str(uuid.uuid4())
    asked = {"session_id": session.session_id, "request_id": request_id}

    async def joined(token: str) -> str:
        try:
            return (await ask(mouth, session_token=token, **asked)).text
        except CallFailed as failure:
            return failure.code

    told = await asyncio.gather(
        *(joined(token) for token in (session.session_token, "stolen", session.session_token, "another"))
    )
    assert told[0]
    assert told == [told[0], "NOT_FOUND", told[0], "NOT_FOUND"]


FILTERS = (
    common_pb2.Filter(),
    common_pb2.Filter(tags=["x"]),
    common_pb2.Filter(metadata=[common_pb2.MetadataCondition(key="cost", range=common_pb2.MetadataRange())]),
)


@pytest.mark.parametrize("fields", [{"trial": True}, *({"filter": one} for one in FILTERS)])
async def test_questions_that_no_customer_asks_are_refused(mouth: Shop, fields: dict[str, Any]) -> None:
    session = await opened(mouth)
    if "filter" in fields:
        fields = {**fields, "session_id": session.session_id, "session_token": session.session_token}
    failure = await failure_of(ask(mouth, **fields))
    assert failure.code == "PERMISSION_DENIED"
    assert next(iter(fields)) in str(failure)


async def test_channels_see_of_a_passage_what_customers_see(
    running: Running, lamps: Shop, mouth: Shop
) -> None:
    await upsert(
        lamps, "long", f"{RETURNS} " * 12, title="Returns at length", language="en", metadata={"cost": 7}
    )
    await wait_until_indexed(lamps)
    session = await opened(mouth)
    heard = await ask(mouth, session_id=session.session_id, session_token=session.session_token)
    shown = [*heard.started.references, *heard.completed.answer.references]
    handoff = await mouth.client.create_handoff(
        pb.CreateHandoffRequest(session_id=session.session_id, session_token=session.session_token)
    )
    claimed = await mouth.client.claim_handoff(pb.ClaimHandoffRequest(code=handoff.code, channel="telegram"))
    shown += claimed.last_turn.references
    assert shown
    assert 200 < max(len(one.snippet) for one in shown) <= 240
    whole = (await ask(lamps, session_id=session.session_id)).completed.answer.references
    assert max(len(one.snippet) for one in whole) > 240


async def test_reader_of_the_tenant_needs_no_token(lamps: Shop, mouth: Shop) -> None:
    session = await opened(mouth)
    assert (await ask(lamps, session_id=session.session_id)).text
    assert await lamps.client.create_handoff(pb.CreateHandoffRequest(session_id=session.session_id))


async def test_channels_alone_are_who_must_prove() -> None:
    """The proof is asked of whoever lacks `tenant:read`, so every other scope of these methods must be that one."""
    needing = [method for method in CHANNELS if method.rpartition("/")[2] in CALLS]
    assert [POLICIES[method].scopes for method in needing] == [{CHANNEL, TENANT_READ}] * len(CALLS)


async def test_stolen_key_learns_nothing_by_search_or_snapshot(lamps: Shop, mouth: Shop) -> None:
    kept = await lamps.client.create_snapshot(
        search_pb.CreateSnapshotRequest(query=QUESTION, reader_key="reader")
    )
    attempts: list[tuple[Callable[[Any], Any], message.Message]] = [
        (mouth.client.search, search_pb.SearchRequest(query=QUESTION)),
        (mouth.client.summarize_search, search_pb.SummarizeSearchRequest(query=QUESTION)),
        (mouth.client.create_snapshot, search_pb.CreateSnapshotRequest(query=QUESTION, reader_key="x")),
        (mouth.client.get_snapshot, search_pb.GetSnapshotRequest(snapshot_id=kept.snapshot.snapshot_id)),
        (
            mouth.client.delete_snapshot,
            search_pb.DeleteSnapshotRequest(snapshot_id=kept.snapshot.snapshot_id),
        ),
    ]
    for call, request in attempts:
        with refused("PERMISSION_DENIED"):
            await call(request)
    resolved = await mouth.client.resolve_snapshot(search_pb.ResolveSnapshotRequest(token=kept.token))
    assert resolved.snapshot.snapshot_id == kept.snapshot.snapshot_id
    assert ANSWER in CHANNELS
