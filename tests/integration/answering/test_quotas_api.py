"""Quotas of questions over the wire: counted in Postgres, for a tenant, a channel and a visitor."""

from __future__ import annotations

import asyncio
import uuid
from typing import LiteralString

import psycopg
import pytest
from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service.client import CallFailed, Client
from retrieval_service.services.answering.conversations import Conversing
from tests.kits.answers_kit import QUESTION, Heard, ask
from tests.kits.insights_kit import only_group, resolved
from tests.kits.service_kit import (
    Running,
    Shop,
    bearer,
    failure_of,
    new_key,
    new_shop,
    refused,
    running_service,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY_SECONDS = 86_400
# Keys are counted without a quota.
COUNTS = """
SELECT kind, sum(questions)::int FROM question_counts WHERE tenant_id = %(id)s AND kind <> 'key' GROUP BY kind
"""


async def limited_shop(running: Running, **quotas: int) -> Shop:
    return await new_shop(running, quotas=tenants_pb.Quotas(**quotas))


async def mouth_of(running: Running, shop: Shop) -> Shop:
    key = await new_key(running, [tenants_pb.SCOPE_CHANNEL], tenant_id=shop.tenant_id)
    return Shop(tenant=shop.tenant, client=Client(running.channel, bearer(key)), key=key)


async def ask_as(mouth: Shop, visitor: str, text: str = QUESTION, *, channel: str = "widget") -> Heard:
    """In a conversation of its own."""
    opened = await mouth.client.create_session(pb.CreateSessionRequest(channel=channel))
    proof = {"session_id": opened.session_id, "session_token": opened.session_token}
    return await ask(mouth, text, visitor=visitor, **proof)


async def refusal_of(mouth: Shop, visitor: str, *, channel: str = "widget") -> CallFailed:
    failure = await failure_of(ask_as(mouth, visitor, channel=channel))
    assert (failure.code, failure.reason) == ("RESOURCE_EXHAUSTED", "QUOTA_SPENT")
    assert failure.retry_after_seconds
    assert 0 < failure.retry_after_seconds <= DAY_SECONDS
    return failure


async def counts(running: Running, shop: Shop) -> dict[str, int]:
    async with await psycopg.AsyncConnection.connect(running.dsn) as connection:
        cursor = await connection.execute(COUNTS, {"id": shop.tenant_id})
        return dict(await cursor.fetchall())


async def logged(running: Running, shop: Shop) -> int:
    async with await psycopg.AsyncConnection.connect(running.dsn) as connection:
        cursor = await connection.execute(
            "SELECT count(*)::int FROM chat_logs WHERE tenant_id = %(id)s", {"id": shop.tenant_id}
        )
        [row] = await cursor.fetchall()
        return row[0]


async def test_one_visitor_cannot_use_up_a_shops_day(running: Running) -> None:
    shop = await limited_shop(running, questions_per_day=30)
    mouth = await mouth_of(running, shop)
    for _ in range(3):
        await ask_as(mouth, "greedy")
    for _ in range(30):
        assert "visitor" in str(await refusal_of(mouth, "greedy"))
    assert await counts(running, shop) == {"visitor": 3, "tenant": 3}
    assert (await ask_as(mouth, "modest")).text


async def test_shops_day_ends_for_everybody(running: Running) -> None:
    shop = await limited_shop(running, questions_per_day=3)
    mouth = await mouth_of(running, shop)
    for visitor in ("a", "b", "c"):
        await ask_as(mouth, visitor)
    assert "visitor" not in str(await refusal_of(mouth, "d"))
    assert (await failure_of(ask(shop))).reason == "QUOTA_SPENT"
    assert await counts(running, shop) == {"visitor": 3, "tenant": 3}


async def test_one_channel_leaves_the_others_their_share(running: Running) -> None:
    shop = await limited_shop(running, channel_questions_per_day=2)
    mouth = await mouth_of(running, shop)
    for visitor in ("a", "b"):
        await ask_as(mouth, visitor)
    assert "channel" in str(await refusal_of(mouth, "c"))
    assert (await ask_as(mouth, "c", channel="telegram")).text


async def test_one_key_cannot_use_up_what_another_key_says_of_its_channel(running: Running) -> None:
    """Whose key was stolen says any channel, and any visitor."""
    shop = await limited_shop(running, channel_questions_per_day=2)
    thief, mouth = await mouth_of(running, shop), await mouth_of(running, shop)
    for visitor in ("a", "b"):
        await ask_as(thief, visitor, channel="telegram")
    await refusal_of(thief, "c", channel="telegram")
    assert (await ask_as(mouth, "c", channel="telegram")).text


async def test_stolen_key_leaves_the_others_what_they_use(running: Running) -> None:
    """Twice as much as they asked, whatever channels and visitors it invents."""
    shop = await limited_shop(running, questions_per_day=20)
    thief, mouth = await mouth_of(running, shop), await mouth_of(running, shop)
    for number in range(4):
        await ask_as(mouth, f"customer-{number}")
    for number in range(12):
        await ask_as(thief, f"invented-{number}", channel=f"invented-{number}")
    for number in range(5):
        assert "channel" in str(await refusal_of(thief, f"more-{number}", channel=f"more-{number}"))
    for number in range(4):
        assert (await ask_as(mouth, f"another-{number}")).text


@pytest.mark.parametrize(("before", "left"), [(1, 2), (3, 6), (9, 10)])
async def test_what_the_others_asked_yesterday_is_left_to_them(
    running: Running, before: int, left: int
) -> None:
    """At least a tenth of the day, at most half."""
    shop = await limited_shop(running, questions_per_day=20)
    thief, mouth = await mouth_of(running, shop), await mouth_of(running, shop)
    await ask_as(mouth, "customer")
    moved = "UPDATE question_counts SET day = day - 1, questions = %(before)s WHERE tenant_id = %(id)s"
    await execute(running, moved, id=shop.tenant_id, before=before)
    for number in range(20 - left):
        await ask_as(thief, f"invented-{number}")
    assert "channel" in str(await refusal_of(thief, "more"))
    assert (await ask_as(mouth, "customer")).text


async def test_only_key_of_a_shop_has_the_whole_day_in_all_its_channels(running: Running) -> None:
    shop = await limited_shop(running, questions_per_day=10)
    mouth = await mouth_of(running, shop)
    for number in range(10):
        await ask_as(mouth, f"customer-{number}", channel="widget" if number % 2 else "telegram")
    assert "channel" not in str(await refusal_of(mouth, "late"))


async def test_quota_of_a_channel_is_a_keys_to_use_whatever_others_ask(running: Running) -> None:
    shop = await limited_shop(running, questions_per_day=10, channel_questions_per_day=8)
    busy, other = await mouth_of(running, shop), await mouth_of(running, shop)
    for number in range(2):
        await ask_as(other, f"other-{number}")
    for number in range(8):
        assert (await ask_as(busy, f"customer-{number}")).text


async def test_visitors_own_quota_of_a_tenant_is_what_it_says(running: Running) -> None:
    shop = await limited_shop(running, questions_per_day=4, visitor_questions_per_day=2)
    mouth = await mouth_of(running, shop)
    for _ in range(2):
        await ask_as(mouth, "a")
    await refusal_of(mouth, "a")
    assert (await ask_as(mouth, "b")).text


async def test_visitors_without_a_name_are_one_visitor_and_readers_are_none(running: Running) -> None:
    shop = await limited_shop(running, questions_per_day=20)
    mouth = await mouth_of(running, shop)
    for _ in range(2):
        await ask_as(mouth, "")
    await refusal_of(mouth, "")
    for _ in range(5):
        assert (await ask(shop)).text


@pytest.mark.parametrize("text", ["thanks!", "Здравствуйте", "ok", "👍", "muito obrigado", "bye"])
async def test_courtesies_cost_nothing(running: Running, text: str) -> None:
    shop = await limited_shop(running, questions_per_day=1)
    mouth = await mouth_of(running, shop)
    for _ in range(4):
        assert (await ask_as(mouth, "a", text)).completed.finish_reason == pb.FINISH_REASON_PLEASANTRY
    await ask_as(mouth, "b")
    await refusal_of(mouth, "c")
    assert (await ask_as(mouth, "b", text)).text


async def test_repeat_is_not_counted_and_what_is_begun_anew_is(running: Running) -> None:
    shop = await limited_shop(running, questions_per_day=2)
    request_id = str(uuid.uuid4())
    for _ in range(5):
        assert (await ask(shop, request_id=request_id)).text
    assert await counts(running, shop) == {"tenant": 1}
    await execute(
        running, "UPDATE chat_logs SET status = 'cancelled' WHERE request_id = %(id)s", id=request_id
    )
    assert (await ask(shop, request_id=request_id)).text
    await execute(
        running, "UPDATE chat_logs SET status = 'cancelled' WHERE request_id = %(id)s", id=request_id
    )
    assert (await failure_of(ask(shop, request_id=request_id))).reason == "QUOTA_SPENT"


async def test_trial_counts_as_a_question_of_its_key(running: Running) -> None:
    shop = await limited_shop(running, questions_per_day=2)
    for _ in range(3):
        courtesy = await ask(shop, "muito obrigado", trial=True)
        assert courtesy.completed.finish_reason == pb.FINISH_REASON_PLEASANTRY
    for _ in range(2):
        assert (await ask(shop, trial=True)).text
    assert await counts(running, shop) == {"tenant": 2}
    assert await logged(running, shop) == 0
    for trial in (True, False):
        failure = await failure_of(ask(shop, trial=trial))
        assert (failure.code, failure.reason) == ("RESOURCE_EXHAUSTED", "QUOTA_SPENT")
    assert (await ask(shop, "спасибо", trial=True)).text
    assert await counts(running, shop) == {"tenant": 2}


async def test_trial_counts_for_its_channel_and_visitor(running: Running) -> None:
    shop = await limited_shop(running, channel_questions_per_day=2, visitor_questions_per_day=1)
    assert (await ask(shop, trial=True, channel="widget", visitor="a")).text
    assert "visitor" in str(await failure_of(ask(shop, trial=True, channel="telegram", visitor="a")))
    assert (await ask(shop, trial=True, channel="widget", visitor="b")).text
    assert "channel" in str(await failure_of(ask(shop, trial=True, channel="widget", visitor="c")))
    assert (await counts(running, shop))["visitor"] == 2


async def test_many_trials_at_once_get_no_more_than_the_last_questions(running: Running) -> None:
    shop = await limited_shop(running, questions_per_day=3)
    heard = await asyncio.gather(*(ask(shop, trial=True) for _ in range(12)), return_exceptions=True)
    assert sum(isinstance(one, Heard) for one in heard) == 3
    assert {one.reason for one in heard if isinstance(one, CallFailed)} == {"QUOTA_SPENT"}
    assert await counts(running, shop) == {"tenant": 3}


async def test_operators_trials_count_for_no_quota_and_their_questions_do(running: Running) -> None:
    """The evaluation of a temporary tenant asks as an operator."""
    shop = await limited_shop(running, questions_per_day=1)
    operator = Shop(tenant=shop.tenant, client=running.client.for_tenant(shop.tenant_id), key=running.key)
    assert (await ask(operator)).text
    assert (await failure_of(ask(operator))).reason == "QUOTA_SPENT"
    for _ in range(3):
        assert (await ask(operator, trial=True)).text
    assert await counts(running, shop) == {"tenant": 1}


async def test_question_without_an_answer_is_resolved_when_the_day_is_spent(running: Running) -> None:
    shop = await limited_shop(running, questions_per_day=1)
    await ask(shop, "Do you sell gift cards?")
    assert (await failure_of(ask(shop))).reason == "QUOTA_SPENT"
    group = await only_group(running, shop)
    done = await resolved(shop, group.group_id, "Yes: gift cards of 20 and 50 euro are sold at the till.")
    assert done.answered
    assert await counts(running, shop) == {"tenant": 1}


async def test_refused_question_is_in_no_log(running: Running) -> None:
    shop = await limited_shop(running, questions_per_day=1)
    await ask(shop)
    await failure_of(ask(shop))
    assert await logged(running, shop) == 1


async def test_invented_visitors_leave_nothing_behind_once_the_day_is_spent(running: Running) -> None:
    shop = await limited_shop(running, questions_per_day=1)
    mouth = await mouth_of(running, shop)
    await ask_as(mouth, "first")
    for number in range(20):
        await refusal_of(mouth, f"invented-{number}")
    assert await counts(running, shop) == {"visitor": 1, "tenant": 1}


async def test_many_at_once_are_counted_one_by_one(running: Running) -> None:
    shop = await limited_shop(running, questions_per_day=1_000)
    mouth = await mouth_of(running, shop)
    await asyncio.gather(*(ask_as(mouth, f"visitor-{number % 7}") for number in range(40)))
    assert await counts(running, shop) == {"visitor": 40, "tenant": 40}


@pytest.mark.parametrize(
    ("limit", "visitors"),
    [("questions_per_day", 18), ("channel_questions_per_day", 18), ("visitor_questions_per_day", 1)],
)
async def test_many_at_once_get_no_more_than_the_last_questions(
    running: Running, limit: str, visitors: int
) -> None:
    shop = await limited_shop(running, **{limit: 3})
    mouth = await mouth_of(running, shop)
    asked = (ask_as(mouth, f"visitor-{number % visitors}") for number in range(18))
    heard = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(one, Heard) for one in heard) == 3
    refused_ones = [one for one in heard if not isinstance(one, Heard)]
    assert {one.reason for one in refused_ones if isinstance(one, CallFailed)} == {"QUOTA_SPENT"}
    assert len(refused_ones) == 15
    assert set((await counts(running, shop)).values()) == {3}


async def test_neither_a_restart_nor_a_second_server_begins_the_count_anew(database_dsn: str) -> None:
    quotas = {"questions_per_day": 20, "workers": 0}
    async with running_service(database_dsn, **quotas) as first:
        shop = await new_shop(first)
        mouth = await mouth_of(first, shop)
        await ask_as(mouth, "a")
        async with running_service(database_dsn, **quotas) as second:
            beside = Shop(tenant=shop.tenant, client=Client(second.channel, bearer(mouth.key)), key=mouth.key)
            await ask_as(beside, "a")
            await refusal_of(beside, "a")
        await refusal_of(mouth, "a")
    async with running_service(database_dsn, **quotas) as again:
        later = Shop(tenant=shop.tenant, client=Client(again.channel, bearer(mouth.key)), key=mouth.key)
        await refusal_of(later, "a")
        assert (await ask_as(later, "b")).text


async def test_installations_zero_sets_no_limit(database_dsn: str) -> None:
    off = {"questions_per_day": 0, "channel_questions_per_day": 0, "visitor_questions_per_day": 0}
    async with running_service(database_dsn, workers=0, **off) as service:
        shop = await new_shop(service)
        mouth = await mouth_of(service, shop)
        for _ in range(3):
            await ask_as(mouth, "a")
        assert await counts(service, shop) == {}


async def test_new_day_begins_anew_and_old_counts_are_swept(running: Running) -> None:
    shop = await limited_shop(running, questions_per_day=1)
    await ask(shop)
    await failure_of(ask(shop))
    await execute(
        running, "UPDATE question_counts SET day = day - 2 WHERE tenant_id = %(id)s", id=shop.tenant_id
    )
    assert (await ask(shop)).text
    await Conversing(running.service.database).run_housekeeping()
    assert await counts(running, shop) == {"tenant": 1}


async def test_visitors_are_kept_as_hashes(running: Running) -> None:
    shop = await limited_shop(running, questions_per_day=100)
    await ask_as(await mouth_of(running, shop), "203.0.113.7")
    async with await psycopg.AsyncConnection.connect(running.dsn) as connection:
        statement = "SELECT string_agg(name, ' ') FROM question_counts WHERE tenant_id = %(id)s"
        row = await (await connection.execute(statement, {"id": shop.tenant_id})).fetchone()
    assert row
    assert "203.0.113" not in row[0]


@pytest.mark.parametrize("name", [one.name for one in tenants_pb.Quotas.DESCRIPTOR.fields])
async def test_quotas_are_kept_changed_and_checked(running: Running, name: str) -> None:
    shop = await new_shop(running)
    assert not shop.tenant.settings.HasField("quotas")
    request = tenants_pb.UpdateTenantRequest(
        tenant=tenants_pb.Tenant(
            tenant_id=shop.tenant_id,
            settings=tenants_pb.TenantSettings(quotas=tenants_pb.Quotas(**{name: 7})),
        )
    )
    request.update_mask.paths.append("settings.quotas")
    updated = (await running.client.update_tenant(request)).tenant.settings.quotas
    assert updated == tenants_pb.Quotas(**{name: 7})
    for wrong in (-1, 10_000_001):
        with refused("INVALID_ARGUMENT", field=f"tenant.settings.quotas.{name}"):
            await limited_shop(running, **{name: wrong})


async def test_visitors_name_may_not_be_long(running: Running) -> None:
    shop = await new_shop(running)
    with refused("INVALID_ARGUMENT", field="visitor"):
        await ask(shop, visitor="x" * 65)


async def execute(running: Running, statement: LiteralString, **parameters: object) -> None:
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        await connection.execute(statement, parameters)
