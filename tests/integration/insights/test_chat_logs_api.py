"""Chat logs in pages and exports, usage by day, and what is asked and cited most, over the wire."""

from __future__ import annotations

import uuid
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from itertools import cycle

import numpy as np
import psycopg
import pytest
import pytest_asyncio
from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import insight_service_pb2 as pb

from retrieval_service.api.messages.common_messages import timestamp
from tests.kits.answers_kit import QUESTION, ask, lamp_shop, new_session
from tests.kits.insights_kit import asked, chat_logs, exported, log_many, rate, session_of
from tests.kits.service_kit import Running, Shop, new_shop, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def talkative(running: Running) -> Shop:
    """A shop with an answered and an unanswered question in two channels and a rated one in none."""
    shop = await lamp_shop(running)
    widget = await new_session(shop, channel="widget", user_key="anna")
    telegram = await new_session(shop, channel="telegram", user_key="anna", language="ru")
    [rated] = await asked(shop, QUESTION)
    await rate(shop, rated, answers_pb.RATING_DOWN, reason="=wrong")
    await asked(shop, "Кто выиграл чемпионат по шахматам?", session_id=widget)
    await asked(shop, QUESTION, session_id=telegram)
    return shop


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def busy(running: Running) -> Shop:
    """A shop with 10,000 answers."""
    shop = await new_shop(running)
    await log_many(running, shop, 10_000)
    return shop


def questions(logs: list[pb.ChatLog]) -> list[str]:
    return [log.answer.question for log in logs]


async def test_log_holds_the_whole_story_newest_first(talkative: Shop) -> None:
    logs = await chat_logs(talkative)
    assert [log.channel for log in logs] == ["telegram", "widget", ""]
    rated = logs[-1]
    assert (rated.rating, rated.rating_reason) == (answers_pb.RATING_DOWN, "=wrong")
    assert rated.answer.question == QUESTION
    assert rated.answer.citations
    assert not rated.answer.references
    assert rated.latency_ms >= rated.first_token_ms >= 0
    assert rated.end_time.ToDatetime() >= rated.answer.create_time.ToDatetime()


async def test_question_of_a_conversation_that_went_elsewhere_counts_where_it_was_asked(
    running: Running,
) -> None:
    shop = await lamp_shop(running)
    session_id = await new_session(shop, channel="widget")
    await ask(shop, session_id=session_id)
    await ask(shop, session_id=session_id, channel="telegram")
    assert [log.channel for log in await chat_logs(shop)] == ["telegram", "widget"]
    with refused("INVALID_ARGUMENT", field="channel"):
        await ask(shop, session_id=session_id, channel="By mail")


async def test_export_carries_the_passages_too(talkative: Shop) -> None:
    rows = await exported(talkative)
    assert questions(rows) == questions(await chat_logs(talkative))
    assert rows[-1].answer.references[0].external_id == "returns"
    assert rows[-1].answer.references[0].snippet


@pytest.mark.parametrize(
    ("fields", "places"),
    [
        ({"channel": "telegram"}, [0]),
        ({"channel": "nobody"}, []),
        ({"language": "en"}, [0, 2]),
        ({"language": "ru"}, [1]),
        ({"rating": answers_pb.RATING_DOWN}, [2]),
        ({"rating": answers_pb.RATING_UP}, []),
        ({"answered": False}, [1]),
        ({"answered": True}, [0, 2]),
        ({"answered": True, "channel": "widget"}, []),
    ],
)
async def test_filter_keeps_what_it_names(
    talkative: Shop, fields: dict[str, object], places: list[int]
) -> None:
    logs = await chat_logs(talkative)
    wanted = [logs[place] for place in places]
    assert await chat_logs(talkative, **fields) == wanted
    assert questions(await exported(talkative, **fields)) == questions(wanted)


async def test_times_are_a_half_open_range_and_sessions_filter(talkative: Shop) -> None:
    newest, middle, oldest = await chat_logs(talkative)
    start, end = middle.answer.create_time, newest.answer.create_time
    assert await chat_logs(talkative, start_time=start, end_time=end) == [middle]
    assert await chat_logs(talkative, end_time=start) == [oldest]
    assert await chat_logs(talkative, session_id=middle.answer.session_id) == [middle]
    assert not await chat_logs(talkative, session_id=str(uuid.uuid4()))


async def test_tenants_read_only_their_own_logs(running: Running, talkative: Shop) -> None:
    stranger = await new_shop(running)
    assert not await chat_logs(stranger)
    assert not await exported(stranger)
    session_id = (await chat_logs(talkative))[0].answer.session_id
    assert not await chat_logs(stranger, session_id=session_id)
    assert not (await stranger.client.list_top_questions(pb.ListTopQuestionsRequest())).questions
    assert not (await stranger.client.list_top_documents(pb.ListTopDocumentsRequest())).documents


async def test_pages_of_10_000_logs_are_whole_and_without_doubles(busy: Shop) -> None:
    request, seen, pages = pb.ListChatLogsRequest(page_size=9_999), [], 0
    while pages == 0 or request.page_token:
        page = await busy.client.list_chat_logs(request)
        seen += questions(list(page.chat_logs))
        request.page_token = page.next_page_token
        pages += 1
    assert pages == 10
    assert len(set(seen)) == len(seen) == 10_000
    assert {seen[0], seen[1]} == {"question 1", "question 2"} or seen[0] == "question 1"


async def test_export_streams_5_000_rows_and_more(busy: Shop) -> None:
    rows = [row.chat_log async for row in busy.client.export_chat_logs(pb.ExportChatLogsRequest())]
    assert len({row.answer.answer_id for row in rows}) == 10_000
    times = [row.answer.create_time.ToDatetime() for row in rows]
    assert times == sorted(times, reverse=True)


async def test_export_can_be_left_early(busy: Shop) -> None:
    async with aclosing(busy.client.export_chat_logs(pb.ExportChatLogsRequest())) as rows:
        first = await anext(rows)
    assert first.chat_log.answer.text


async def test_what_is_asked_during_an_export_is_not_in_it(running: Running) -> None:
    shop = await lamp_shop(running)
    await log_many(running, shop, 600)
    seen = []
    async with aclosing(shop.client.export_chat_logs(pb.ExportChatLogsRequest())) as rows:
        async for row in rows:
            if not seen:
                await asked(shop, QUESTION)
            seen.append(row.chat_log.answer.question)
    assert len(seen) == 600
    assert QUESTION not in seen


async def test_page_token_is_bound_to_its_filter(busy: Shop) -> None:
    request = pb.ListChatLogsRequest(page_size=1)
    request.page_token = (await busy.client.list_chat_logs(request)).next_page_token
    request.filter.language = "ru"
    with refused("INVALID_ARGUMENT", field="page_token"):
        await busy.client.list_chat_logs(request)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"language": "eng"}, "filter.language"),
        ({"session_id": "mine"}, "filter.session_id"),
        ({"channel": "x" * 33}, "filter.channel"),
        ({"channel": "Widget"}, "filter.channel"),
        ({"channel": "виджет"}, "filter.channel"),
        ({"channel": " "}, "filter.channel"),
        ({"language": "Ру"}, "filter.language"),
        ({"rating": 7}, "filter.rating"),
        ({"start_time": {"seconds": 10**15}}, "filter.start_time"),
        ({"end_time": {"seconds": 1, "nanos": -1}}, "filter.end_time"),
        ({"start_time": {"seconds": 20}, "end_time": {"seconds": 10}}, "filter.end_time"),
        ({"start_time": {"seconds": 20}, "end_time": {"seconds": 20}}, "filter.end_time"),
    ],
)
async def test_wrong_filter_is_refused_by_field(
    talkative: Shop, fields: dict[str, object], wrong: str
) -> None:
    with refused("INVALID_ARGUMENT", field=wrong):
        await chat_logs(talkative, **fields)
    with refused("INVALID_ARGUMENT", field=wrong):
        await exported(talkative, **fields)


async def test_usage_tells_how_answers_did(talkative: Shop) -> None:
    [today] = (await talkative.client.get_usage(pb.GetUsageRequest())).days
    assert today.answer_count == 3
    assert today.answered_share == pytest.approx(2 / 3)
    assert 0 < today.latency_p50_ms <= today.latency_p95_ms
    assert (today.rated_up_count, today.rated_down_count, today.user_count) == (0, 1, 2)


async def test_total_of_usage_is_measured_over_all_answers_and_not_over_days(running: Running) -> None:
    shop = await lamp_shop(running)
    await log_many(running, shop, 20)
    await move_to_yesterday(running, shop, slower_than_ms=15, times=100)
    for one, thumb in zip(
        await chat_logs(shop), cycle((answers_pb.RATING_UP, answers_pb.RATING_DOWN)), strict=False
    ):
        await rate(shop, one.answer.answer_id, thumb)
    await asked(shop, QUESTION)
    latencies = [one.latency_ms for one in await chat_logs(shop)]
    response = await shop.client.get_usage(pb.GetUsageRequest(days=2))
    total = response.total
    assert total.latency_p50_ms == pytest.approx(np.percentile(latencies, 50))
    assert total.latency_p95_ms == pytest.approx(np.percentile(latencies, 95))
    assert response.days[0].latency_p95_ms < 1_000 < total.latency_p95_ms
    assert (total.rated_up_count, total.rated_down_count, total.answered_share) == (10, 10, 1)
    assert (total.date, total.answer_count) == ("", 1)


async def test_customer_who_comes_on_two_days_is_one_in_the_total(running: Running) -> None:
    shop = await lamp_shop(running)
    session_id = await session_of(shop, "widget", "anna")
    await asked(shop, QUESTION, "What does shipping of a parcel cost?", session_id=session_id)
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        await connection.execute(
            "UPDATE chat_logs SET created_at = created_at - interval '1 day' "
            "WHERE tenant_id = %(tenant_id)s AND question = %(question)s",
            {"tenant_id": shop.tenant_id, "question": QUESTION},
        )
    assert (await shop.client.get_usage(pb.GetUsageRequest(days=2))).total.user_count == 1


async def test_total_of_nothing_has_no_share_and_no_latencies(running: Running) -> None:
    shop = await lamp_shop(running)
    total = (await shop.client.get_usage(pb.GetUsageRequest())).total
    unset = ("answered_share", "latency_p50_ms", "latency_p95_ms")
    assert not any(total.HasField(name) for name in unset)
    assert (total.rated_up_count, total.rated_down_count, total.user_count) == (0, 0, 0)


async def move_to_yesterday(running: Running, shop: Shop, *, slower_than_ms: int, times: int) -> None:
    """The slowest answers, which become so many times slower."""
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        await connection.execute(
            "UPDATE chat_logs SET created_at = created_at - interval '1 day', latency_ms = latency_ms * %(times)s "
            "WHERE tenant_id = %(tenant_id)s AND latency_ms > %(slower_than_ms)s",
            {"tenant_id": shop.tenant_id, "slower_than_ms": slower_than_ms, "times": times},
        )


async def test_top_questions_count_near_duplicates_together(running: Running) -> None:
    shop = await lamp_shop(running)
    await asked(shop, *["Do you sell gift cards?"] * 3, "do you sell gift cards", "Can I buy a gift card?")
    await asked(shop, QUESTION)
    request = pb.ListTopQuestionsRequest()
    gift, returned = (await shop.client.list_top_questions(request)).questions
    assert (gift.question.lower(), gift.ask_count, gift.unanswered_count, gift.wording_count) == (
        "do you sell gift cards",
        5,
        5,
        2,
    )
    assert (returned.question, returned.ask_count, returned.unanswered_count) == (QUESTION, 1, 0)
    request.limit = 1
    assert len((await shop.client.list_top_questions(request)).questions) == 1


async def test_top_documents_count_answers_that_cite_them(running: Running) -> None:
    shop = await lamp_shop(running)
    first, _ = await asked(shop, QUESTION, "What does shipping of a parcel cost?")
    await rate(shop, first, answers_pb.RATING_DOWN)
    await asked(shop, QUESTION)
    returns, shipping = (await shop.client.list_top_documents(pb.ListTopDocumentsRequest())).documents
    assert (returns.external_id, returns.title) == ("returns", "Returns")
    assert (returns.answer_count, returns.rated_down_count, returns.deleted) == (2, 1, False)
    assert (shipping.external_id, shipping.answer_count) == ("shipping", 1)
    deletion = documents_pb.DeleteDocumentRequest(document_id=returns.document_id)
    await shop.client.delete_document(deletion)
    gone, _ = (await shop.client.list_top_documents(pb.ListTopDocumentsRequest())).documents
    assert (gone.title, gone.deleted) == ("Returns", True)


async def test_older_days_are_outside_of_the_window(running: Running) -> None:
    shop = await lamp_shop(running)
    await asked(shop, QUESTION)
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        await connection.execute(
            "UPDATE chat_logs SET created_at = now() - interval '3 days' WHERE tenant_id = %(tenant_id)s",
            {"tenant_id": shop.tenant_id},
        )
    for days, expected in ((2, 0), (4, 1)):
        request = pb.ListTopQuestionsRequest(days=days)
        assert len((await shop.client.list_top_questions(request)).questions) == expected
        documents = pb.ListTopDocumentsRequest(days=days)
        assert len((await shop.client.list_top_documents(documents)).documents) == expected
    yesterday = timestamp(datetime.now(UTC) - timedelta(days=1))
    assert not await chat_logs(shop, start_time=yesterday)


@pytest.mark.parametrize("fields", [{"days": -1}, {"days": 367}, {"limit": -1}, {"limit": 101}])
async def test_window_out_of_range_is_refused(talkative: Shop, fields: dict[str, int]) -> None:
    [wrong] = fields
    with refused("INVALID_ARGUMENT", field=wrong):
        await talkative.client.list_top_questions(pb.ListTopQuestionsRequest(**fields))
    with refused("INVALID_ARGUMENT", field=wrong):
        await talkative.client.list_top_documents(pb.ListTopDocumentsRequest(**fields))
