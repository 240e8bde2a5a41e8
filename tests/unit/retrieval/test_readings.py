"""A mistyped question is read in the tenant's own words, and a word that is known stays as it is."""

from __future__ import annotations

import time

import numpy as np
import pytest

from retrieval_service.domain.retrieval.query_readings import (
    LONGEST_QUESTION,
    Familiarity,
    Reading,
    read,
    unknown_words,
)
from retrieval_service.domain.retrieval.vocabulary import Sounds, Vocabulary, counted, vocabulary
from retrieval_service.text import words

LANGUAGES = ("ru", "en", "pt")
TEXTS = (
    "Доставка велосипеда стоит 500 рублей. Гарантия на раму пять лет, гарантия действует везде.",
    "Насос Орлан HX-7731LR и ноутбук. Кабель 3х1,5 и кабель 5х2,5.",
    "The warranty on a bicycle covers the frame. Gift wrapping is free. A book on C++.",
    "O prazo de entrega da bicicleta é de cinco dias. Pode parcelar no boleto. A televisão é grande.",
    "Сменный фильтр GSK 12V подходит к насосу.",
)


@pytest.fixture(scope="module")
def known() -> Vocabulary:
    return vocabulary(counted(TEXTS), LANGUAGES)


def strange(_: str) -> Familiarity:
    return Familiarity.STRANGE


def reading_of(text: str, known: Vocabulary, familiarity: Familiarity = Familiarity.STRANGE) -> Reading:
    unknown = unknown_words(text, LANGUAGES, lambda _: known.counts.keys())
    return read(text, unknown, known, lambda _: familiarity, languages=LANGUAGES)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Cколько cтоит дocтaвкa", "сколько стоит доставка"),
        ("ljcnfdrf dtkjcbgtlf", "доставка велосипеда"),
        ("dtkjcbgtlf?", "велосипеда?"),
        ("ифсусду bicycle", "ифсусду bicycle"),
        ("цфккфтен", "warranty"),
        ("garantiya na ramu", "гарантия na раму"),
        ("televisao", "televisão"),
        ("ноут бук", "ноутбук"),
        ("7731lr", "7731lr"),
        ("HX7731LR", "hx 7731lr"),
        ("x7731", "x7731"),
        ("7731l", "7731lr"),
        ("GSK12V", "gsk 12v"),
        ("кабель 3 на 1.5", "кабель 3x1.5"),
        ("cable 5 by 2.5", "cable 5x2.5"),
        ("кабель 4 на 1.5", "кабель 4 на 1.5"),
    ],
)
def test_other_notation_is_surely_meant(typed: str, meant: str, known: Vocabulary) -> None:
    assert reading_of(typed, known).text == meant


@pytest.mark.parametrize(
    ("typed", "guess"),
    [
        ("дотсавка вилосипеда", "доставка велосипеда"),
        ("гарнтия", "гарантия"),
        ("сколькостоитдоставка", "сколько стоит доставка"),
        ("warrenty on a bycicle", "warranty on a bicycle"),
        ("gft wraping", "gift wrapping"),
        ("qual o praso de entrga", "qual o prazo de entrega"),
        ("pacelar no boletu", "parcelar no boleto"),
        ("tlevizão", "televisão"),
    ],
)
def test_letters_in_the_wrong_place_are_a_guess(typed: str, guess: str, known: Vocabulary) -> None:
    reading = reading_of(typed, known)
    assert (reading.guess or reading.text) == guess


@pytest.mark.parametrize(
    "text",
    [
        "Сколько стоит доставка велосипеда?",
        "How long is the warranty?",
        "Qual é o prazo de entrega?",
        "HX-7731LR",
        "HX-7732LR",
        "2024",
        "",
        "?!",
        "delivery to Boletu",
    ],
)
def test_what_is_known_or_a_name_or_another_code_stays(text: str, known: Vocabulary) -> None:
    assert reading_of(text, known) == Reading(text=text)


def test_more_frequent_of_two_near_words_is_meant() -> None:
    known = vocabulary(counted(["a pillow", "a willow", "a pillow"]), ())
    assert read("pilow", ["pilow"], known, strange, languages=()).text == "pillow"
    assert read("pillov", ["pillov"], known, strange, languages=()).text == "pillow"


@pytest.mark.parametrize(
    ("language", "texts", "text"),
    [
        (
            "en",
            ("A b c: was, to, bill. Fees of the look and y, ha.",),
            "Кто был в лиге, когда у Люка были мешки?",
        ),
        ("en", ("Delivery to the left bank is free for two.",), "Сколько стоит доставка на Левый берег?"),
        ("en", ("The phone is free.",), "Можно ли сдать старый телефон и получить за него деньги?"),
        (
            "ru",
            ("Мост, вера, то и про вас. А это так.",),
            "Who was it that were most to the left, and what for?",
        ),
        (
            "ru",
            ("То и про вас. А это море и о том.",),
            "A loja não entregou o produto que paguei com o cartão",
        ),
        ("pt", ("O fone para um, e as tias.",), "Can I pay a part of the new phone with my old one?"),
    ],
)
def test_question_in_another_language_stays(language: str, texts: tuple[str, ...], text: str) -> None:
    known = vocabulary(counted(texts), (language,))
    unknown = unknown_words(text, (language,), lambda _: known.counts.keys())
    assert read(text, unknown, known, strange, languages=(language,)) == Reading(text=text)


def test_code_is_known_in_a_question_in_another_language() -> None:
    known = vocabulary(counted(["Насос Орлан HX-7731LR качает воду"]), ("ru",))
    unknown = unknown_words("What does the 7731l cost?", ("ru",), lambda _: known.counts.keys())
    reading = read("What does the 7731l cost?", unknown, known, strange, languages=("ru",))
    assert reading == Reading(text="What does the 7731lr cost?")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("skolko stoit dostavka velosipeda v gorod", "сколько стоит доставка велосипеда v gorod"),
        ("crjkmrj cnjbn ljcnfdrf dtkjcbgtlf d ujhjl", "сколько стоит доставка велосипеда в город"),
    ],
)
def test_own_language_in_other_letters_is_no_other_language(typed: str, meant: str) -> None:
    known = vocabulary(counted(TEXTS[:2]), ("ru",))
    unknown = unknown_words(typed, ("ru",), lambda _: known.counts.keys())
    assert read(typed, unknown, known, strange, languages=("ru",)).text == meant


def test_what_sounds_of_one_letter_is_no_word_on_the_other_keyboard() -> None:
    known = vocabulary(counted(["Формула F. Без вина."]), ("ru", "en"))
    text = "по данным ААА, нет бензина"
    unknown = unknown_words(text, ("ru", "en"), lambda _: known.counts.keys())
    assert read(text, unknown, known, strange, languages=("ru", "en")).text == text


@pytest.mark.parametrize("text", ["гарнтия на раму", "warranto on a frame", "tlevizão"])
def test_word_of_its_language_is_never_guessed_to_be_another(text: str, known: Vocabulary) -> None:
    assert reading_of(text, known).guess
    assert reading_of(text, known, Familiarity.KNOWN) == Reading(text=text)


@pytest.mark.parametrize(
    ("typed", "guess", "familiarity", "is_doubtful"),
    [
        ("гарентия", "гарантия", Familiarity.POSSIBLE, True),
        ("гарентия", "гарантия", Familiarity.STRANGE, False),
        ("гарентея", "гарантия", Familiarity.STRANGE, True),
        ("гарнатия", "гарантия", Familiarity.POSSIBLE, False),
        ("bicylce", "bicycle", Familiarity.POSSIBLE, False),
        ("bicylce warranto", "bicycle warranty", Familiarity.POSSIBLE, True),
        ("pracelar", "parcelar", Familiarity.POSSIBLE, False),
        ("parcalar", "parcelar", Familiarity.POSSIBLE, True),
    ],
)
def test_guess_is_doubtful_where_the_typed_may_be_a_word(
    typed: str, guess: str, familiarity: Familiarity, is_doubtful: bool, known: Vocabulary
) -> None:
    reading = reading_of(typed, known, familiarity)
    assert (reading.guess, reading.is_doubtful) == (guess, is_doubtful)


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [("abcd", "abcd", 0), ("abcd", "abdc", 1), ("abcd", "bcd", 1), ("abcd", "axcde", 2), ("ab", "", 2)],
)
def test_swapped_letters_are_one_edit(one: str, other: str, edits: int) -> None:
    places, found = Sounds.of([other]).near(one, 2)
    assert (places.tolist(), found.tolist()) == ([0], [edits])


def test_nothing_is_near_among_no_words() -> None:
    places, _ = Sounds.of([]).near("word", 2)
    assert places.tolist() == []


def test_longest_question_takes_milliseconds(known: Vocabulary) -> None:
    text = " ".join(f"вилосипед{letter}" for letter in "абвгдежзиклмнопр" * 12)[:LONGEST_QUESTION]
    started = time.thread_time()
    reading_of(text, known)
    assert time.thread_time() - started < 0.2


@pytest.mark.parametrize("written", ["3х1,5", "3 x 1.5", "3*1,5", "3 × 1.5", "3X1.5"])
def test_measure_is_one_word_in_any_notation(written: str) -> None:
    assert words.words(f"кабель {written} мм") == ["кабель", "3x1.5", "3", "1", "5", "мм"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("C++, C#.", ["c++", "c", "c#", "c"]),
        ("a+b", ["a", "b"]),
        ("Wave+", ["wave+", "wave"]),
        ("page#top", ["page", "top"]),
    ],
)
def test_signs_that_make_another_word_of_it_are_kept(text: str, found: list[str]) -> None:
    assert words.words(text) == found


def test_letters_of_the_vocabulary_are_numbers(known: Vocabulary) -> None:
    assert known.sounds.letters.dtype == np.uint8
    assert len(known.entries) == len(known.sounds.letters)
