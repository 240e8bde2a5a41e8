"""The gateway over real sockets, against a real gRPC service on loopback: what a visitor gets."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from tests.fakes.retrieval_server import (
    FakeRetrieval,
    ScriptedAnswer,
    ScriptedFailure,
    answers_pb,
    running_retrieval_service,
)
from tests.kits.running_gateway import SHOP, RunningGateway, eventually, running_gateway, service_with_shop
from tests.kits.widget_client import opened_widget, texts

POLITE = ScriptedAnswer(
    deltas=("You are welcome!",), references=(), finish_reason=answers_pb.FINISH_REASON_PLEASANTRY
)


@pytest.fixture
async def service() -> AsyncIterator[FakeRetrieval]:
    async with service_with_shop() as service:
        yield service


@pytest.fixture
async def gateway(service: FakeRetrieval) -> AsyncIterator[RunningGateway]:
    async with running_gateway(service) as gateway:
        yield gateway


async def test_answer_streams_in_order_with_its_sources(gateway: RunningGateway) -> None:
    widget = await opened_widget(gateway)
    ask_id = await widget.ask("How much is the kettle?")
    events = await widget.until("done")
    assert [event["n"] for event in events] == list(range(1, len(events) + 1))
    assert {event["id"] for event in events} == {ask_id}
    assert texts(events) == "The kettle costs 990 roubles [1]."
    assert events[0]["items"] == [
        {
            "i": 1,
            "title": "Blue kettle",
            "url": "/catalog/kettle-blue",
            "snippet": "A blue enamel kettle, 1.7 litres. It whistles.",
            "source_type": "product",
        }
    ]
    assert (events[-1]["status"], events[-1]["finish_reason"]) == ("done", "stop")


async def test_citation_ranges_count_utf16_units(service: FakeRetrieval, gateway: RunningGateway) -> None:
    text = "🍵🍵 tea [1]"
    citation = answers_pb.Citation(start_offset=3, end_offset=6, numbers=[1])
    service.script("tea", ScriptedAnswer(deltas=(text,), citations=(citation,)))
    widget = await opened_widget(gateway)
    await widget.ask("tea?")
    done = (await widget.until("done"))[-1]
    assert done["ranges"] == [[5, 8, [1]]]


async def test_welcome_speaks_the_visitors_language_or_the_shops_first(gateway: RunningGateway) -> None:
    portuguese = await opened_widget(gateway, lang="pt")
    german = await opened_widget(gateway, lang="de")
    assert portuguese.welcome["config"] == {
        "title": "Demo shop",
        "greeting": "Olá!",
        "suggested": ["Quanto custa o frete?"],
    }
    assert german.welcome["config"]["greeting"] == "Hello!"


async def test_conversation_goes_on_in_telegram_by_a_link_from_the_socket(service: FakeRetrieval) -> None:
    async with running_gateway(service, telegram_bot="tea_bot") as gateway:
        widget = await opened_widget(gateway)
        assert widget.welcome["config"]["telegram"] is True
        await widget.send("telegram")
        before = (await widget.until("telegram"))[-1]["url"]
        await widget.ask("kettle")
        await widget.until("done")
        await widget.send("telegram")
        after = (await widget.until("telegram"))[-1]["url"]
    assert before == f"https://t.me/tea_bot?start={SHOP.replace('-', '')}"
    [(code, handoff)] = service.handoffs.items()
    assert after == f"https://t.me/tea_bot?start=h_{code}"
    assert handoff.session_id == service.journal.answer_calls[0].session_id


async def test_gateway_without_a_bot_offers_no_telegram(gateway: RunningGateway) -> None:
    widget = await opened_widget(gateway)
    assert "telegram" not in widget.welcome["config"]
    await widget.send("telegram")
    await widget.send("ping")
    assert await widget.next() == {"t": "pong"}


async def test_same_ask_id_is_answered_once(service: FakeRetrieval, gateway: RunningGateway) -> None:
    widget = await opened_widget(gateway)
    ask_id = await widget.ask("kettle")
    events = await widget.until("done")
    await widget.ask("kettle", ask_id)
    snapshot = await widget.next()
    assert (snapshot["t"], snapshot["text"], snapshot["n"]) == ("snapshot", texts(events), events[-1]["n"])
    assert service.journal.questions == ["kettle"]


async def test_socket_lost_in_the_middle_loses_and_repeats_nothing(
    service: FakeRetrieval, gateway: RunningGateway
) -> None:
    service.script("long", ScriptedAnswer(deltas=("one ", "two ", "three"), hold_after=2))
    widget = await opened_widget(gateway)
    ask_id = await widget.ask("long")
    seen = [await widget.next() for _ in range(3)]
    await widget.socket.close()
    service.release()
    widget = await widget.back({ask_id: 2})
    rest = await widget.until("snapshot", "done")
    while rest[-1]["t"] == "snapshot" and rest[-1]["status"] == "running":
        rest += await widget.until("snapshot", "done")
    whole = next(frame["text"] for frame in rest if frame["t"] == "snapshot") + texts(rest)
    assert texts(seen) == "one two "
    assert whole == "one two three"
    assert service.journal.questions == ["long"]


async def test_restarted_gateway_replays_the_stored_answer(service: FakeRetrieval) -> None:
    async with running_gateway(service) as first:
        widget = await opened_widget(first)
        ask_id = await widget.ask("kettle")
        await widget.until("done")
        kept = {"sid": widget.welcome["sid"], "token": widget.welcome["token"]}
    async with running_gateway(service) as second:
        widget = await opened_widget(second, **kept, have={ask_id: 3})
        assert await widget.next() == {"t": "unknown", "id": ask_id}
        await widget.ask("kettle", ask_id)
        events = await widget.until("done")
    assert texts(events) == "The kettle costs 990 roubles [1]."
    assert len(service.journal.request_ids) == 1
    assert service.journal.written == ["kettle"]
    assert len(service.journal.sessions) == 1


async def test_history_continues_in_the_same_service_session(
    service: FakeRetrieval, gateway: RunningGateway
) -> None:
    widget = await opened_widget(gateway)
    for question in ("first", "second"):
        await widget.ask(question)
        await widget.until("done")
    sessions = {call.session_id for call in service.journal.answer_calls}
    assert len(sessions) == 1
    assert service.journal.sessions[0].channel == "widget"


async def test_purged_service_session_is_replaced_unnoticed(
    service: FakeRetrieval, gateway: RunningGateway
) -> None:
    widget = await opened_widget(gateway)
    await widget.ask("first")
    await widget.until("done")
    service.sessions.clear()
    await widget.ask("second")
    events = await widget.until("done", "error")
    assert events[-1]["t"] == "done"
    assert len(service.journal.sessions) == 2


@pytest.mark.parametrize(
    ("failure", "code", "retry_after"),
    [
        (ScriptedFailure(code="RESOURCE_EXHAUSTED", retry_after_seconds=7), "rate_limited", 7.0),
        (ScriptedFailure(code="UNAVAILABLE", retry_after_seconds=2), "unavailable", 2.0),
        (ScriptedFailure(code="INTERNAL"), "internal", None),
        (ScriptedFailure(code="INVALID_ARGUMENT"), "invalid", None),
    ],
)
async def test_failure_is_told_by_code_and_never_by_its_text(
    service: FakeRetrieval,
    gateway: RunningGateway,
    failure: ScriptedFailure,
    code: str,
    retry_after: float | None,
) -> None:
    service.script("fails", ScriptedAnswer(failure=failure, fail_after=1))
    widget = await opened_widget(gateway)
    ask_id = await widget.ask("fails")
    error = (await widget.until("error"))[-1]
    expected = {"t": "error", "id": ask_id, "code": code, "n": 3}
    assert error == (expected if retry_after is None else {**expected, "retry_after": retry_after})


async def test_replay_of_a_cut_off_answer_is_a_failure_and_keeps_its_text(
    service: FakeRetrieval, gateway: RunningGateway
) -> None:
    interrupted = answers_pb.AnswerStatus.ANSWER_STATUS_INTERRUPTED
    service.script("cut", ScriptedAnswer(deltas=("half an",), status=interrupted))
    widget = await opened_widget(gateway)
    ask_id = await widget.ask("cut")
    error = (await widget.until("error"))[-1]
    await widget.send("resume", id=ask_id)
    snapshot = await widget.next()
    assert error["code"] == "interrupted"
    assert (snapshot["text"], snapshot["status"]) == ("half an", "failed")


async def test_cancel_stops_the_model_and_keeps_what_was_written(
    service: FakeRetrieval, gateway: RunningGateway
) -> None:
    service.script("long", ScriptedAnswer(deltas=("one ", "two"), hold_after=1))
    widget = await opened_widget(gateway)
    ask_id = await widget.ask("long")
    await widget.until("delta")
    await widget.send("cancel", id=ask_id)
    done = (await widget.until("done"))[-1]
    await widget.send("resume", id=ask_id)
    snapshot = await widget.next()
    assert done["status"] == "cancelled"
    assert (snapshot["text"], snapshot["status"]) == ("one ", "cancelled")
    await eventually(lambda: service.journal.cancelled == ["long"])


async def test_answer_that_takes_too_long_ends_with_an_error(service: FakeRetrieval) -> None:
    service.script("slow", ScriptedAnswer(hold_after=0))
    async with running_gateway(service, answer_seconds=0.3) as gateway:
        widget = await opened_widget(gateway)
        await widget.ask("slow")
        error = (await widget.until("error"))[-1]
    assert error["code"] == "unavailable"


async def test_both_tabs_of_a_visitor_read_the_same_answer(gateway: RunningGateway) -> None:
    first = await opened_widget(gateway)
    second = await first.back()
    await first.ask("kettle")
    assert texts(await first.until("done")) == texts(await second.until("done"))


async def test_foreign_token_opens_a_new_conversation(
    service: FakeRetrieval, gateway: RunningGateway
) -> None:
    widget = await opened_widget(gateway)
    stolen = await opened_widget(gateway, sid=widget.welcome["sid"], token="1.x.forged")
    assert stolen.welcome["sid"] != widget.welcome["sid"]


async def test_end_forgets_the_conversation(gateway: RunningGateway) -> None:
    widget = await opened_widget(gateway)
    ask_id = await widget.ask("kettle")
    await widget.until("done")
    await widget.send("end")
    assert (await widget.closed())[0] == 1000
    widget = await widget.back()
    await widget.send("resume", id=ask_id)
    assert (await widget.next())["t"] == "unknown"


async def test_unknown_kinds_are_ignored_and_pings_answered(gateway: RunningGateway) -> None:
    widget = await opened_widget(gateway)
    await widget.send("applause", id="x", v=1)
    await widget.send("ping")
    assert await widget.next() == {"t": "pong"}


async def test_feedback_reaches_the_service_in_the_widgets_own_conversation(
    service: FakeRetrieval, gateway: RunningGateway
) -> None:
    widget = await opened_widget(gateway)
    ask_id = await widget.ask("kettle")
    done = (await widget.until("done"))[-1]
    await widget.send("feedback", id=ask_id, aid=done["aid"], v=-1, reason="Устарело")
    assert await widget.next() == {"t": "rated", "id": ask_id, "v": -1}
    [told] = service.journal.feedback
    assert (told.answer_id, told.rating, told.reason) == (done["aid"], answers_pb.RATING_DOWN, "Устарело")
    widget = await widget.back({ask_id: 0})
    assert (await widget.next())["aid"] == done["aid"]


async def test_quotations_in_the_model_s_place_are_told_as_such(
    service: FakeRetrieval, gateway: RunningGateway
) -> None:
    service.script("price?", ScriptedAnswer(model_away=True))
    widget = await opened_widget(gateway)
    ask_id = await widget.ask("price?")
    done = (await widget.until("done"))[-1]
    assert (done["status"], done["finish_reason"], bool(done["aid"])) == ("done", "quoted", True)
    widget = await widget.back({ask_id: 0})
    assert (await widget.next())["finish_reason"] == "quoted"


async def test_what_may_help_and_the_wish_for_a_person_are_told_as_such(
    service: FakeRetrieval, gateway: RunningGateway
) -> None:
    service.script(
        "perhaps", ScriptedAnswer(finish_reason=answers_pb.FINISH_REASON_NOT_SURE, model_away=True)
    )
    service.script("person", ScriptedAnswer(wants_human=True))
    widget = await opened_widget(gateway)
    for question, finish_reason in (("perhaps", "not_sure"), ("person", "human")):
        await widget.ask(question)
        done = (await widget.until("done"))[-1]
        assert (done["finish_reason"], bool(done["aid"])) == (finish_reason, True)


async def test_politeness_is_nothing_to_rate(service: FakeRetrieval, gateway: RunningGateway) -> None:
    service.script("thanks", POLITE)
    widget = await opened_widget(gateway)
    ask_id = await widget.ask("thanks")
    done = (await widget.until("done"))[-1]
    assert (done["finish_reason"], done.get("aid")) == ("pleasantry", None)
    widget = await widget.back({ask_id: 0})
    assert "aid" not in await widget.next()


async def test_feedback_on_the_answer_of_another_visitor_is_not_taken(
    service: FakeRetrieval, gateway: RunningGateway
) -> None:
    widget, stranger = await opened_widget(gateway), await opened_widget(gateway)
    ask_id = await widget.ask("kettle")
    done = (await widget.until("done"))[-1]
    await stranger.ask("kettle")
    await stranger.until("done")
    await stranger.send("feedback", id=ask_id, aid=done["aid"], v=1)
    await stranger.send("ping")
    assert await stranger.next() == {"t": "pong"}
    assert not service.journal.feedback


@pytest.mark.parametrize("wrong", [{"aid": "x"}, {"v": 2}, {"v": True}, {"reason": "x" * 1_001}, {"id": ""}])
async def test_malformed_feedback_closes_the_socket(
    gateway: RunningGateway, wrong: dict[str, object]
) -> None:
    widget = await opened_widget(gateway)
    members = {"id": uuid.uuid4().hex, "aid": str(uuid.uuid4()), "v": 1}
    await widget.send("feedback", **{**members, **wrong})
    assert (await widget.closed())[0] == 4400


async def test_drain_finishes_answers_before_it_closes(service: FakeRetrieval) -> None:
    service.script("long", ScriptedAnswer(deltas=("one ", "two"), hold_after=1))
    async with running_gateway(service) as gateway:
        widget = await opened_widget(gateway)
        await widget.ask("long")
        await widget.until("delta")
        stopping = asyncio.create_task(gateway.gateway.drain())
        assert (await widget.next())["t"] == "draining"
        await widget.ask("too late")
        assert (await widget.next())["t"] == "draining"
        service.release()
        assert (await widget.until("done"))[-1]["status"] == "done"
        assert await widget.closed() == (1012, "restarting")
        await stopping
    assert service.journal.questions == ["long"]


async def test_slow_reader_loses_the_socket_and_not_the_answer(service: FakeRetrieval) -> None:
    service.script("huge", ScriptedAnswer(deltas=("x" * 100_000,) * 60, hold_after=1))
    # Long enough for whoever reads, on a busy machine too, to be given all of it in one frame.
    async with running_gateway(service, send_seconds=3) as gateway:
        reader = await opened_widget(gateway)
        ask_id = await reader.ask("huge")
        await reader.until("delta")
        transport = reader.socket._response.connection.transport
        transport.pause_reading()
        service.release()
        await eventually(lambda: not gateway.gateway.sockets, seconds=15)
        # Else each look at it costs megabytes.
        await eventually(lambda: not gateway.gateway.rooms.running, seconds=15)
        reader = await reader.back({ask_id: 2})
        snapshot = (await reader.until("snapshot"))[-1]
        assert snapshot["status"] == "done"
        assert len(snapshot["text"]) == 6_000_000


async def test_readiness_follows_the_service(gateway: RunningGateway, service: FakeRetrieval) -> None:
    assert await status_of(gateway, "/healthz") == 200
    assert await status_of(gateway, "/readyz") == 200


async def test_gateway_without_its_service_lives_but_is_not_ready() -> None:
    async with running_retrieval_service() as service:
        pass
    async with running_gateway(service) as gateway:
        assert await status_of(gateway, "/healthz") == 200
        assert await status_of(gateway, "/readyz") == 503


async def test_widget_script_is_cached_by_its_content(gateway: RunningGateway) -> None:
    url = f"{gateway.url}/widget.js"
    async with gateway.http.get(url) as response:
        tag = response.headers["ETag"]
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Content-Encoding"] == "gzip"
        assert response.content_type == "text/javascript"
        assert "window.Kladez" in await response.text()
    async with gateway.http.get(url, headers={"If-None-Match": tag}) as response:
        assert response.status == 304


async def status_of(gateway: RunningGateway, path: str) -> int:
    async with gateway.http.get(f"{gateway.url}{path}") as response:
        return response.status


async def test_demo_page_behind_our_proxy_embeds_the_chat_by_https(service: FakeRetrieval) -> None:
    headers = {"X-Forwarded-Proto": "https", "Host": "demo.example"}
    async with (
        running_gateway(
            service, demo_shop=SHOP, demo_hosts="demo.example", trusted_proxies="127.0.0.1/32"
        ) as gateway,
        gateway.http.get(f"{gateway.url}/?lang=pt", headers=headers) as response,
    ):
        text = await response.text()
    assert f'src="https://demo.example/widget.js" data-shop-id="{SHOP}"' in text
    assert "connect-src 'self' wss://demo.example" in response.headers["Content-Security-Policy"]
