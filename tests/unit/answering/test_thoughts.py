"""What a model thinks aloud reaches nobody, however its marks are written and cut."""

from __future__ import annotations

import time

import pytest

from retrieval_service.providers.openai.chat.thoughts import (
    FORGOTTEN_AFTER,
    MOST_AWAITED,
    Habit,
    Thoughts,
    without_thoughts,
)

ANSWER = "Thirty days. [1]"


def read(text: str, step: int, habit: Habit | None = None) -> tuple[str, int]:
    thoughts = Thoughts(habit)
    said = "".join(thoughts.feed(text[at : at + step]) for at in range(0, len(text), step))
    return said + thoughts.finish(), thoughts.removed


@pytest.mark.parametrize("step", [1, 3, 500])
@pytest.mark.parametrize(
    "thoughts",
    [
        "<think>Where is it? STATUS: answer\n</think>",
        "\n<think>\n</think>",
        "\ufeff<think>plan</think>",
        "<think></th</think>",
        "<THINK>plan</Think>",
        "<thinking>plan <b>a</b></thinking>",
        "<think foo=1>plan</think >",
        "<reasoning>plan</reasoning>",
        "[THINK]plan [1] [/TH[/THINK]",
        "<think>a</think> \n <think>b</think>",
        "<|channel|>analysis<|message|>plan<|end|><|start|>assistant<|channel|>final<|message|>",
    ],
)
def test_thoughts_before_the_answer_are_dropped(thoughts: str, step: int) -> None:
    assert read(thoughts + ANSWER, step) == (ANSWER, len(thoughts))


@pytest.mark.parametrize("step", [1, 3, 500])
@pytest.mark.parametrize(
    "thought", ["<think>is it?</think>", "[THINK]is it?[/THINK]", "<Thinking a=1>x</thinking>"]
)
def test_thoughts_within_and_after_the_answer_are_dropped(thought: str, step: int) -> None:
    assert read(f"Thirty {thought}days.{thought}", step) == ("Thirty days.", 2 * len(thought))


@pytest.mark.parametrize("step", [1, 3, 500])
@pytest.mark.parametrize("opening", ["<think>", "<thinking>", "[THINK]", "<|channel|>analysis"])
def test_thoughts_that_never_end_are_no_answer(opening: str, step: int) -> None:
    text = f"{opening} Thirty days. [1]" + " hm" * 1_000
    assert read(text, step) == ("", len(text))


@pytest.mark.parametrize("step", [1, 3, 500])
@pytest.mark.parametrize(
    "text",
    [
        "<thi",
        "[thin",
        "<thinkers> is good.",
        "a < b, [1] and [2",
        "\n" * 200 + ANSWER,
        " \n",
        "<think about it",
    ],
)
def test_what_only_looks_like_thoughts_is_passed_on(text: str, step: int) -> None:
    assert read(text, step) == (text, 0)


def test_what_cannot_become_a_thought_is_passed_on_at_once() -> None:
    thoughts = Thoughts()
    assert thoughts.feed("Thirty <b") == "Thirty <b"
    assert thoughts.feed("> days [") == "> days "
    assert thoughts.feed("1]") == "[1]"


@pytest.mark.parametrize("ending", ["</think>", "</THINKING>", "[/THINK]"])
def test_thought_that_the_prompt_began_is_waited_for_from_the_second_time(ending: str) -> None:
    habit = Habit()
    text = f"secret plan{ending}{ANSWER}"
    assert read(text, 500, habit) == (ANSWER, len(text) - len(ANSWER))
    assert read(text, 1, habit) == (ANSWER, len(text) - len(ANSWER))


def test_whoever_has_stopped_thinking_is_waited_for_no_longer() -> None:
    habit = Habit()
    read(f"plan</think>{ANSWER}", 1, habit)
    for _ in range(FORGOTTEN_AFTER):
        assert habit.is_known
        assert read(ANSWER, 3, habit) == (ANSWER, 0)
    assert Thoughts(habit).feed("Thirty") == "Thirty"


def test_what_is_waited_for_is_bounded() -> None:
    habit = Habit()
    habit.note(has_closed=True)
    text = "plan " * MOST_AWAITED
    assert read(text, 1_000, habit) == ("", len(text))
    assert read(f"{text}</think>{ANSWER}", 1_000, habit) == (ANSWER, len(text) + len("</think>"))


def test_of_a_whole_text_only_the_answer_is_left() -> None:
    assert without_thoughts(f"plan</think>{ANSWER}") == ANSWER
    assert without_thoughts(f"<think>plan</think>{ANSWER}") == ANSWER
    assert without_thoughts("<think>plan") == ""


@pytest.mark.parametrize(
    "unit", ["<think>", "</think>", "<", "[", "<think", "<think a", "[/think]", "\n", "<|channel|>"]
)
def test_time_grows_with_the_text(unit: str) -> None:
    begun = time.process_time()
    without_thoughts(unit * (400_000 // len(unit)))
    assert time.process_time() - begun < 4.0


@pytest.mark.parametrize("step", [1, 3, 500])
def test_answer_that_begins_as_told_makes_no_habit(step: int) -> None:
    habit = Habit()
    read("STATUS: answer\nYou asked me to write </think> here.", step, habit)
    assert not habit.is_known
