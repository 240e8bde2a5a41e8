"""Where a message may divide into questions."""

from __future__ import annotations

import pytest

from retrieval_service.domain.answering.message_parts import MOST_PARTS, halves_of, questions_of


def said(message: str) -> list[str]:
    return [part.said for part in questions_of(message)]


@pytest.mark.parametrize(
    ("message", "questions"),
    [
        ("Do you mend chains?", ["Do you mend chains?"]),
        ("Do you mend chains? Where are you?", ["Do you mend chains?", "Where are you?"]),
        ("1) Чините цепи? 2) Где вы находитесь?", ["Чините цепи?", "Где вы находитесь?"]),
        ("- Consertam correntes?\n- Onde ficam?", ["Consertam correntes?", "Onde ficam?"]),
        (
            "My chain broke yesterday. Can you mend it? How long does that take? Thanks.",
            ["My chain broke yesterday. Can you mend it?", "How long does that take? Thanks."],
        ),
        ("the chain broke\nwhat now", ["the chain broke what now"]),
    ],
)
def test_sentences_that_ask_are_questions_and_what_is_told_stays_with_the_next(
    message: str, questions: list[str]
) -> None:
    assert said(message) == questions


def test_more_questions_than_are_answered_apart_stay_with_the_last() -> None:
    message = " ".join(f"Is gear {number} good?" for number in range(MOST_PARTS + 2))
    assert len(said(message)) == MOST_PARTS
    assert said(message)[-1].count("?") == 3


@pytest.mark.parametrize(
    ("message", "framed"),
    [
        ("How much is the helmet? And the gloves?", "How much is the gloves?"),
        ("Сколько стоит шлем? А перчатки?", "Сколько стоит перчатки?"),
        ("Quanto custa o capacete? E as luvas?", "Quanto custa as luvas?"),
    ],
)
def test_question_without_a_verb_takes_the_frame_of_the_one_before_it(message: str, framed: str) -> None:
    assert questions_of(message)[-1].likeliest == framed


def test_question_that_points_back_is_read_behind_the_one_before_it() -> None:
    assert questions_of("Do you sell helmets? How heavy are they?")[-1].likeliest == (
        "Do you sell helmets? How heavy are they?"
    )


@pytest.mark.parametrize(
    ("question", "halves"),
    [
        ("How much are the helmet and the gloves?", ("How much are the helmet", "How much are the gloves?")),
        ("Есть ли прокат и где вы находитесь?", ("Есть ли прокат", "где вы находитесь?")),
        ("Alugam bicicletas, e quanto custa?", ("Alugam bicicletas", "Alugam bicicletas quanto custa?")),
    ],
)
def test_and_may_stand_between_two_questions(question: str, halves: tuple[str, str]) -> None:
    [(left, right)] = halves_of(question)
    assert (left.likeliest, right.likeliest) == halves


def test_and_behind_which_something_is_asked_is_tried_first() -> None:
    left, right = halves_of("Do you mend chains and brakes and when do you open?")[0]
    assert (left.said, right.said) == ("Do you mend chains and brakes", "when do you open?")


def test_and_in_what_is_told_before_the_question_divides_nothing() -> None:
    assert halves_of("I bought a helmet and gloves. Can I return them?") == []
