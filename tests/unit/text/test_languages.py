"""Scripts and languages of documents and of short questions."""

from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor

import pytest

from retrieval_service.text.function_words import FUNCTION_WORDS, content_words
from retrieval_service.text.languages import (
    SAMPLE_CHARACTERS,
    detect_language,
    dominant_script,
    language_among,
)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Hello, мир!", "Latin"),
        ("Привет, world? Да.", "Cyrillic"),
        ("Καλημέρα", "Greek"),
        ("مرحبا", "Arabic"),
        ("שלום", "Hebrew"),
        ("汉字", "Han"),
        ("ひらがな", "Hiragana"),
        ("안녕하세요", "Hangul"),
        ("Ｆｕｌｌ ｗｉｄｔｈ", "Latin"),
        ("𝐁𝐨𝐥𝐝", "Latin"),
        ("1234 €!? 😀", ""),
        ("", ""),
    ],
)
def test_dominant_script_is_that_of_most_letters(text: str, script: str) -> None:
    assert dominant_script(text) == script


def test_only_the_beginning_of_a_long_text_is_sampled() -> None:
    assert dominant_script("a" * SAMPLE_CHARACTERS + "я" * 10 * SAMPLE_CHARACTERS) == "Latin"


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Where is my order?", "en"),
        ("shipping cost", "en"),
        ("do you take cards?", "en"),
        ("Где мой заказ?", "ru"),
        ("график работы магазина", "ru"),
        ("Сколько стоит доставка?", "ru"),
        ("Onde está o meu pedido?", "pt"),
        ("Quanto custa o frete?", "pt"),
        ("aceitam cartão?", "pt"),
        ("Скільки коштує доставка?", "uk"),
        ("Де моє замовлення?", "uk"),
        ("Къде е моята поръчка?", "bg"),
        ("Парковка у магазина бесплатная два часа.", "ru"),
        ("¿Dónde está mi pedido?", "es"),
        ("Où est ma commande ?", "fr"),
        ("Wo ist meine Bestellung?", "de"),
        ("Waar is mijn bestelling?", "nl"),
        ("送料はいくらですか", "ja"),
        ("运费多少钱", "zh"),
        ("πόσο κοστίζει", "el"),
    ],
)
def test_language_of_a_short_question_is_found(question: str, language: str) -> None:
    assert detect_language(question) == language


def test_latin_brand_names_do_not_hide_the_language_of_a_question() -> None:
    assert detect_language("iPhone 15 Pro Max купить") == "ru"


@pytest.mark.parametrize("text", ["", "   ", "12345 !!!", "😀", "SKU-123"])
def test_language_without_evidence_is_unknown(text: str) -> None:
    assert detect_language(text) == ""


def test_many_threads_agree_on_the_language() -> None:
    with ThreadPoolExecutor(max_workers=8) as threads:
        found = list(
            threads.map(detect_language, ["Which bicycle would you recommend for the mountains"] * 64)
        )
    assert set(found) == {"en"}


def test_importing_the_module_does_not_load_the_model() -> None:
    spec = importlib.util.find_spec("retrieval_service.text.languages")
    assert spec is not None
    assert spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    assert fresh._identifiers == []


def test_function_words_are_dropped_in_the_given_languages_only() -> None:
    assert content_words(["the", "price", "da", "loja"], ["en"]) == ["price", "da", "loja"]
    assert content_words(["the", "price", "da", "loja"], ["en", "pt"]) == ["price", "loja"]


def test_question_of_function_words_alone_keeps_them() -> None:
    assert content_words(["to", "be", "or", "not", "to", "be"], ["en"]) == [
        "to",
        "be",
        "or",
        "not",
        "to",
        "be",
    ]


def test_every_main_language_has_a_list_of_function_words() -> None:
    assert {language: len(words) >= 100 for language, words in FUNCTION_WORDS.items()} == {
        "en": True,
        "ru": True,
        "pt": True,
    }


@pytest.mark.parametrize(
    ("text", "own", "language"),
    [
        ("светильник", ("ru",), "ru"),
        ("luminária", ("pt",), "pt"),
        ("relógio", ("ru", "en", "pt"), "pt"),
        ("warranty", ("ru", "en"), "en"),
        ("цена bosch gsr 12v professional", ("ru", "en"), "ru"),
        ("Bosch GSR12", ("pt",), ""),
        ("Bosch GSR12", ("ru",), ""),
        ("Makita", ("ru", "en", "pt"), ""),
        ("Makita", ("en", "ru"), ""),
        ("cena dostavki", ("ru",), ""),
        ("Can the lamp be returned on a Sunday?", ("ru",), "en"),
        ("Можно ли вернуть лампу в воскресенье?", ("pt", "en"), "ru"),
        ("¿Dónde puedo devolver la lámpara?", ("pt",), "es"),
        ("Скільки коштує ця лампа?", ("ru",), "uk"),
        ("Як оплатити замовлення карткою?", ("ru",), "uk"),
        ("у вас халяль?", ("ru",), "ru"),
        ("надо ли платить за подставку?", ("ru",), "ru"),
        ("За подставку платить надо?", ("ru",), "ru"),
        ("а с орехами?", ("ru",), "ru"),
        ("Сколько стоит медовик? а с орехами?", ("ru",), "ru"),
        ("Колко струва доставката до София?", ("ru",), "bg"),
        ("c plus plus book", ("ru", "en", "pt"), "en"),
        ("Zonk7 price", ("ru", "en", "pt"), ""),
        ("¿Hacen tarjetas de visita?", ("pt",), "es"),
        ("cuánto tarda la entrega", ("pt",), "es"),
        ("Je voudrais annuler ma commande", ("en", "pt"), "fr"),
        ("Kann ich mit Karte zahlen?", ("en",), "de"),
        ("πόσο", ("ru",), "el"),
        ("300", ("ru",), ""),
        ("", (), ""),
    ],
)
def test_language_is_one_of_ones_own_unless_another_is_sure(
    text: str, own: tuple[str, ...], language: str
) -> None:
    assert language_among(text, own) == language
