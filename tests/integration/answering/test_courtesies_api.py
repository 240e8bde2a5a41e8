"""Greetings, thanks and goodbyes in words that no list has, and what wants a person or asks who answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_asyncio
from kladez.v1 import answer_service_pb2 as pb

from retrieval_service.services.answering import small_talk
from retrieval_service.services.retrieval.query_vectors import Questions
from tests.kits.answers_kit import CONTACT, ask, lamp_shop, stored
from tests.kits.service_kit import Running, Shop, new_shop

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def service_settings() -> dict[str, Any]:
    return {"local_model": "both"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_shop(running: Running) -> Shop:
    return await lamp_shop(running)


@pytest.mark.parametrize(
    ("said", "beginning"),
    [
        ("howdy", "Hello!"),
        ("appreciate it", "You are welcome!"),
        ("that was super useful", "You are welcome!"),
        ("catch you later", "Goodbye!"),
        ("до связи", "До свидания!"),
        ("вы супер", "Пожалуйста!"),
        ("здарова", "Здравствуйте!"),
        ("até a próxima", "Até logo!"),
        ("ajudou bastante", "De nada!"),
        ("e aí galera", "Olá!"),
        ("👋", "Здравствуйте!"),  # of no language: the tenant's first
        ("is this a robot?", "I am a program"),
        ("ты бот?", "Я программа"),
        ("isso é um robô?", "Sou um programa"),
    ],
)
async def test_courtesy_is_answered_in_kind(one_shop: Shop, said: str, beginning: str) -> None:
    heard = await ask(one_shop, said)
    assert heard.text.startswith(beginning)
    assert heard.completed.finish_reason == pb.FINISH_REASON_PLEASANTRY
    assert not heard.completed.answer.wants_human


@pytest.mark.parametrize(
    "said",
    [
        *("operator please", "I want to talk to a person", "I'd like to speak to a representative"),
        *("Позовите оператора", "хочу общаться с консультантом, а не с программой"),
        *("quero falar com um atendente", "gostaria de conversar com alguém"),
        # No example, nor near one alone: the words of a person in the frame of a wish.
        *("put me through to an agent", "real person please", "can somebody from your team reply to me?"),
        *("Позовите живого человека", "свяжите меня с менеджером пожалуйста", "мне нужен кто-то из ваших"),
        *(
            "tem alguém aí para me atender?",
            "me conecta com o suporte humano",
            "alguém do suporte, por favor",
        ),
    ],
)
async def test_wish_for_a_person_is_marked_and_names_the_contact(one_shop: Shop, said: str) -> None:
    heard = await ask(one_shop, said)
    assert CONTACT in heard.text
    assert heard.completed.answer.wants_human
    assert (await stored(one_shop, heard.started.answer_id)).wants_human


@pytest.mark.parametrize(
    "said",
    [
        *("no thanks, I do not want a human", "don't connect me to an operator", "I do not need a manager"),
        *("не хочу говорить с оператором", "не надо звать человека", "não quero falar com atendente"),
        # The same words in another frame.
        *("do you have a manager's phone case?", "who is your manager?", "real leather please"),
        *("нужен менеджер паролей", "кто ваш менеджер?", "хочу живую ёлку"),
        *("quem é o gerente de vocês?", "preciso de um gerenciador de senhas", "anel de ouro de verdade"),
    ],
)
async def test_who_wants_no_person_is_not_marked(one_shop: Shop, said: str) -> None:
    assert not (await ask(one_shop, said)).completed.answer.wants_human


async def test_without_a_contact_that_is_said(running: Running) -> None:
    heard = await ask(await new_shop(running), "Operator!")
    assert "no contact" in heard.text
    assert heard.completed.answer.wants_human


@pytest.mark.parametrize(
    "question",
    [
        "Within how many days may a lamp be returned?",
        "How much is shipping?",
        "Who repairs lamps?",
        "Does the lamp have a dimmer?",
        "Can I pay by card?",
        "Do you ship to Greenland?",
        "👎",
        "💔",
    ],
)
async def test_question_is_no_courtesy(one_shop: Shop, question: str) -> None:
    heard = await ask(one_shop, question)
    assert heard.completed.finish_reason != pb.FINISH_REASON_PLEASANTRY


@pytest.mark.parametrize("said", ["?", "???", "🤔", "!?", "…", "-", "🤔" * 500])
async def test_message_without_a_word_states_nothing(one_shop: Shop, said: str) -> None:
    heard = await ask(one_shop, said)
    assert heard.completed.finish_reason == pb.FINISH_REASON_NO_RELEVANT_CONTENT
    assert not heard.completed.answer.references


_ASKED = {
    "ru": """
        завтра|на завтра|послезавтра|сегодня|утром|вечером|в субботу вечером|вечерний приём|до скольки|акции
        новинки|для 50 человек|на двоих|мастер Анна|Светлана Петровна|робот-пылесос|чат-бот для сайта
        оператор связи|руководство оператора|визит в шоурум|повторить заказ|ещё размеры|искусственная ель
        живые цветы|подробнее про доставку
    """,
    "en": """
        tomorrow|tomorrow morning?|later today?|this evening|for the evening?|morning tour|night
        late checkout|later|see you at 5?|until what time|deals|for 50 people|is Peter working today?
        robot lawn mower|visit the showroom|operator manual for Mistral|crane operator|repeat prescription
        artificial flowers|is the chauffeur a robot|thank you gifts|good morning breakfast|nice hotel
        more sizes|you are useless
    """,
    "pt": """
        amanhã|para amanhã|hoje à noite|de noite|noite|tarde|sábado à noite|logo cedo|até que horas
        até quando|promoções|descontos|para 50 pessoas|visita showroom|o Pedro trabalha hoje?|Dona Maria
        robô aspirador|curso de operador|manual do operador|recursos humanos|flores artificiais
        repetir pedido|mais tamanhos|boa pizza|ajuda|quero reclamar
    """,
}


@pytest.mark.parametrize("language", _ASKED)
async def test_what_asks_in_a_word_or_two_is_no_courtesy(running: Running, language: str) -> None:
    shop = await lamp_shop(running)
    asked = [one.strip() for one in _ASKED[language].strip().replace("\n", "|").split("|")]
    heard = {one: (await ask(shop, one)).completed for one in asked}
    assert [one for one in asked if heard[one].finish_reason == pb.FINISH_REASON_PLEASANTRY] == []
    assert [one for one in asked if heard[one].answer.wants_human] == []


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("Hello!", "heyyy|good day to you"),
        ("Здравствуйте!", "здравствуте|добрый вечерок|привееет"),
        ("Olá!", "boa tardee|oiii"),
        ("You are welcome!", "thx a lot|thank you, but I do not want a human|Thank you, human!"),
        ("Пожалуйста!", "спасибо, выручили|вы меня спасли"),
        ("De nada!", "brigadão|obrigadaaa|me ajudou demais"),
        ("I am a program", "who are you|am I chatting with a human?"),
        ("Я программа", "кто вы|вы настоящий?"),
        ("Sou um programa", "quem é você|você é real?"),
        (
            CONTACT,
            "manager|let me talk to the manager|менеджер|человек|дайте телефон менеджера|gerente|pessoa",
        ),
    ],
)
async def test_courtesies_mistyped_and_wishes_in_a_word(one_shop: Shop, kind: str, texts: str) -> None:
    heard = {one: (await ask(one_shop, one)).text for one in texts.split("|")}
    assert {one: text for one, text in heard.items() if kind not in text} == {}


@pytest.mark.parametrize("said", ["tell me more about it", "а поподробнее?", "me fala mais sobre isso"])
async def test_who_wants_more_gets_what_was_answered_last_or_is_asked_what_of(
    one_shop: Shop, said: str
) -> None:
    heard = await ask(one_shop, said)
    assert heard.completed.finish_reason == pb.FINISH_REASON_PLEASANTRY
    assert heard.text.endswith("?")
    session = await one_shop.client.create_session(pb.CreateSessionRequest(channel="widget"))
    first = await ask(one_shop, "Within how many days may a lamp be returned?", session_id=session.session_id)
    again = await ask(one_shop, said, session_id=session.session_id)
    assert again.completed.finish_reason == pb.FINISH_REASON_STOP
    assert [one.external_id for one in again.started.references] == ["returns"]
    assert first.started.references[0].external_id == "returns"


async def test_nobody_waits_long_for_the_examples_and_whoever_comes_later_has_them(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_talk, "PATIENCE_SECONDS", 0.0)
    embedders = running.service.embedders
    fresh = small_talk.Courtesies(embedders, Questions(embedders, running.service.meter))
    assert await fresh._known(embedders.home_id, embedders.home) is None
    async with asyncio.timeout(90):
        while await fresh._known(embedders.home_id, embedders.home) is None:  # noqa: ASYNC110 - it is made beside
            await asyncio.sleep(0.05)
