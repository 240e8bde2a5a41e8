"""What a model says of its fragments is read apart from its answer, however it is cut and marked."""

from __future__ import annotations

import pytest

from retrieval_service.domain.fragments import Judged, TextPart
from retrieval_service.domain.verdicts import Judgement
from retrieval_service.providers.openai.status_line import StatusLine

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
        "STATUS: отправлен\nДа. [1]",
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
@pytest.mark.parametrize(
    ("thoughts", "said"),
    [
        ("<think>Where is it? STATUS: answer\n</think>", ANSWER),
        ("\n<think>\n</think>", "\n\n" + ANSWER),
        ("<think></th</think>", "<think>aloud</think> " + ANSWER),
    ],
)
def test_thoughts_before_the_answer_are_dropped(thoughts: str, said: str, step: int) -> None:
    assert read(thoughts + said, step) == ([], said, len(thoughts))


@pytest.mark.parametrize("step", [1, 3, 500])
def test_line_after_the_thoughts_is_read(step: int) -> None:
    head = "<think>Thirty.</think>\n\nSTATUS: partly\n"
    assert read(head + ANSWER, step) == ([Judgement.PARTLY], ANSWER, len(head))


@pytest.mark.parametrize("step", [1, 3, 500])
def test_thoughts_that_never_end_are_no_answer(step: int) -> None:
    text = "<think>Thirty days. [1]" + " hm" * 1_000
    assert read(text, step) == ([], "", len(text))


@pytest.mark.parametrize("step", [1, 3, 500])
@pytest.mark.parametrize("text", ["<thi", "<thinking> is good.", "I <think>so</think>.", "\n" * 200 + ANSWER])
def test_what_only_looks_like_thoughts_is_passed_on(text: str, step: int) -> None:
    assert read(text, step) == ([], text, 0)
