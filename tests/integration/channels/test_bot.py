"""The whole bot between a strict fake of Telegram and a retrieval service on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import common_pb2
from kladez.v1 import tenant_service_pb2_grpc as tenants_grpc

from bot.app import running
from bot.config import Settings
from tests.fakes.bot_api import USERNAME, FakeBotApi, SentMessage, running_bot_api
from tests.fakes.retrieval_server import (
    CHANNEL_KEY,
    KETTLE,
    FakeRetrieval,
    Handoff,
    ScriptedAnswer,
    ScriptedFailure,
    Tenants,
    running_retrieval_service,
)

ROOT = Path(__file__).resolve().parents[3]
SHOP_KEY = str(uuid.uuid4())
ANN, BOB, GROUP = 11, 12, -5
DELIVERY = common_pb2.Reference(number=1, title="Delivery", url="https://shop.example/delivery")
DOUBTFUL = ScriptedAnswer(
    deltas=("🙂 It costs 990 [1]. ", "It sings. ", "Ask ", "away."),
    unsupported=(
        answers_pb.UnsupportedRange(start_offset=20, end_offset=29),
        answers_pb.UnsupportedRange(start_offset=30, end_offset=39),
    ),
)
POLITE = ScriptedAnswer(
    deltas=("You are welcome!",), references=(), finish_reason=answers_pb.FINISH_REASON_PLEASANTRY
)
SLOW = ScriptedAnswer(
    deltas=("We deliver everywhere ", "in **two days** [1]. ", "Free from 50 🙂."),
    references=(DELIVERY,),
    pause_seconds=0.1,
)


@pytest.fixture
async def telegram() -> AsyncIterator[FakeBotApi]:
    async with running_bot_api() as api:
        yield api


@pytest.fixture
async def service() -> AsyncIterator[FakeRetrieval]:
    async with running_retrieval_service() as fake:
        fake.add_shop(
            public_key=SHOP_KEY,
            name="Tea & Co",
            greetings={"ru": "Добро пожаловать в чайную!"},
            suggested_questions={"en": ["How long does delivery take?", "Any green tea?"]},
        )
        yield fake


@pytest.fixture
def settings(telegram: FakeBotApi, service: FakeRetrieval, tmp_path: Path) -> Settings:
    return settings_for(telegram, service.address, tmp_path)


@pytest.fixture
async def bot(settings: Settings) -> AsyncIterator[None]:
    async with running(settings):
        yield


def settings_for(telegram: FakeBotApi, address: str, folder: Path, **others: object) -> Settings:
    values = {
        "bot_token": telegram.token,
        "channel_key": CHANNEL_KEY,
        "service_address": address,
        "bot_api_base_url": telegram.base_url,
        "bot_state_dir": folder / "state",
        "bot_edit_interval_seconds": 0.02,
        "bot_shutdown_grace_seconds": 0.3,
        **others,
    }
    return Settings.model_validate(values)


async def start(telegram: FakeBotApi, chat_id: int = ANN, key: str = SHOP_KEY) -> SentMessage:
    known = len(telegram.messages(chat_id))
    telegram.user_sends(chat_id, f"/start {key}")
    return (await telegram.wait_for(lambda: telegram.messages(chat_id)[known:]))[-1]


async def message_with(telegram: FakeBotApi, words: str, chat_id: int = ANN) -> SentMessage:
    """The newest message of the bot that holds the words and is not being written any more."""

    def found() -> SentMessage | None:
        ready = (m for m in telegram.messages(chat_id) if words in m.text and "▍" not in m.text)
        return next(ready, None)

    return await telegram.wait_for(found)


async def growing_message(telegram: FakeBotApi, chat_id: int = ANN) -> SentMessage:
    return await telegram.wait_for(
        lambda: next((m for m in telegram.messages(chat_id) if "▍" in m.text), None)
    )


@pytest.mark.usefixtures("bot")
class TestStart:
    async def test_a_key_binds_the_chat_and_offers_questions(self, telegram: FakeBotApi) -> None:
        greeting = await start(telegram)
        assert "Tea & Co" in greeting.text
        assert [button.text for button in greeting.buttons] == [
            "How long does delivery take?",
            "Any green tea?",
        ]

    async def test_a_key_may_come_without_dashes(self, telegram: FakeBotApi, service: FakeRetrieval) -> None:
        greeting = await start(telegram, key=SHOP_KEY.replace("-", ""))
        assert "Tea & Co" in greeting.text
        assert service.journal.resolved == [SHOP_KEY]

    async def test_the_shop_greets_in_the_language_of_the_client(self, telegram: FakeBotApi) -> None:
        telegram.user_sends(ANN, f"/start {SHOP_KEY}", language_code="ru")
        await message_with(telegram, "Добро пожаловать в чайную!")

    @pytest.mark.parametrize("key", ["5f6f1c1e-6c0e-4e57-9d0a-3d1f3a8f6f10", "no-such-key"])
    async def test_an_unknown_key_is_answered_with_help(self, telegram: FakeBotApi, key: str) -> None:
        answer = await start(telegram, key=key)
        assert "no shop with this key" in answer.text

    async def test_without_a_key_the_customer_learns_how_to_name_a_shop(self, telegram: FakeBotApi) -> None:
        telegram.user_sends(ANN, "/start")
        await message_with(telegram, "/start followed by")

    async def test_a_question_before_any_shop_is_answered_the_same_way(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        telegram.user_sends(ANN, "How much?")
        await message_with(telegram, "/start followed by")
        assert not service.journal.questions

    async def test_a_suggested_question_is_asked_by_pressing_it(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        greeting = await start(telegram)
        telegram.press(greeting.buttons[1])
        await message_with(telegram, "990 roubles")
        assert service.journal.questions == ["Any green tea?"]

    async def test_a_press_that_telegram_calls_too_old_still_counts(self, telegram: FakeBotApi) -> None:
        greeting = await start(telegram)
        telegram.fail_next("answerCallbackQuery", 400, "Bad Request: query is too old")
        telegram.press(greeting.buttons[1])
        await message_with(telegram, "990 roubles")

    async def test_the_menu_of_commands_is_published_in_every_language(self, telegram: FakeBotApi) -> None:
        assert set(telegram.commands) == {"", "en", "ru", "pt"}


@pytest.mark.usefixtures("bot")
class TestDoubts:
    @pytest.mark.parametrize(
        ("language", "footnote"),
        [
            ("en", "† Not confirmed by the sources."),
            ("ru", "† Не подтверждено источниками."),
            ("pt", "† Não confirmado pelas fontes."),
        ],
    )
    async def test_sentence_without_a_source_is_marked_in_the_language_of_the_chat(
        self, telegram: FakeBotApi, service: FakeRetrieval, language: str, footnote: str
    ) -> None:
        service.script("kettle", DOUBTFUL)
        telegram.user_sends(ANN, f"/start {SHOP_KEY}", language_code=language)
        await telegram.wait_for(lambda: telegram.messages(ANN))
        telegram.user_sends(ANN, "kettle?", language_code=language)
        answer = await message_with(telegram, footnote)
        assert answer.text.startswith("🙂 It costs 990 [1]. It sings.† Ask away.†\n")

    async def test_mark_stands_while_the_answer_is_being_written(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        service.script("kettle", replace(DOUBTFUL, hold_after=3, pause_seconds=0.1))
        await start(telegram)
        telegram.user_sends(ANN, "kettle?")
        await telegram.wait_for(lambda: any("sings.† Ask ▍" in m.text for m in telegram.messages(ANN)))
        service.release()
        await message_with(telegram, "Ask away.")


@pytest.mark.usefixtures("bot")
class TestHandoff:
    async def test_conversation_of_the_site_goes_on_in_the_chat(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        code, session_id = begun_elsewhere(service)
        telegram.user_sends(ANN, f"/start h_{code}")
        await message_with(telegram, "with Tea & Co")
        await message_with(telegram, "How much is the kettle?")
        answer = await message_with(telegram, "It costs 990")
        assert "Blue kettle" in answer.text
        telegram.user_sends(ANN, "and in red?")
        await message_with(telegram, "990 roubles")
        assert [call.session_id for call in service.journal.answer_calls] == [session_id]
        assert not service.journal.sessions

    @pytest.mark.parametrize(
        ("language", "words"), [("ru", "разговор с магазином «Tea & Co»"), ("pt", "conversa com Tea & Co")]
    )
    async def test_chat_speaks_the_language_of_the_conversation(
        self, telegram: FakeBotApi, service: FakeRetrieval, language: str, words: str
    ) -> None:
        code, _ = begun_elsewhere(service, language)
        telegram.user_sends(ANN, f"/start h_{code}")
        await message_with(telegram, words)

    async def test_code_that_is_used_or_unknown_says_what_to_do(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        code, _ = begun_elsewhere(service)
        telegram.user_sends(ANN, f"/start h_{code}")
        await message_with(telegram, "It costs 990")
        telegram.user_sends(BOB, f"/start h_{code}")
        await message_with(telegram, "ten minutes are over", BOB)
        assert all("990" not in message.text for message in telegram.messages(BOB))


def begun_elsewhere(service: FakeRetrieval, language: str = "") -> tuple[str, str]:
    """The code and the session of a conversation with one turn."""
    session_id, code = service.add_session(), uuid.uuid4().hex
    service.answers[session_id] = answers_pb.Answer(
        session_id=session_id,
        question="How much is the kettle?",
        text="It costs 990 [1].",
        references=[KETTLE],
        status=answers_pb.AnswerStatus.ANSWER_STATUS_COMPLETED,
    )
    service.handoffs[code] = Handoff(
        tenant_id=service.shops[SHOP_KEY].tenant_id, session_id=session_id, language=language
    )
    return code, session_id


@pytest.mark.usefixtures("bot")
class TestAnswers:
    async def test_an_answer_grows_in_one_message_and_ends_cited(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        service.script("deliver", SLOW)
        greeting = await start(telegram)
        telegram.user_sends(ANN, "Do you deliver?")
        growing = await growing_message(telegram)
        final = await message_with(telegram, "Free from 50")
        assert [m.message_id for m in telegram.messages(ANN)] == [greeting.message_id, final.message_id]
        assert growing.message_id == final.message_id
        assert [button.text for button in growing.buttons] == ["⏹ Stop"]
        assert [button.text for button in final.buttons] == ["👍", "👎"]
        assert final.text == (
            "We deliver everywhere in two days [1]. Free from 50 🙂.\n\nSources\n[1] Delivery"
        )
        assert {(e["type"], final.under(e)) for e in final.entities} == {
            ("bold", "two days"),
            ("text_link", "[1]"),
            ("bold", "Sources"),
            ("text_link", "Delivery"),
            ("expandable_blockquote", "Sources\n[1] Delivery"),
        }

    async def test_typing_is_shown_before_the_first_words(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        service.script("deliver", SLOW)
        await start(telegram)
        telegram.user_sends(ANN, "Do you deliver?")
        await message_with(telegram, "Free from 50")
        methods = [call.method for call in telegram.calls]
        assert methods.index("sendChatAction") < methods.index("editMessageText")

    async def test_the_second_question_stays_in_the_conversation(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        service.script("first", ScriptedAnswer(deltas=("one",)))
        service.script("second", ScriptedAnswer(deltas=("two",)))
        await start(telegram)
        telegram.user_sends(ANN, "first?")
        await message_with(telegram, "one")
        telegram.user_sends(ANN, "second?")
        await message_with(telegram, "two")
        first, second = service.journal.answer_calls
        assert first.session_id == second.session_id != ""
        assert first.request_id != second.request_id
        assert [(s.channel, s.language) for s in service.journal.sessions] == [("telegram", "en")]

    async def test_a_forgotten_conversation_is_begun_anew(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        await start(telegram)
        telegram.user_sends(ANN, "first?")
        await message_with(telegram, "990 roubles")
        service.sessions.clear()
        service.script("second", ScriptedAnswer(deltas=("still here",)))
        telegram.user_sends(ANN, "second?")
        await message_with(telegram, "still here")

    async def test_stop_ends_the_call_and_keeps_what_was_written(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        service.script("deliver", ScriptedAnswer(deltas=("We deliver everywhere in ", "x"), hold_after=1))
        await start(telegram)
        telegram.user_sends(ANN, "Do you deliver?")
        growing = await growing_message(telegram)
        telegram.press(growing.buttons[0])
        final = await message_with(telegram, "Stopped at your request")
        assert final.text.startswith("We deliver everywhere in")
        assert not final.buttons
        await telegram.wait_for(lambda: service.journal.cancelled == ["Do you deliver?"])

    async def test_a_new_question_is_refused_while_one_is_being_answered(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        service.script("deliver", ScriptedAnswer(hold_after=1))
        await start(telegram)
        telegram.user_sends(ANN, "Do you deliver?")
        await service.holding()
        telegram.user_sends(ANN, "And returns?")
        await message_with(telegram, "still answering")
        service.release()
        await message_with(telegram, "990 roubles")
        assert service.journal.questions == ["Do you deliver?"]

    async def test_a_thumb_up_is_told_to_the_service_and_leaves_no_buttons(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        await start(telegram)
        telegram.user_sends(ANN, "How much?")
        answer = await message_with(telegram, "990 roubles")
        telegram.press(answer.buttons[0])
        await telegram.wait_for(lambda: "Thank you!" in telegram.callback_answers)
        await telegram.wait_for(lambda: not telegram.messages(ANN)[-1].buttons)
        [told] = service.journal.feedback
        assert (told.rating, told.reason) == (answers_pb.RATING_UP, "")

    async def test_replay_of_a_cut_off_answer_says_so_and_is_not_rated(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        interrupted = answers_pb.AnswerStatus.ANSWER_STATUS_INTERRUPTED
        service.script("cut", ScriptedAnswer(deltas=("half an",), status=interrupted))
        await start(telegram)
        telegram.user_sends(ANN, "cut", language_code="en")
        answer = await message_with(telegram, "The answer was interrupted")
        assert "half an" in answer.text
        assert not answer.buttons

    @pytest.mark.parametrize(
        ("language", "line"),
        [
            ("en", "The assistant's writer is unavailable; these are quotations."),
            ("ru", "Автор ответов сейчас недоступен: это цитаты из документов."),
            ("pt", "O redator do assistente está indisponível; estas são citações."),
        ],
    )
    async def test_quotations_in_the_model_s_place_are_told_as_such(
        self, telegram: FakeBotApi, service: FakeRetrieval, language: str, line: str
    ) -> None:
        service.script("away", ScriptedAnswer(model_away=True))
        await start(telegram)
        telegram.user_sends(ANN, "away", language_code=language)
        answer = await message_with(telegram, line)
        assert "990 roubles" in answer.text
        assert answer.buttons

    @pytest.mark.parametrize(
        ("language", "line"),
        [
            ("en", "This is not an answer, only what may help."),
            ("ru", "Это не ответ, а то, что может помочь."),
            ("pt", "Não é uma resposta: apenas o que pode ajudar."),
        ],
    )
    async def test_what_may_help_is_told_as_such_and_can_be_rated(
        self, telegram: FakeBotApi, service: FakeRetrieval, language: str, line: str
    ) -> None:
        service.script("perhaps", ScriptedAnswer(finish_reason=answers_pb.FINISH_REASON_NOT_SURE))
        await start(telegram)
        telegram.user_sends(ANN, "perhaps", language_code=language)
        assert (await message_with(telegram, line)).buttons

    async def test_politeness_is_nothing_to_rate(self, telegram: FakeBotApi, service: FakeRetrieval) -> None:
        service.script("thanks", POLITE)
        await start(telegram)
        telegram.user_sends(ANN, "thanks")
        assert not (await message_with(telegram, "You are welcome!")).buttons

    @pytest.mark.parametrize(
        ("language", "reason"),
        [("en", "It is out of date"), ("ru", "Сведения устарели"), ("pt", "Está desatualizada")],
    )
    async def test_a_thumb_down_asks_why_in_the_language_of_the_client(
        self, telegram: FakeBotApi, service: FakeRetrieval, language: str, reason: str
    ) -> None:
        await start(telegram)
        telegram.user_sends(ANN, "How much?")
        answer = await message_with(telegram, "990 roubles")
        telegram.press(answer.buttons[1], language_code=language)
        asked = await telegram.wait_for(
            lambda: next((m for m in telegram.messages(ANN) if len(m.buttons) == 4), None)
        )
        assert asked.text == answer.text
        telegram.press(next(one for one in asked.buttons if one.text == reason), language_code=language)
        await telegram.wait_for(lambda: not telegram.messages(ANN)[-1].buttons)
        assert [told.rating for told in service.journal.feedback] == [answers_pb.RATING_DOWN] * 2
        assert [told.reason for told in service.journal.feedback] == ["", reason]

    async def test_an_answer_of_a_conversation_that_is_over_cannot_be_rated(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        await start(telegram)
        telegram.user_sends(ANN, "How much?")
        answer = await message_with(telegram, "990 roubles")
        service.answers.clear()
        telegram.press(answer.buttons[0])
        await telegram.wait_for(lambda: "This answer cannot be rated any more." in telegram.callback_answers)
        assert not service.journal.feedback

    async def test_stop_after_the_end_says_so(self, telegram: FakeBotApi, service: FakeRetrieval) -> None:
        service.script("deliver", SLOW)
        await start(telegram)
        telegram.user_sends(ANN, "Do you deliver?")
        growing = await growing_message(telegram)
        await message_with(telegram, "Free from 50")
        telegram.press(growing.buttons[0])
        await telegram.wait_for(lambda: "This answer has already ended." in telegram.callback_answers)

    async def test_a_very_long_answer_is_split_and_nothing_is_lost(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        paragraphs = tuple(f"{number}. {'слово ' * 150}\n\n" for number in range(12))
        service.script("all", ScriptedAnswer(deltas=paragraphs))
        greeting = await start(telegram)
        telegram.user_sends(ANN, "Tell me all")
        await message_with(telegram, "11. слово")
        parts = [m.text for m in telegram.messages(ANN) if m.message_id != greeting.message_id]
        assert len(parts) == 3
        assert "".join(" ".join(parts).split()) == "".join("".join(paragraphs).split())

    async def test_a_question_right_behind_the_start_waits_for_the_shop(self, telegram: FakeBotApi) -> None:
        telegram.user_sends(ANN, f"/start {SHOP_KEY}")
        telegram.user_sends(ANN, "How much?")
        await message_with(telegram, "990 roubles")

    async def test_a_question_that_is_too_long_is_refused_at_once(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        await start(telegram)
        telegram.user_sends(ANN, "?" * 2001)
        await message_with(telegram, "too long")
        assert not service.journal.questions

    async def test_a_repeated_update_is_answered_once(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        await start(telegram)
        update_id = telegram.user_sends(ANN, "How much?")
        await message_with(telegram, "990 roubles")
        telegram.deliver_again(update_id)
        service.script("And now", ScriptedAnswer(deltas=("done",)))
        telegram.user_sends(ANN, "And now?")
        await message_with(telegram, "done")
        assert service.journal.questions == ["How much?", "And now?"]

    async def test_a_photo_is_answered_with_what_the_bot_understands(self, telegram: FakeBotApi) -> None:
        telegram.user_sends_photo(ANN)
        await message_with(telegram, "only written questions")


@pytest.mark.usefixtures("bot")
class TestBadDays:
    async def test_a_flooded_chat_gets_its_answer_and_holds_up_no_other(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        service.script(
            "deliver", ScriptedAnswer(deltas=("We deliver everywhere in ", "two days."), hold_after=1)
        )
        await start(telegram, ANN)
        await start(telegram, BOB)
        telegram.user_sends(ANN, "Do you deliver?")
        await growing_message(telegram)
        telegram.flood(ANN, seconds=1)
        service.release()
        await telegram.wait_for(lambda: telegram.count("editMessageText", error="Too Many Requests"))
        telegram.user_sends(BOB, "How much?")
        await message_with(telegram, "990 roubles", BOB)
        assert "▍" in telegram.messages(ANN)[-1].text
        await message_with(telegram, "We deliver everywhere in two days.")

    async def test_frames_that_fail_do_not_harm_the_answer(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        service.script("deliver", SLOW)
        telegram.fail_next("editMessageText", 429, "Too Many Requests: retry after 1", retry_after=1)
        await start(telegram)
        telegram.user_sends(ANN, "Do you deliver?")
        await message_with(telegram, "Free from 50")
        assert telegram.count("editMessageText", error="Too Many Requests") == 1

    async def test_a_frame_that_telegram_cannot_take_leaves_no_trace_in_the_answer(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        service.script("deliver", SLOW)
        await start(telegram)
        telegram.fail_next("editMessageText", 500, "Internal Server Error")
        telegram.user_sends(ANN, "Do you deliver?")
        final = await message_with(telegram, "Free from 50")
        assert telegram.count("editMessageText", error="Internal Server Error") == 1
        assert final.text.endswith("Free from 50 🙂.\n\nSources\n[1] Delivery")

    async def test_an_internal_error_of_telegram_delays_the_answer_only(self, telegram: FakeBotApi) -> None:
        await start(telegram)
        telegram.fail_next("sendMessage", 500, "Internal Server Error", times=2)
        telegram.user_sends(ANN, "How much?")
        await message_with(telegram, "990 roubles")

    async def test_an_edit_whose_reply_was_lost_does_not_stop_the_messages_after_it(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        deltas = ("We deliver everywhere in ", "two days. " * 420, "The end.")
        service.script("deliver", ScriptedAnswer(deltas=deltas, hold_after=1))
        await start(telegram)
        telegram.user_sends(ANN, "Do you deliver?")
        growing = await growing_message(telegram)
        for _ in range(4):
            telegram.lose_reply("editMessageText")
        service.release()
        last = await message_with(telegram, "The end.")
        assert telegram.count("editMessageText", error="not modified")
        assert last.message_id != growing.message_id

    async def test_formatting_that_telegram_refuses_is_left_out(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        service.script("deliver", ScriptedAnswer(deltas=("**two days**",)))
        await start(telegram)
        telegram.fail_next("sendMessage", 400, "Bad Request: can't parse entities: unknown")
        telegram.user_sends(ANN, "Do you deliver?")
        assert not (await message_with(telegram, "two days")).entities

    async def test_an_answer_whose_message_was_deleted_is_sent_anew(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        service.script(
            "deliver", ScriptedAnswer(deltas=("We deliver everywhere in ", "two days."), hold_after=1)
        )
        await start(telegram)
        telegram.user_sends(ANN, "Do you deliver?")
        telegram.user_deletes(await growing_message(telegram))
        service.release()
        await message_with(telegram, "two days.")

    async def test_a_failure_in_the_middle_keeps_the_text_and_says_so(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        failure = ScriptedFailure(code="UNAVAILABLE")
        service.script("deliver", ScriptedAnswer(deltas=("We deliver", "x"), failure=failure, fail_after=1))
        await start(telegram)
        telegram.user_sends(ANN, "Do you deliver?")
        final = await message_with(telegram, "does not respond right now")
        assert final.text.startswith("We deliver")
        assert "secret detail" not in final.text

    async def test_spent_day_is_told_with_its_end(self, telegram: FakeBotApi, service: FakeRetrieval) -> None:
        failure = ScriptedFailure(code="RESOURCE_EXHAUSTED", reason="QUOTA_SPENT", retry_after_seconds=19_800)
        service.script("deliver", ScriptedAnswer(failure=failure))
        await start(telegram)
        telegram.user_sends(ANN, "Do you deliver?")
        final = await message_with(telegram, "No more questions can be answered today")
        assert "UTC, in 5 h 30 min" in final.text

    async def test_person_is_one_visitor_and_no_name(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        for chat in (ANN, BOB):
            await start(telegram, chat)
            telegram.user_sends(chat, "Do you deliver?", user_id=chat)
            await message_with(telegram, "990 roubles", chat)
        first, second = [call.visitor for call in service.journal.answer_calls]
        assert first != second
        assert re.fullmatch(r"[0-9a-f]{32}", first)


@pytest.mark.usefixtures("bot")
class TestLanguages:
    async def test_a_chosen_language_outweighs_that_of_the_client(self, telegram: FakeBotApi) -> None:
        telegram.user_sends(ANN, "/help", language_code="pt-BR")
        await message_with(telegram, "Escreva a pergunta")
        telegram.user_sends(ANN, "/lang", language_code="pt-BR")
        offer = await message_with(telegram, "Em que idioma")
        russian = next(button for button in offer.buttons if button.text == "Русский")
        telegram.press(russian, language_code="pt-BR")
        await message_with(telegram, "говорим по-русски")
        telegram.user_sends(ANN, "/help", language_code="pt-BR")
        await message_with(telegram, "Напишите вопрос")

    async def test_an_unknown_command_is_answered_with_help_and_in_a_group_left_to_other_bots(
        self, telegram: FakeBotApi
    ) -> None:
        telegram.user_sends(GROUP, "/privacy")
        telegram.user_sends(ANN, "/privacy", language_code="pt")
        await message_with(telegram, "Escreva a pergunta")
        assert telegram.messages(GROUP) == []

    async def test_a_language_can_be_named_in_the_command(self, telegram: FakeBotApi) -> None:
        telegram.user_sends(ANN, "/lang pt")
        await message_with(telegram, "falamos português")


@pytest.mark.usefixtures("bot")
class TestGroups:
    async def test_the_bot_speaks_only_when_it_is_meant(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        await start(telegram, GROUP)
        telegram.user_sends(GROUP, "nobody asked the bot")
        asked = telegram.user_sends(GROUP, f"@{USERNAME.upper()} How much?")
        answer = await message_with(telegram, "990 roubles", GROUP)
        telegram.user_sends(GROUP, "And by reply?", reply_to=answer.message_id)
        await telegram.wait_for(lambda: len(service.journal.questions) == 2)
        assert asked
        assert service.journal.questions == ["How much?", "And by reply?"]
        assert answer.reply_to is not None

    async def test_only_the_person_who_asked_can_stop_the_answer(
        self, telegram: FakeBotApi, service: FakeRetrieval
    ) -> None:
        service.script(
            "deliver", ScriptedAnswer(deltas=("We deliver everywhere in ", "two days."), hold_after=1)
        )
        await start(telegram, GROUP)
        telegram.user_sends(GROUP, f"@{USERNAME} Do you deliver?", user_id=1)
        growing = await growing_message(telegram, GROUP)
        telegram.press(growing.buttons[0], user_id=2)
        await telegram.wait_for(lambda: any("Only the person" in a for a in telegram.callback_answers))
        service.release()
        await message_with(telegram, "two days.", GROUP)


class TestLife:
    async def test_a_restart_keeps_shop_language_and_conversation(
        self, telegram: FakeBotApi, service: FakeRetrieval, settings: Settings
    ) -> None:
        async with running(settings):
            await start(telegram)
            telegram.user_sends(ANN, "/lang ru")
            await message_with(telegram, "говорим по-русски")
            telegram.user_sends(ANN, "first?")
            await message_with(telegram, "990 roubles")
        async with running(settings):
            service.script("second", ScriptedAnswer(deltas=("",)))
            telegram.user_sends(ANN, "second?")
            await message_with(telegram, "На это у меня нет ответа")
        first, second = service.journal.answer_calls
        assert first.session_id == second.session_id

    async def test_stopping_lets_a_running_answer_say_why_it_ends(
        self, telegram: FakeBotApi, service: FakeRetrieval, settings: Settings
    ) -> None:
        service.script("deliver", ScriptedAnswer(deltas=("We deliver everywhere in ", "x"), hold_after=1))
        async with running(settings):
            await start(telegram)
            telegram.user_sends(ANN, "Do you deliver?")
            await growing_message(telegram)
        final = telegram.messages(ANN)[-1]
        assert final.text.startswith("We deliver everywhere in")
        assert "being restarted" in final.text
        assert not final.buttons

    async def test_the_own_shop_of_a_bot_needs_no_key(
        self, telegram: FakeBotApi, service: FakeRetrieval, tmp_path: Path
    ) -> None:
        settings = settings_for(telegram, service.address, tmp_path, bot_default_shop=SHOP_KEY)
        async with running(settings):
            telegram.user_sends(ANN, "How much?")
            await message_with(telegram, "990 roubles")

    async def test_a_failed_call_is_told_with_its_request_id(
        self, telegram: FakeBotApi, tmp_path: Path
    ) -> None:
        async with refusing_service() as address, running(settings_for(telegram, address, tmp_path)):
            await start(telegram)
            telegram.user_sends(ANN, "How much?")
            answer = await message_with(telegram, "could not finish")
        assert "Request req-42" in answer.text
        assert "secret" not in answer.text


async def refuse(_request: answers_pb.CreateSessionRequest, context: grpc.aio.ServicerContext) -> None:
    """A bug in the service, with a number to look for in the log."""
    context.set_trailing_metadata((("x-request-id", "req-42"),))
    await context.abort(grpc.StatusCode.INTERNAL, "secret detail")


@contextlib.asynccontextmanager
async def refusing_service() -> AsyncIterator[str]:
    """A service that knows the shop and fails whatever it is asked."""
    fake = FakeRetrieval(CHANNEL_KEY)
    fake.add_shop(public_key=SHOP_KEY)
    server = grpc.aio.server()
    tenants_grpc.add_TenantServiceServicer_to_server(Tenants(fake), server)
    method = grpc.unary_unary_rpc_method_handler(
        refuse, request_deserializer=answers_pb.CreateSessionRequest.FromString
    )
    answers = grpc.method_handlers_generic_handler("kladez.v1.AnswerService", {"CreateSession": method})
    server.add_generic_rpc_handlers((answers,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(grace=0)


CRASH = """
import structlog
from bot.app import configure_logging
configure_logging()
question = " ".join(["whispered", "question"])
try:
    1 / 0
except ZeroDivisionError as error:
    structlog.get_logger().error("handler_crashed", exc_info=error)
"""


class TestProcess:
    """`kladez-bot` itself, with signals."""

    @pytest.mark.parametrize(
        ("grace_seconds", "released", "ending"),
        [("0.3", False, "being restarted"), ("20", True, "two days.")],
    )
    async def test_sigterm_ends_an_answer_completely_or_honestly(
        self,
        telegram: FakeBotApi,
        service: FakeRetrieval,
        tmp_path: Path,
        *,
        grace_seconds: str,
        released: bool,
        ending: str,
    ) -> None:
        service.script(
            "deliver", ScriptedAnswer(deltas=("We deliver everywhere in ", "two days."), hold_after=1)
        )
        environment = process_environment(telegram, service, tmp_path, grace_seconds)
        async with bot_process(environment) as process:
            await start(telegram)
            telegram.user_sends(ANN, "Do you deliver?")
            await growing_message(telegram)
            process.send_signal(signal.SIGTERM)
            if released:
                service.release()
            output, _ = await asyncio.wait_for(process.communicate(), 30)
        final = telegram.messages(ANN)[-1]
        assert process.returncode == 0, output.decode()
        assert final.text.startswith("We deliver everywhere in")
        assert ending in final.text
        assert "⏹ Stop" not in [button.text for button in final.buttons]
        assert "▍" not in final.text
        assert telegram.token not in output.decode()
        assert "Do you deliver" not in output.decode()

    async def test_a_missing_setting_names_itself(self) -> None:
        async with bot_process({"KLADEZ_CHANNEL_KEY": "k", "KLADEZ_SERVICE_ADDRESS": "s"}) as process:
            output, _ = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 1
        assert output.decode().strip() == "kladez-bot: KLADEZ_BOT_TOKEN: field required"

    async def test_a_traceback_in_the_log_shows_no_values(self) -> None:
        async with bot_process({}, "-c", CRASH) as process:
            output, _ = await asyncio.wait_for(process.communicate(), 30)
        assert "ZeroDivisionError" in output.decode()
        assert "whispered question" not in output.decode()

    async def test_a_rejected_token_is_told_and_not_repeated(
        self, telegram: FakeBotApi, service: FakeRetrieval, tmp_path: Path
    ) -> None:
        environment = process_environment(telegram, service, tmp_path, "1")
        async with bot_process({**environment, "KLADEZ_BOT_TOKEN": "666:secret"}) as process:
            output, _ = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 1
        assert "rejects KLADEZ_BOT_TOKEN" in output.decode()
        assert "666:secret" not in output.decode()


def process_environment(
    telegram: FakeBotApi, service: FakeRetrieval, folder: Path, grace_seconds: str
) -> dict[str, str]:
    return {
        "KLADEZ_BOT_TOKEN": telegram.token,
        "KLADEZ_CHANNEL_KEY": service.key,
        "KLADEZ_SERVICE_ADDRESS": service.address,
        "KLADEZ_BOT_API_BASE_URL": telegram.base_url,
        "KLADEZ_BOT_STATE_DIR": str(folder / "state"),
        "KLADEZ_BOT_EDIT_INTERVAL_SECONDS": "0.02",
        "KLADEZ_BOT_SHUTDOWN_GRACE_SECONDS": grace_seconds,
    }


@contextlib.asynccontextmanager
async def bot_process(
    environment: dict[str, str], *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(arguments or ("-m", "bot.app")),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'protos' / 'gen'}", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
