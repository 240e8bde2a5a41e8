"""What a model says of its fragments is read apart from its answer, however it is cut and marked."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from retrieval_service.domain.fragments import Ending, FinishReason, Judged, SpokenPart, TextPart
from retrieval_service.domain.verdicts import Judgement
from retrieval_service.providers.openai.chat.status_line import StatusLine, judged
from retrieval_service.providers.openai.chat.thoughts import Habit

ANSWER = "Thirty days. [1]"


def read(text: str, step: int) -> tuple[list[Judgement], str, int]:
    line = StatusLine()
    pieces = [text[at : at + step] for at in range(0, len(text), step)]
    parts = [part for piece in pieces for part in line.feed(piece)] + line.finish()
    said = "".join(part.text for part in parts if isinstance(part, TextPart))
    return [part.judgement for part in parts if isinstance(part, Judged)], said, line.removed


@pytest.mark.parametrize("step", [1, 3, 500])
@pytest.mark.parametrize(
    ("head", "judgement"),
    [
        ("STATUS: answer\n", Judgement.ANSWERED),
        ("STATUS: partly\n\n\n", Judgement.PARTLY),
        ("**Status:** unknown\n", Judgement.UNKNOWN),
        ("`STATUS: answer`\n", Judgement.ANSWERED),
        ("\n STATUS: answer. ", Judgement.ANSWERED),
        ("STATUS： answer\n", Judgement.ANSWERED),
        ("STATUS - answer\n", Judgement.ANSWERED),
        ("STATUS=partly\n", Judgement.PARTLY),
        ("STATUS: answered\n", Judgement.ANSWERED),
        ("STATUS: partially\n", Judgement.PARTLY),
        ("\ufeffSTATUS: answer\n", Judgement.ANSWERED),
        ("STATUS: answer\nSTATUS: answer\n\n", Judgement.ANSWERED),
        ("STATUS: maybe\nSTATUS: partly\n", Judgement.PARTLY),
    ],
)
def test_line_is_read_and_kept_back(head: str, judgement: Judgement, step: int) -> None:
    assert read(head + ANSWER, step) == ([judgement], ANSWER, len(head))


@pytest.mark.parametrize("step", [1, 3, 500])
@pytest.mark.parametrize(
    "text",
    [
        ANSWER,
        "Status of the order: sent. [1]",
        "Status: отправлен\nДа. [1]",
        "STATUS: sent yesterday\nDa. [1]",
        "STATUS",
        "Status quo. [1]",
        "STATUS: answers vary.",
        "S",
        "",
    ],
)
def test_text_without_the_line_is_passed_on_as_it_is(text: str, step: int) -> None:
    assert read(text, step) == ([], text, 0)


def test_line_alone_is_a_judgement_without_text() -> None:
    assert read("STATUS: unknown", 4) == ([Judgement.UNKNOWN], "", len("STATUS: unknown"))


def test_text_that_cannot_become_the_line_is_passed_on_at_once() -> None:
    assert StatusLine().feed("Thirty") == [TextPart(text="Thirty")]


@pytest.mark.parametrize("step", [1, 3, 500])
@pytest.mark.parametrize("head", ["STATUS: maybe\n", "**STATUS: ответ**\n\n", "STATUS:\n", "STATUS: good.\n"])
def test_line_with_another_word_is_not_shown_and_no_judgement(head: str, step: int) -> None:
    assert read(head + ANSWER, step) == ([], ANSWER, len(head))


@pytest.mark.parametrize("step", [1, 3, 500])
def test_line_after_the_thoughts_is_read(step: int) -> None:
    head = "<think>Thirty.</think>\n\nSTATUS: partly\n"
    assert read(head + ANSWER, step) == ([Judgement.PARTLY], ANSWER, len(head))


@pytest.mark.parametrize("step", [1, 3, 500])
def test_line_after_thoughts_that_had_not_begun_is_not_shown(step: int) -> None:
    _, said, removed = read("Secret plan</think>\nSTATUS: answer\n" + ANSWER, step)
    assert said.endswith(ANSWER)
    assert "STATUS" not in said
    assert "</think" not in said
    assert len(said) + removed == len("Secret plan</think>\nSTATUS: answer\n" + ANSWER)


async def test_model_that_once_began_within_a_thought_is_waited_for() -> None:
    habit = Habit()
    text = "Secret plan</think>\nSTATUS: answer\n" + ANSWER

    async def answered() -> tuple[list[Judgement], str]:
        async def spoken() -> AsyncGenerator[SpokenPart]:
            for letter in text:
                yield TextPart(text=letter)
            yield Ending(finish_reason=FinishReason.STOP)

        parts = [part async for part in judged(spoken(), habit)]
        said = "".join(part.text for part in parts if isinstance(part, TextPart))
        return [part.judgement for part in parts if isinstance(part, Judged)], said

    first, second, third = [await answered() for _ in range(3)]
    assert first[1].endswith(ANSWER)
    assert second == third == ([Judgement.ANSWERED], ANSWER)
