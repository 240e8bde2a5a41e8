"""The channels' fake of the service keeps the contract: whatever is asked here, the real service answers alike."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import pytest
import pytest_asyncio
from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service.client import Client, connect
from tests.fakes.retrieval_server import FakeRetrieval, running_retrieval_service
from tests.kits.answers_kit import Heard, assert_well_formed, lamp_shop
from tests.kits.service_kit import Running, in_one_task, new_key, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUESTION = "Within how many days may a lamp be returned?"
NAME = "Demo shop"


@dataclass(frozen=True, kw_only=True)
class Door:
    """One shop of a service, and how a channel of many shops gets in."""

    address: str
    key: str
    tenant_id: str
    public_key: str
    name: str
    client: Client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fake_service() -> AsyncIterator[FakeRetrieval]:
    async with in_one_task(running_retrieval_service()) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fake_door(fake_service: FakeRetrieval) -> AsyncIterator[Door]:
    public_key = str(uuid.uuid4())
    tenant_id = fake_service.add_shop(public_key=public_key, name=NAME).tenant_id
    async with connect(fake_service.address, fake_service.key, tenant_id=tenant_id) as client:
        yield Door(
            address=fake_service.address,
            key=fake_service.key,
            tenant_id=tenant_id,
            public_key=public_key,
            name=NAME,
            client=client,
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def real_door(running: Running) -> AsyncIterator[Door]:
    shop = await lamp_shop(running)
    key = await new_key(running, (tenants_pb.SCOPE_CHANNEL,))
    address = f"127.0.0.1:{running.port}"
    async with connect(address, key, tenant_id=shop.tenant_id) as client:
        yield Door(
            address=address,
            key=key,
            tenant_id=shop.tenant_id,
            public_key=shop.tenant.public_key,
            name=shop.tenant.name,
            client=client,
        )


@pytest.fixture(params=["fake_door", "real_door"], ids=["fake", "real"])
def door(request: pytest.FixtureRequest) -> Door:
    return request.getfixturevalue(request.param)


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """One of a visitor who has the token."""

    client: Client
    session_id: str
    token: str

    def asking(self, request_id: str = "", question: str = QUESTION) -> pb.StreamAnswerRequest:
        return pb.StreamAnswerRequest(
            question=question,
            session_id=self.session_id,
            session_token=self.token,
            request_id=request_id or str(uuid.uuid4()),
        )

    async def ask(self, request: pb.StreamAnswerRequest) -> Heard:
        return Heard(events=[event async for event in self.client.stream_answer(request)])


@pytest_asyncio.fixture(loop_scope="module")
async def conversation(door: Door) -> Conversation:
    return await opened(door)


async def opened(door: Door) -> Conversation:
    made = await door.client.create_session(pb.CreateSessionRequest(channel="widget"))
    return Conversation(client=door.client, session_id=made.session_id, token=made.session_token)


# --- who gets in


async def test_wrong_key_opens_nothing(door: Door) -> None:
    async with connect(door.address, "kladez_wrong", tenant_id=door.tenant_id) as client:
        with refused("UNAUTHENTICATED") as caught:
            await client.create_session(pb.CreateSessionRequest(channel="widget"))
        assert caught.value.reason == "KEY_INVALID"
        with refused("UNAUTHENTICATED"):
            await client.resolve_public_key(tenants_pb.ResolvePublicKeyRequest(public_key=door.public_key))


async def test_shop_that_there_is_not_is_nobodys(door: Door) -> None:
    async with connect(door.address, door.key, tenant_id=str(uuid.uuid4())) as client:
        with refused("NOT_FOUND"):
            await client.create_session(pb.CreateSessionRequest(channel="widget"))


async def test_public_key_leads_to_its_shop_alone(door: Door) -> None:
    request = tenants_pb.ResolvePublicKeyRequest(public_key=door.public_key)
    found = await door.client.resolve_public_key(request)
    assert (found.tenant_id, found.name) == (door.tenant_id, door.name)
    with refused("NOT_FOUND"):
        request = tenants_pb.ResolvePublicKeyRequest(public_key=str(uuid.uuid4()))
        await door.client.resolve_public_key(request)


async def test_nobody_guesses_a_snapshot(door: Door) -> None:
    with refused("NOT_FOUND"):
        await door.client.resolve_snapshot(search_pb.ResolveSnapshotRequest(token="guessed" * 6))


# --- conversations


async def test_answer_comes_in_the_form_of_the_contract(conversation: Conversation) -> None:
    heard = await conversation.ask(conversation.asking())
    assert_well_formed(heard)
    answer = heard.completed.answer
    assert answer.status == pb.ANSWER_STATUS_COMPLETED
    assert answer.answer_id == heard.started.answer_id
    assert (answer.session_id, answer.question) == (conversation.session_id, QUESTION)


async def test_same_request_is_answered_with_the_same_answer(conversation: Conversation) -> None:
    request = conversation.asking()
    first, again = await conversation.ask(request), await conversation.ask(request)
    assert_well_formed(again)
    assert again.completed.answer == first.completed.answer


async def test_same_request_with_another_question_is_refused(conversation: Conversation) -> None:
    request = conversation.asking()
    await conversation.ask(request)
    with refused("INVALID_ARGUMENT"):
        await conversation.ask(conversation.asking(request.request_id, "And how much is a lamp?"))


async def test_channel_needs_a_conversation_and_its_token(door: Door, conversation: Conversation) -> None:
    stranger = await opened(door)
    request = conversation.asking()
    request.session_token = stranger.token
    with refused("NOT_FOUND"):
        await conversation.ask(request)
    request.session_token = ""
    with refused("NOT_FOUND"):
        await conversation.ask(request)
    request.session_id = ""
    with refused("INVALID_ARGUMENT"):
        await conversation.ask(request)


async def test_answer_is_rated_in_its_own_conversation(door: Door, conversation: Conversation) -> None:
    answer_id = (await conversation.ask(conversation.asking())).started.answer_id
    request = pb.SubmitFeedbackRequest(
        answer_id=answer_id,
        session_id=conversation.session_id,
        session_token=conversation.token,
        rating=pb.RATING_UP,
    )
    await door.client.submit_feedback(request)
    stranger = await opened(door)
    request.session_token = stranger.token
    with refused("NOT_FOUND"):
        await door.client.submit_feedback(request)
    request.session_id = stranger.session_id
    with refused("NOT_FOUND"):
        await door.client.submit_feedback(request)


async def test_answer_that_is_whole_is_not_cancelled(door: Door, conversation: Conversation) -> None:
    asked = conversation.asking()
    whole = (await conversation.ask(asked)).completed.answer
    request = pb.CancelAnswerRequest(
        request_id=asked.request_id,
        session_id=conversation.session_id,
        session_token=conversation.token,
    )
    assert (await door.client.cancel_answer(request)).answer == whole
    request.request_id = str(uuid.uuid4())
    with refused("NOT_FOUND"):
        await door.client.cancel_answer(request)


async def test_answer_goes_on_without_its_reader(conversation: Conversation) -> None:
    request = conversation.asking()
    async with aclosing(conversation.client.stream_answer(request)) as events:
        answer_id = (await anext(events)).started.answer_id
    heard = await conversation.ask(request)
    assert_well_formed(heard)
    assert heard.started.answer_id == answer_id


async def test_conversation_is_handed_over_once(door: Door, conversation: Conversation) -> None:
    answer = (await conversation.ask(conversation.asking())).completed.answer
    made = await door.client.create_handoff(
        pb.CreateHandoffRequest(session_id=conversation.session_id, session_token=conversation.token)
    )
    request = pb.ClaimHandoffRequest(code=made.code, channel="telegram", user_key="7")
    claimed = await door.client.claim_handoff(request)
    assert (claimed.session_id, claimed.public_key) == (conversation.session_id, door.public_key)
    assert claimed.last_turn.answer_id == answer.answer_id
    taken = Conversation(client=door.client, session_id=claimed.session_id, token=claimed.session_token)
    assert_well_formed(await taken.ask(taken.asking()))
    with refused("NOT_FOUND"):
        await door.client.claim_handoff(request)


async def test_nothing_is_handed_over_without_the_token(door: Door, conversation: Conversation) -> None:
    with refused("NOT_FOUND"):
        await door.client.create_handoff(pb.CreateHandoffRequest(session_id=conversation.session_id))
