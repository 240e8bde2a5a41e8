"""Conversations over the wire: follow-ups, turns, erasure, retention and handoffs."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any, LiteralString

import psycopg
import pytest
import pytest_asyncio
from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import insight_service_pb2 as insights_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service.client import Client
from retrieval_service.postgres.embedded import Embedded
from retrieval_service.services.answering.conversations import Conversing
from tests.fakes.openai import FakeOpenAI, Fault, Script, wire
from tests.fakes.openai.responses import usage
from tests.fakes.openai.scripts import STATUS
from tests.kits.answers_kit import (
    QUESTION,
    ask,
    assert_well_formed,
    ended_answer,
    lamp_shop,
    new_session,
    stored,
)
from tests.kits.service_kit import (
    Running,
    Shop,
    bearer,
    failure_of,
    new_key,
    new_shop,
    refused,
    shared_service,
    upsert,
    wait_until_indexed,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODEL = "/responses"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def generating(
    postgres_server: Embedded, migrated_template: str, shared_fake: FakeOpenAI
) -> AsyncIterator[Running]:
    """With a model, unlike `running`."""
    changes = {"answerer": "responses", "openai_base_url": shared_fake.base_url}
    async with shared_service(postgres_server, migrated_template, **changes) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def written(generating: Running) -> Shop:
    return await lamp_shop(generating)


LAMPS = {
    "ru": ("Чайник Волна", "Чайник Волна стоит 990 рублей.", "Сколько литров в чайнике Волна?"),
    "en": ("Kettle Wave", "The kettle Wave costs 990 roubles.", "How many litres does the kettle Wave hold?"),
    "pt": ("Chaleira Onda", "A chaleira Onda custa 990 reais.", "Quantos litros tem a chaleira Onda?"),
}


@pytest.mark.parametrize(
    ("language", "follow_up"),
    [("ru", "а сколько она стоит?"), ("en", "and how much is it?"), ("pt", "e quanto ela custa?")],
)
async def test_follow_up_is_answered_from_what_was_spoken_of(
    running: Running, language: str, follow_up: str
) -> None:
    shop = await new_shop(running)
    title, price, first = LAMPS[language]
    litres = {"ru": "В чайнике Волна два литра.", "en": "The kettle Wave holds two litres."}
    text = f"{litres.get(language, 'A chaleira Onda tem dois litros.')} {price}"
    await upsert(shop, "kettle", text, title=title, language=language)
    await upsert(shop, "blender", "990 990 990.", title="990", language=language)
    await wait_until_indexed(shop)
    session_id = await new_session(shop)
    await ask(shop, first, session_id=session_id)
    heard = await ask(shop, follow_up, session_id=session_id)
    assert_well_formed(heard)
    answer = heard.completed.answer
    assert answer.standalone_question.startswith(follow_up)
    assert title.split()[1] in answer.standalone_question
    assert "990" in answer.text
    assert answer.references[0].external_id == "kettle"
    assert answer.language == language
    assert answer.question == follow_up


@pytest.mark.parametrize("message", ["?", "...", ":)"])
async def test_message_without_a_word_is_answered_in_a_conversation_too(lamps: Shop, message: str) -> None:
    session_id = await new_session(lamps)
    await ask(lamps, session_id=session_id)
    heard = await ask(lamps, message, session_id=session_id)
    assert heard.completed.finish_reason == pb.FINISH_REASON_NO_RELEVANT_CONTENT


@pytest.mark.parametrize("between", ["thank you!", "anything else?", "Do you repair gramophones?"])
async def test_turn_without_an_answer_changes_nothing_of_what_is_spoken_of(
    running: Running, between: str
) -> None:
    shop = await new_shop(running)
    await upsert(shop, "kettle", "The kettle Wave costs 990 roubles.", title="Kettle Wave", language="en")
    await wait_until_indexed(shop)
    session_id = await new_session(shop)
    for said in ("How much is the kettle Wave?", between):
        await ask(shop, said, session_id=session_id)
    heard = await ask(shop, "and how much is it?", session_id=session_id)
    assert "Wave" in heard.completed.answer.standalone_question
    assert "990" in heard.text


async def test_reply_to_an_earlier_answer_is_about_that_one(running: Running) -> None:
    shop = await new_shop(running)
    for name, price in (("Hammer", "17"), ("Ladder", "84")):
        await upsert(shop, name, f"The {name} costs {price} euros.", title=name, language="en")
    await wait_until_indexed(shop)
    session_id = await new_session(shop)
    hammer, _ = [
        (await ask(shop, f"Do you sell a {name}?", session_id=session_id)).started.answer_id
        for name in ("Hammer", "Ladder")
    ]
    assert "84" in (await ask(shop, "and how much is it?", session_id=session_id)).text
    heard = await ask(shop, "and how much is it?", session_id=session_id, in_reply_to=hammer)
    assert "17" in heard.text


async def test_same_words_without_a_conversation_are_left_alone(lamps: Shop) -> None:
    for session_id in ("", await new_session(lamps)):
        heard = await ask(lamps, "and how much is it?", session_id=session_id)
        assert not heard.completed.answer.standalone_question


async def test_question_that_was_taken_for_a_follow_up_is_answered_by_its_own_words(
    written: Shop, fake: FakeOpenAI
) -> None:
    session_id = await new_session(written)
    await ask(written, session_id=session_id)
    fake.script = Script(text="Who won the chess championship in Reykjavik?")
    heard = await ask(written, "and what does it cost, the shipping of a parcel?", session_id=session_id)
    answer = heard.completed.answer
    assert not answer.standalone_question
    assert [reference.external_id for reference in answer.references][:1] == ["shipping"]


async def test_question_that_stands_on_its_own_is_left_alone(written: Shop, fake: FakeOpenAI) -> None:
    session_id = await new_session(written)
    await ask(written, session_id=session_id)
    heard = await ask(written, "What does shipping of a parcel cost?", session_id=session_id)
    assert not heard.completed.answer.standalone_question
    assert len(fake.journal.to(MODEL)) == 2


async def test_model_rewrites_a_follow_up_and_its_tokens_are_counted(written: Shop, fake: FakeOpenAI) -> None:
    session_id = await new_session(written)
    await ask(written, session_id=session_id)
    fake.script = Script(text="Within how many days may a bulb be returned?")
    heard = await ask(written, "and how about it for bulbs?", session_id=session_id)
    asked = [json.dumps(exchange.body) for exchange in fake.journal.to(MODEL)]
    assert len(asked) == 3
    assert "rewrite" in asked[1]
    assert QUESTION in asked[1]
    assert heard.completed.answer.standalone_question == "Within how many days may a bulb be returned?"
    assert "Within how many days may a bulb be returned?" in asked[2]


@pytest.mark.parametrize("rewritten", ["Within how many days may a bulb be returned?", "word " * 200])
async def test_answer_tells_what_its_rewording_took_and_usage_counts_it_once(
    written: Shop, fake: FakeOpenAI, rewritten: str
) -> None:
    """Also of words that were no question."""
    session_id = await new_session(written)
    before = (await ask(written, session_id=session_id)).completed.answer
    fake.script = Script(text=rewritten)
    after = (await ask(written, "and how about it for bulbs?", session_id=session_id)).completed.answer
    rewording, answering = (usage(one.body, rewritten) for one in fake.journal.to(MODEL)[1:])
    assert after.input_tokens == rewording["input_tokens"] + answering["input_tokens"]
    line = wire.count_tokens(fake.script.head_of(STATUS, rewritten))
    assert after.output_tokens == rewording["output_tokens"] + answering["output_tokens"] + line
    logged = (await written.client.list_chat_logs(insights_pb.ListChatLogsRequest())).chat_logs
    assert logged[0].answer.input_tokens == after.input_tokens
    [today] = (await written.client.get_usage(insights_pb.GetUsageRequest())).days
    assert today.input_token_count == before.input_tokens + after.input_tokens
    assert today.output_token_count == before.output_tokens + after.output_tokens


@pytest.mark.parametrize("fault", [{"status": 500}, {"delay_seconds": 3.5}])
async def test_follow_up_is_answered_when_the_model_does_not_rewrite(
    written: Shop, fake: FakeOpenAI, fault: dict[str, float]
) -> None:
    session_id = await new_session(written)
    await ask(written, session_id=session_id)
    fake.fail(Fault(path=MODEL, times=3 if "status" in fault else 1, **fault))
    heard = await ask(written, "and how about it for bulbs?", session_id=session_id)
    assert_well_formed(heard)
    assert heard.completed.answer.standalone_question == "and how about it for bulbs? Returns"


async def test_turns_are_listed_oldest_first_and_page_by_page(lamps: Shop) -> None:
    session_id = await new_session(lamps)
    ids = [(await ask(lamps, session_id=session_id)).started.answer_id for _ in range(3)]
    await ask(lamps)
    request = pb.ListSessionTurnsRequest(session_id=session_id, page_size=2)
    first = await lamps.client.list_session_turns(request)
    assert [turn.answer_id for turn in first.turns] == ids[:2]
    request.page_token = first.next_page_token
    second = await lamps.client.list_session_turns(request)
    assert [turn.answer_id for turn in second.turns] == ids[2:]
    assert not second.next_page_token
    assert second.turns[0] == await stored(lamps, ids[2])


async def test_erased_session_leaves_nothing(running: Running, lamps: Shop) -> None:
    session_id = await new_session(lamps)
    answer_id = (await ask(lamps, session_id=session_id)).started.answer_id
    await lamps.client.create_handoff(pb.CreateHandoffRequest(session_id=session_id))
    erased = await lamps.client.delete_session(pb.DeleteSessionRequest(session_id=session_id))
    assert erased.turn_count == 1
    for call in (
        stored(lamps, answer_id),
        ask(lamps, session_id=session_id),
        lamps.client.list_session_turns(pb.ListSessionTurnsRequest(session_id=session_id)),
        lamps.client.delete_session(pb.DeleteSessionRequest(session_id=session_id)),
        lamps.client.create_handoff(pb.CreateHandoffRequest(session_id=session_id)),
    ):
        assert (await failure_of(call)).code == "NOT_FOUND"
    assert not await scalar(running, "SELECT count(*) FROM handoffs WHERE session_id = %(id)s", id=session_id)


OLDER_ANSWERS = """
UPDATE chat_logs SET created_at = created_at - interval '31 days' WHERE id = ANY(%(ids)s::uuid[])
"""
OLDER_SESSIONS = """
UPDATE chat_sessions SET created_at = created_at - interval '31 days' WHERE id = ANY(%(ids)s::uuid[])
"""


async def test_retention_erases_what_is_older_and_nothing_else(running: Running) -> None:
    shop, keeper = await lamp_shop(running), await lamp_shop(running)
    await keep_for(running, shop, days=30)
    sessions = {name: await new_session(shop) for name in ("old", "living", "new")}
    old = (await ask(shop, session_id=sessions["old"])).started.answer_id
    earlier = (await ask(shop, session_id=sessions["living"])).started.answer_id
    later = (await ask(shop, session_id=sessions["living"])).started.answer_id
    elsewhere = (await ask(keeper, session_id=await new_session(keeper))).started.answer_id
    await execute(running, OLDER_ANSWERS, ids=[old, earlier, elsewhere])
    await execute(running, OLDER_SESSIONS, ids=[sessions["old"], sessions["living"]])
    await Conversing(running.service.database).run_housekeeping()
    for answer_id in (old, earlier):
        assert (await failure_of(stored(shop, answer_id))).code == "NOT_FOUND"
    assert await stored(shop, later)
    assert await stored(keeper, elsewhere)
    assert (await failure_of(ask(shop, session_id=sessions["old"]))).code == "NOT_FOUND"
    for name in ("living", "new"):
        assert_well_formed(await ask(shop, session_id=sessions[name]))


async def test_retention_of_a_wrong_length_is_refused(running: Running) -> None:
    for days in (-1, 3_651):
        with refused("INVALID_ARGUMENT", field="tenant.settings.chat_retention_days"):
            await new_shop(running, chat_retention_days=days)


async def test_conversation_goes_on_in_another_channel(running: Running, lamps: Shop) -> None:
    session_id = await new_session(lamps, language="pt")
    turn = (await ask(lamps, session_id=session_id)).completed.answer
    handoff = await lamps.client.create_handoff(pb.CreateHandoffRequest(session_id=session_id))
    assert re.fullmatch(r"[A-Za-z0-9_-]{16,60}", handoff.code)
    bot = await channel_client(running)
    claimed = await bot.claim_handoff(claim(handoff.code))
    assert (claimed.session_id, claimed.language) == (session_id, "pt")
    assert claimed.public_key == lamps.tenant.public_key
    assert claimed.last_turn == turn
    shop_of_bot = Shop(tenant=lamps.tenant, client=bot.for_tenant(lamps.tenant_id), key="")
    heard = await ask(
        shop_of_bot,
        "and how about it for bulbs?",
        session_id=session_id,
        session_token=claimed.session_token,
    )
    assert heard.completed.answer.standalone_question
    with refused("NOT_FOUND"):
        await bot.claim_handoff(claim(handoff.code))


KEPT_OF_HANDOFF = "SELECT to_jsonb(h)::text FROM handoffs h WHERE session_id = %(id)s"
LASTING = "SELECT extract(epoch FROM expires_at - created_at)::int FROM handoffs WHERE session_id = %(id)s"


async def test_code_is_kept_as_a_hash_and_ends_after_ten_minutes(running: Running, lamps: Shop) -> None:
    session_id = await new_session(lamps)
    handoff = await lamps.client.create_handoff(pb.CreateHandoffRequest(session_id=session_id))
    assert handoff.code not in await scalar(running, KEPT_OF_HANDOFF, id=session_id)
    assert await scalar(running, LASTING, id=session_id) == 600
    await execute(running, "UPDATE handoffs SET expires_at = now() WHERE session_id = %(id)s", id=session_id)
    with refused("NOT_FOUND"):
        await (await channel_client(running)).claim_handoff(claim(handoff.code))


async def test_key_of_one_tenant_does_not_claim_of_another(running: Running, lamps: Shop) -> None:
    session_id = await new_session(lamps)
    handoff = await lamps.client.create_handoff(pb.CreateHandoffRequest(session_id=session_id))
    other = await new_shop(running)
    with refused("NOT_FOUND"):
        await other.client.claim_handoff(claim(handoff.code))
    assert (await lamps.client.claim_handoff(claim(handoff.code))).session_id == session_id


async def test_guessing_codes_is_slowed_down_for_the_guesser_alone(running: Running, lamps: Shop) -> None:
    session_id = await new_session(lamps)
    handoff = await lamps.client.create_handoff(pb.CreateHandoffRequest(session_id=session_id))
    bot = await channel_client(running)
    for _ in range(5):
        with refused("NOT_FOUND"):
            await bot.claim_handoff(claim("a-guess", user_key="mallory"))
    failure = await failure_of(bot.claim_handoff(claim(handoff.code, user_key="mallory")))
    assert failure.code == "RESOURCE_EXHAUSTED"
    assert failure.retry_after_seconds
    assert (await bot.claim_handoff(claim(handoff.code, user_key="ann"))).session_id == session_id


async def test_thief_of_a_key_has_a_fixed_number_of_guesses_whatever_customers_he_names(
    running: Running, lamps: Shop
) -> None:
    thief, bot = await channel_client(running), await channel_client(running)
    answers = await asyncio.gather(
        *(failure_of(thief.claim_handoff(claim("a-guess", user_key=f"mallory-{n}"))) for n in range(130))
    )
    codes = [answer.code for answer in answers]
    # A few more than a hundred, because they come back evenly.
    assert 100 <= codes.count("NOT_FOUND") < 115
    assert codes.count("NOT_FOUND") + codes.count("RESOURCE_EXHAUSTED") == len(codes)
    session_id = await new_session(lamps)
    handoff = await lamps.client.create_handoff(pb.CreateHandoffRequest(session_id=session_id))
    assert (await bot.claim_handoff(claim(handoff.code))).session_id == session_id


async def test_right_codes_are_no_guesses(running: Running, lamps: Shop) -> None:
    bot = await channel_client(running)
    for _ in range(8):
        session_id = await new_session(lamps)
        handoff = await lamps.client.create_handoff(pb.CreateHandoffRequest(session_id=session_id))
        assert (await bot.claim_handoff(claim(handoff.code))).session_id == session_id


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"code": ""}, "code"),
        ({"code": "\u200b"}, "code"),
        ({"code": " "}, "code"),
        ({"code": "x" * 65}, "code"),
        ({"code": "x" * 20_000}, "code"),
        ({"code": "nul\0"}, "code"),
        ({"code": "../../etc/passwd"}, "code"),
        ({"code": "чужой"}, "code"),
        ({"code": "x\n"}, "code"),
        ({"channel": ""}, "channel"),
        ({"channel": "T G"}, "channel"),
        ({"channel": "telegram\n"}, "channel"),
        ({"channel": "nul\0"}, "channel"),
        ({"channel": "x" * 33}, "channel"),
        ({"user_key": "x" * 129}, "user_key"),
        ({"user_key": "nul\0"}, "user_key"),
    ],
)
async def test_wrong_claim_is_refused_by_field(
    running: Running, lamps: Shop, fields: dict[str, str], wrong: str
) -> None:
    request = pb.ClaimHandoffRequest(**{"code": "x", "channel": "telegram", **fields})
    for client in (await channel_client(running), lamps.client):
        failure = await failure_of(client.claim_handoff(request))
        assert (failure.code, [one.field for one in failure.violations]) == ("INVALID_ARGUMENT", [wrong])


async def test_claim_by_the_wrong_shops_channel_is_told_what_everybody_is_told(
    running: Running, lamps: Shop
) -> None:
    session_id = await new_session(lamps)
    handoff = await lamps.client.create_handoff(pb.CreateHandoffRequest(session_id=session_id))
    other = await new_shop(running)
    key = await new_key(running, (tenants_pb.SCOPE_CHANNEL,), tenant_id=other.tenant_id)
    bot = Client(running.channel, bearer(key))
    existing, unknown = [await failure_of(bot.claim_handoff(claim(code))) for code in (handoff.code, "x")]
    assert (existing.code, str(existing), existing.reason) == (unknown.code, str(unknown), unknown.reason)
    assert lamps.tenant_id not in repr(vars(existing))


LEAVE_RUNNING = """
UPDATE chat_logs SET status = 'running', lease_until = now() + make_interval(secs => %(seconds)s) WHERE id = %(id)s
"""


async def test_answer_of_a_dead_writer_is_marked_and_one_that_lives_is_not(
    running: Running, lamps: Shop
) -> None:
    dead, cancelled, living = [(await ask(lamps)).started.answer_id for _ in range(3)]
    for answer_id, seconds in ((dead, -1), (cancelled, -1), (living, 60)):
        await execute(running, LEAVE_RUNNING, id=answer_id, seconds=seconds)
    await execute(running, "UPDATE chat_logs SET is_cancel_wanted = true WHERE id = %(id)s", id=cancelled)
    await running.service.answer_log.run_housekeeping()
    for answer_id, status in ((dead, "interrupted"), (cancelled, "cancelled"), (living, "running")):
        assert await scalar(running, "SELECT status FROM chat_logs WHERE id = %(id)s", id=answer_id) == status
    assert (await ended_answer(lamps, dead)).text


def claim(code: str, *, user_key: str = "ann") -> pb.ClaimHandoffRequest:
    return pb.ClaimHandoffRequest(code=code, channel="telegram", user_key=user_key)


async def channel_client(running: Running) -> Client:
    """With the key of a bot that serves many shops."""
    key = await new_key(running, (tenants_pb.SCOPE_CHANNEL,))
    return Client(running.channel, bearer(key))


async def keep_for(running: Running, shop: Shop, *, days: int) -> None:
    request = tenants_pb.UpdateTenantRequest(
        tenant=tenants_pb.Tenant(
            tenant_id=shop.tenant_id, settings=tenants_pb.TenantSettings(chat_retention_days=days)
        )
    )
    request.update_mask.paths.append("settings.chat_retention_days")
    updated = await running.client.update_tenant(request)
    assert updated.tenant.settings.chat_retention_days == days


async def scalar(running: Running, statement: LiteralString, **parameters: object) -> Any:
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        row = await (await connection.execute(statement, parameters)).fetchone()
    assert row
    return row[0]


async def execute(running: Running, statement: LiteralString, **parameters: object) -> None:
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        await connection.execute(statement, parameters)
