"""Which messages are mere politeness, and which ask for something."""

from __future__ import annotations

import pytest

from retrieval_service.domain.answering.follow_ups import needs_context
from retrieval_service.domain.answering.phrases import pleasantry_text
from retrieval_service.text.small_talk import polite_phrases
from retrieval_service.text.small_talk.small_talk import Pleasantry, Said, pleasantry_of
from retrieval_service.text.words import words


@pytest.mark.parametrize(
    ("text", "pleasantry", "language"),
    [
        ("привет", Pleasantry.GREETING, "ru"),
        ("Здравствуйте! Добрый день)", Pleasantry.GREETING, "ru"),
        ("Доброе утро всем 🙂", Pleasantry.GREETING, "ru"),
        ("Спасибо большое за помощь!", Pleasantry.THANKS, "ru"),
        ("Hi there", Pleasantry.GREETING, "en"),
        ("Good morning!", Pleasantry.GREETING, "en"),
        ("thank you very much", Pleasantry.THANKS, "en"),
        ("Hello, thanks for the answer", Pleasantry.THANKS, "en"),
        ("Olá, tudo bem?", Pleasantry.GREETING, "pt"),
        ("Oi, boa tarde", Pleasantry.GREETING, "pt"),
        ("Muito obrigada pela ajuda", Pleasantry.THANKS, "pt"),
        ("oiii", Pleasantry.GREETING, "pt"),
        ("Спасибооо!", Pleasantry.THANKS, "ru"),
        ("Thank you, human!", Pleasantry.THANKS, "en"),
        ("не надо оператора", Pleasantry.ACKNOWLEDGEMENT, "ru"),
        ("no operator please", Pleasantry.ACKNOWLEDGEMENT, "en"),
        ("no, operator please", Pleasantry.HUMAN, "en"),
        ("нет, оператора", Pleasantry.HUMAN, "ru"),
    ],
)
def test_politeness_is_known_with_its_language(text: str, pleasantry: Pleasantry, language: str) -> None:
    assert pleasantry_of(text) == Said(pleasantry=pleasantry, language=language)
    assert not needs_context(text)


_NOT_ASKED = {
    (Pleasantry.THANKS, "en"): """
        ok thanks|Great, thank you!|Got it, thanks|No, thank you|Thanks, that's all|Thanks 👍
        Okay, understood. Thank you very much for your help!|Perfect, thanks again
    """,
    (Pleasantry.THANKS, "ru"): """
        Ок, спасибо|Ok, спасибо|Хорошо, спасибо|Спасибо за информацию|Спасибо за помощь|Спасибо за ответ
        Спасибо, понятно|Спасибо, всё ясно|спасибо 🙏|Нет, спасибо|Большое вам спасибо!|Всё, спасибо
    """,
    (Pleasantry.THANKS, "pt"): """
        Ok, obrigado|Entendi, obrigado|Perfeito, obrigada|Muito obrigada pela atenção|Não, obrigado
        Muito obrigado pela ajuda!|Obrigado, é só isso
    """,
    (Pleasantry.FAREWELL, "en"): "bye|goodbye|see you|Thanks, bye!|Ok, see you later|Have a nice day!",
    (Pleasantry.FAREWELL, "ru"): "До свидания|пока|Пока-пока!|Спасибо, до свидания|Всего доброго!",
    (Pleasantry.FAREWELL, "pt"): "Tchau|tchau tchau|até logo|Obrigada, até mais!",
    (Pleasantry.GREETING, "en"): "Hello, how are you?|how are you doing?",
    (Pleasantry.GREETING, "ru"): "как дела?|Привет! Как дела?",
    (Pleasantry.GREETING, "pt"): "tudo bem?|Oi, tudo bem com você?|Ok, tudo bem?",
    (Pleasantry.ACKNOWLEDGEMENT, "en"): """
        great|perfect|got it|Got it 👌|I see|understood|cool|that's all|That’s all.|yes|no|Ok, great!|Okay, no
    """,
    (Pleasantry.ACKNOWLEDGEMENT, "ru"): """
        понятно|ясно|хорошо|отлично|ок|да|нет|Ок, понятно 👍|Всё понятно|Пока нет|ага
    """,
    (Pleasantry.ACKNOWLEDGEMENT, "pt"): "entendi|certo|beleza|é só isso|sim|não|Não.|Ok, entendi",
    (Pleasantry.ACKNOWLEDGEMENT, ""): "ok|OK!|okay 👍|👍|😊|👍👍|👍🏽|❤️|🙂",
    (Pleasantry.THANKS, ""): "🙏|🙏🏻|👍 🙏",
}


@pytest.mark.parametrize(
    ("text", "pleasantry", "language"),
    [
        (text.strip(), *said)
        for said, texts in _NOT_ASKED.items()
        for text in texts.strip().replace("\n", "|").split("|")
    ],
)
def test_what_asks_for_nothing_is_no_question(text: str, pleasantry: Pleasantry, language: str) -> None:
    assert pleasantry_of(text) == Said(pleasantry=pleasantry, language=language)
    assert not needs_context(text)


@pytest.mark.parametrize("language", ["ru", "en", "pt"])
def test_each_pleasantry_has_a_reply_of_its_own(language: str) -> None:
    assert len({pleasantry_text(kind, language) for kind in Pleasantry}) == len(Pleasantry)


@pytest.mark.parametrize("language", ["ru", "en", "pt"])
def test_no_phrase_is_two_pleasantries(language: str) -> None:
    kinds = (polite_phrases.GREETINGS, polite_phrases.THANKS, polite_phrases.FAREWELLS)
    kinds = (*kinds, polite_phrases.ACKNOWLEDGEMENTS, polite_phrases.BESIDE)
    lines = [line.strip() for kind in kinds for line in kind[language].strip().split("\n")]
    assert len(lines) == len(set(lines))
    assert all(words(line) == line.split() for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "🤔",
        "👎",
        "!",
        "Привет, есть зелёный чай?",
        "спасибо, а сколько он стоит?",
        "добрый чай",
        "hi, do you deliver to Brazil?",
        "good tea",
        "there",
        "за помощь",
        "obrigado, e o frete?",
        "bom chá",
        "hello " * 10,
        "ok, and delivery?",
        "great tea?",
        "perfect gift",
        "What does 'perfect' tea mean?",
        "Is that all?",
        "that's all?",
        "I see nothing",
        "no, thank you, but is it green?",
        "see you open on Sunday?",
        "спасибо, а доставка?",
        "Спасибо за информацию, а где вы?",
        "хорошо заваривается?",
        "хорошо?",
        "хорошо, а сколько стоит?",
        "ну и сколько",
        "пока не пришло",
        "не понятно",
        "спасибо, это всё?",
        "да, а цена?",
        "e isso?",
        "não entendi",
        "certo, e o prazo?",
        "é só isso?",
    ],
)
def test_whoever_says_more_asks_for_something(text: str) -> None:
    assert pleasantry_of(text) is None
