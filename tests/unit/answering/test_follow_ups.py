"""Follow-up questions: which ones need their conversation, and what they take from it."""

from __future__ import annotations

import pytest

from retrieval_service.domain.answering.citations import Cited
from retrieval_service.domain.answering.conversation import (
    PastTurn,
    estimated_tokens,
    past_turn,
    within_budget,
)
from retrieval_service.domain.answering.follow_ups import (
    entry_of,
    may_change_subject,
    may_continue,
    must_be_known,
    needs_context,
    own_words,
    with_context,
)
from retrieval_service.domain.answering.logged import LoggedTurn

KETTLE = PastTurn(
    question="Сколько стоит синий чайник?",
    subject_question="Сколько стоит синий чайник?",
    titles=("Чайник эмалированный «Волна», 1,7 л", "Оплата"),
)
SHIRT = PastTurn(
    question="Quanto custa a camiseta?",
    subject_question="Quanto custa a camiseta?",
    titles=("Camiseta de algodão",),
)
NOTHING_FOUND = PastTurn(
    question="Do you sell gramophones?",
    subject_question="Do you sell gramophones?",
    titles=(),
)


@pytest.mark.parametrize(
    "question",
    [
        "а сколько он стоит?",
        "Сколько стоит?",
        "А в чёрном цвете?",
        "а для индукционной плиты?",
        "Есть ли она в наличии?",
        "Подойдёт ли он для индукционной плиты?",
        "Почему?",
        "А если не подойдёт?",
        "and how much is it?",
        "How big is it?",
        "What about the blue one?",
        "And the warranty?",
        "Can I return it?",
        "Why?",
        "And if I don't like it?",
        "e em preto?",
        "Quanto custa?",
        "Ela é pesada?",
        "Tem em azul?",
        "E se eu não gostar?",
        "Por quê?",
        "А сколько это займёт?",
        "А до скольки?",
        "А вместе с баллами?",
        "А можно дольше?",
        "How long does that take?",
        "Until what time?",
        "Posso cancelá-la?",
        "Até que horas?",
        "Quanto tempo demora?",
    ],
)
def test_question_that_points_back_or_leaves_out_its_subject_needs_context(question: str) -> None:
    assert needs_context(question)


@pytest.mark.parametrize(
    "question",
    [
        "Сколько стоит доставка?",
        "А сколько стоит доставка?",
        "А доставка в Казань есть?",
        "Какие чайники у вас есть?",
        "Можно ли вернуть товар?",
        "Как оплатить?",
        "How much is shipping?",
        "Is it possible to return a lamp?",
        "How long does it take to ship a lamp?",
        "Do you sell lamps that glow?",
        "Which one of your kettles whistles?",
        "May a bulb be returned?",
        "Quanto custa o frete?",
        "Qual o prazo de entrega?",
        "Quais chaleiras vocês têm?",
        "В какой срок можно вернуть чайник?",
        "Кофе это вредно?",
        "Na loja posso pagar com cartão?",
    ],
)
def test_question_that_stands_on_its_own_is_left_alone(question: str) -> None:
    assert not needs_context(question)


@pytest.mark.parametrize(
    "question",
    ["А для детей?", "А если посылка придёт повреждённой?", "And for children?", "E se eu não gostar?"],
)
def test_question_with_a_subject_of_its_own_may_change_the_subject(question: str) -> None:
    assert may_change_subject(question)


@pytest.mark.parametrize(
    "question",
    ["А сколько он стоит?", "А если она сломается?", "And if it breaks?", "А матчу?", "А до скольки?"],
)
def test_question_that_points_back_keeps_the_subject(question: str) -> None:
    assert not may_change_subject(question)


@pytest.mark.parametrize(
    ("question", "own"),
    [
        ("А гравировка?", "гравировка"),
        ("And how much is it?", ""),
        ("E quanto tempo isso demora?", ""),
        ("And if it doesn't fit?", ""),
    ],
)
def test_own_words_name_what_the_follow_up_is_about(question: str, own: str) -> None:
    assert own_words(question) == own


@pytest.mark.parametrize(
    ("question", "must"),
    [
        ("А гравировка?", True),
        ("And who is the CEO?", True),
        ("E quem é o diretor?", True),
        ("А в Казань?", False),
        ("And to São Paulo?", False),
        ("А если она сломается?", False),
        ("What if it breaks?", False),
    ],
)
def test_of_towns_and_of_what_may_happen_something_can_be_said_though_no_document_names_them(
    question: str, must: bool
) -> None:
    assert must_be_known(question) is must


@pytest.mark.parametrize(
    ("question", "meant"),
    [
        ("А если не подойдёт?", "Как вернуть товар?"),
        ("And if it doesn't fit?", "How do I return an item?"),
        ("E se não servir?", "Como devolvo um produto?"),
    ],
)
def test_what_does_not_fit_is_to_be_returned(question: str, meant: str) -> None:
    assert with_context(question, KETTLE) == meant


@pytest.mark.parametrize("question", ["?", "👍", "...", ":)", "\u200b?"])
def test_message_without_a_word_needs_no_context(question: str) -> None:
    assert not needs_context(question)


def test_pronoun_takes_what_the_last_answer_cites_first() -> None:
    assert (
        with_context("а сколько он стоит?", KETTLE) == "а сколько он стоит? Чайник эмалированный Волна 1,7 л"
    )


def test_ellipsis_takes_the_question_before_along() -> None:
    assert with_context("e em preto?", SHIRT) == "e em preto? Camiseta algodão custa"
    assert with_context("А в чёрном цвете?", KETTLE).endswith("Чайник эмалированный Волна 1,7 л стоит синий")


def test_without_citations_the_question_before_names_the_subject() -> None:
    assert with_context("and how much is it?", NOTHING_FOUND) == "and how much is it? sell gramophones"


def test_word_that_is_said_already_is_not_said_twice() -> None:
    assert with_context("Этот чайник свистит?", KETTLE) == "Этот чайник свистит? эмалированный Волна 1,7 л"


def logged(**fields: object) -> LoggedTurn:
    turn = {"question": "q", "standalone_question": "", "titles": {}, "citations": [], "is_offer": False}
    return LoggedTurn(**{**turn, **fields})


def test_past_turn_names_the_cited_titles_in_the_order_they_are_cited() -> None:
    titles = {"1": "One", "2": "Two", "3": "Three", "4": "One"}
    citations = [Cited(start=0, end=1, numbers=(3,)), Cited(start=1, end=2, numbers=(1, 3, 4))]
    turn = past_turn(logged(titles=titles, citations=citations))
    assert turn.titles == ("Three", "One")


def test_chain_of_follow_ups_goes_on_from_what_was_understood() -> None:
    turn = past_turn(logged(question="and how much is it?", standalone_question="How much is the kettle?"))
    assert (turn.question, turn.subject_question) == ("and how much is it?", "How much is the kettle?")
    assert turn.as_turn.question == "How much is the kettle?"


def test_history_holds_the_last_turns_that_fit_in_order() -> None:
    turns = [past_turn(logged(question=text * 300)) for text in "abcd"]
    assert [turn.question[0] for turn in within_budget(turns, 250)] == ["b", "a"]
    assert [turn.question[0] for turn in within_budget(turns, 0)] == ["a"]
    assert within_budget([], 100) == ()


def test_of_offers_only_the_last_thing_that_was_said_is_remembered() -> None:
    turns = [past_turn(logged(question=text, is_offer=text in "ac")) for text in "abc"]
    assert [turn.question for turn in within_budget(turns, 1_000)] == ["b", "a"]


ENTRIES = ("Oak table", "Pine table", "Glass table")


@pytest.mark.parametrize(
    ("question", "entry"),
    [
        ("the second one", "Pine table"),
        ("and how much is the third?", "Glass table"),
        ("tell me about the first one", "Oak table"),
        ("а последний?", "Glass table"),
        ("Сколько стоит второй?", "Pine table"),
        ("e o terceiro?", "Glass table"),
        ("quanto custa a primeira?", "Oak table"),
        ("tell me about the last one", "Glass table"),
        ("how long does it last?", ""),
        ("the fifth one", ""),
        ("second hand tables", ""),
        ("How much is delivery on the second day?", ""),
        ("", ""),
    ],
)
def test_entry_is_meant_by_its_place(question: str, entry: str) -> None:
    assert entry_of(question, ENTRIES) == entry
    assert not entry or needs_context(question)
    assert entry_of(question, ()) == ""


@pytest.mark.parametrize(
    "question", ["E a troca de pneus?", "А замена лобового стекла?", "and the winter tyres?"]
)
def test_brief_question_behind_an_opener_may_go_on_with_what_was_spoken_of(question: str) -> None:
    assert may_continue(question)


@pytest.mark.parametrize(
    "question",
    ["Quanto custa a troca de pneus do Polo?", "А сколько стоит доставка углового дивана в Тверь?"],
)
def test_question_that_says_all_goes_on_with_nothing(question: str) -> None:
    assert not may_continue(question)


def test_a_token_is_estimated_at_three_letters_rounded_up() -> None:
    assert [estimated_tokens(text) for text in ("", "a", "abc", "чайник!")] == [0, 1, 1, 3]


@pytest.mark.parametrize(
    "question",
    [
        "молочный улун там настоящее молоко?",
        "changed my mind about the tea, can I send it back sealed?",
        "best way to keep matcha once it's open?",
    ],
)
def test_pronoun_for_what_the_question_names_itself_needs_no_context(question: str) -> None:
    assert not needs_context(question)
