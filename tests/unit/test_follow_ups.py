"""Follow-up questions: which ones need their conversation, and what they take from it."""

from __future__ import annotations

import pytest

from retrieval_service.domain.conversation import (
    PastTurn,
    estimated_tokens,
    past_turns,
    within_budget,
)
from retrieval_service.domain.follow_ups import (
    may_change_subject,
    must_be_known,
    needs_context,
    own_words,
    with_context,
)
from retrieval_service.domain.records import LoggedTurn

KETTLE = PastTurn(
    question="Сколько стоит синий чайник?",
    subject_question="Сколько стоит синий чайник?",
    answer="990 рублей [1].",
    titles=("Чайник эмалированный «Волна», 1,7 л", "Оплата"),
)
SHIRT = PastTurn(
    question="Quanto custa a camiseta?",
    subject_question="Quanto custa a camiseta?",
    answer="R$ 50 [1].",
    titles=("Camiseta de algodão",),
)
NOTHING_FOUND = PastTurn(
    question="Do you sell gramophones?",
    subject_question="Do you sell gramophones?",
    answer="I don't know.",
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


def logged(answer: str, **fields: object) -> LoggedTurn:
    turn = {"question": "q", "standalone_question": "", "answer": answer, "titles": {}, "citations": []}
    return LoggedTurn(**{**turn, **fields})


def remembered(turn: LoggedTurn) -> PastTurn:
    [remembered] = past_turns([turn])
    return remembered


def test_past_turn_names_the_cited_titles_in_the_order_they_are_cited() -> None:
    titles = {"1": "One", "2": "Two", "3": "Three"}
    turn = remembered(logged("…", titles=titles, citations=[[0, 1, [3]], [1, 2, [1, 3]]]))
    assert turn.titles == ("Three", "One")


def test_chain_of_follow_ups_goes_on_from_what_was_understood() -> None:
    turn = remembered(
        logged("…", question="and how much is it?", standalone_question="How much is the kettle?")
    )
    assert (turn.question, turn.subject_question) == ("and how much is it?", "How much is the kettle?")


def test_past_turn_keeps_the_customers_mail_and_telephone_to_itself() -> None:
    question = "Пишите на ivan@mail.example или +7 (916) 123-45-67. Сколько стоит чайник?"
    answer = "990 рублей [1]. Напишем на ivan@mail.example, наш телефон 8 800 555-35-35."
    turn = remembered(logged(answer, question=question))
    assert turn.question == "Пишите на … или …. Сколько стоит чайник?"
    assert turn.subject_question == turn.question
    assert turn.answer == "990 рублей [1]. Напишем на …, наш телефон 8 800 555-35-35."


def test_who_the_customer_is_was_said_in_one_turn_and_is_left_out_of_all() -> None:
    later = logged("Иван, чайник стоит 990 рублей [1].", question="Сколько стоит чайник? Это снова Иван")
    earlier = logged("Здравствуйте, Иван!", question="Меня зовут Иван. Вы открыты?")
    said = [(turn.question, turn.answer) for turn in past_turns([later, earlier])]
    assert said == [
        ("Сколько стоит чайник? Это снова …", "…, чайник стоит 990 рублей [1]."),
        ("Меня зовут …. Вы открыты?", "Здравствуйте, …!"),
    ]


def test_history_holds_the_last_turns_that_fit_in_order() -> None:
    turns = past_turns([logged(text * 300) for text in "abcd"])
    assert [turn.answer[0] for turn in within_budget(turns, 250)] == ["b", "a"]
    assert [turn.answer[0] for turn in within_budget(turns, 0)] == ["a"]
    assert within_budget([], 100) == ()


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
