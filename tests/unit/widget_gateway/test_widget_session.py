"""One conversation's answers: numbering, snapshots, and what a reader that comes back is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from widget_gateway.session import (
    Attribution,
    Conversation,
    Delta,
    Done,
    Failed,
    Snapshot,
    Source,
    Status,
    Unknown,
)

ASK = "a" * 32
KETTLE = Source(number=1, title="Kettle", url="/kettle", snippet="Blue.", source_type="product")


def begun() -> Conversation:
    conversation = Conversation()
    conversation.begin(ASK)
    return conversation


def snapshot(conversation: Conversation) -> Snapshot:
    reply = conversation.snapshot(ASK)
    assert isinstance(reply, Snapshot)
    return reply


def test_events_are_numbered_from_one_without_gaps() -> None:
    conversation = begun()
    events = [
        conversation.cite(ASK, (KETTLE,)),
        conversation.write(ASK, "A "),
        conversation.write(ASK, "kettle."),
        conversation.finish(ASK, "stop"),
    ]
    assert [event.number for event in events if event] == [1, 2, 3, 4]


def test_empty_text_is_no_event() -> None:
    conversation = begun()
    assert conversation.write(ASK, "") is None
    assert not conversation.has_begun(ASK)


def test_snapshot_holds_all_that_was_written() -> None:
    conversation = begun()
    conversation.cite(ASK, (KETTLE,))
    conversation.write(ASK, "A kettle [1].")
    attribution = Attribution(start=0, end=8, numbers=(1,))
    conversation.attribute(ASK, attribution)
    conversation.finish(ASK, "length")
    assert snapshot(conversation) == Snapshot(
        ask_id=ASK,
        number=3,
        text="A kettle [1].",
        status=Status.DONE,
        sources=(KETTLE,),
        attributions=(attribution,),
        finish_reason="length",
        code="",
        retry_after=None,
    )


def test_same_id_cannot_begin_twice() -> None:
    conversation = begun()
    assert ASK in conversation
    with pytest.raises(ValueError, match="begun before"):
        conversation.begin(ASK)


def test_nothing_happens_to_an_answer_that_has_ended() -> None:
    conversation = begun()
    conversation.cancel(ASK)
    conversation.attribute(ASK, Attribution(start=0, end=1, numbers=(1,)))
    late = [
        conversation.cite(ASK, (KETTLE,)),
        conversation.write(ASK, "late"),
        conversation.finish(ASK, "stop"),
        conversation.fail(ASK, "internal"),
        conversation.cancel(ASK),
    ]
    assert late == [None] * 5
    assert (snapshot(conversation).status, snapshot(conversation).text) == (Status.CANCELLED, "")


def test_cancel_keeps_what_was_written() -> None:
    conversation = begun()
    conversation.write(ASK, "half")
    done = conversation.cancel(ASK)
    assert isinstance(done, Done)
    assert (done.status, done.text, done.number) == (Status.CANCELLED, "half", 2)


def test_failure_is_remembered_with_its_code() -> None:
    conversation = begun()
    failed = conversation.fail(ASK, "rate_limited", 7.0)
    assert failed == Failed(ask_id=ASK, number=1, code="rate_limited", retry_after=7.0)
    assert (snapshot(conversation).code, snapshot(conversation).retry_after) == ("rate_limited", 7.0)


def test_unknown_answer_is_said_to_be_unknown() -> None:
    conversation = Conversation()
    assert conversation.snapshot(ASK) == Unknown(ask_id=ASK)
    assert conversation.catch_up({ASK: 3}) == [Unknown(ask_id=ASK)]
    assert conversation.write(ASK, "x") is None


def test_reader_who_has_everything_is_told_nothing() -> None:
    conversation = begun()
    conversation.write(ASK, "A ")
    assert conversation.catch_up({ASK: 1}) == []


@pytest.mark.parametrize("number", [0, 1, 9])
def test_reader_who_has_something_else_gets_a_snapshot(number: int) -> None:
    conversation = begun()
    conversation.write(ASK, "A ")
    conversation.write(ASK, "kettle")
    assert conversation.catch_up({ASK: number}) == [snapshot(conversation)]


def test_oldest_finished_answers_are_forgotten_and_running_ones_never() -> None:
    conversation = Conversation(remembered=2)
    conversation.begin("running")
    for ask_id in ("first", "second", "third"):
        conversation.begin(ask_id)
        conversation.finish(ask_id, "stop")
    assert "running" in conversation
    assert "first" not in conversation
    assert "third" in conversation
    assert conversation.running == 1


@given(pieces=st.lists(st.text(min_size=1), max_size=20), lost=st.sets(st.integers(0, 19)))
def test_reader_who_loses_any_events_ends_with_the_whole_text(pieces: list[str], lost: set[int]) -> None:
    """The widget's rule: drop what is known, and on a gap take a snapshot."""
    conversation = begun()
    text, number = "", 0
    for place, piece in enumerate(pieces):
        event = conversation.write(ASK, piece)
        assert isinstance(event, Delta)
        if place in lost:
            continue
        if event.number == number + 1:
            text, number = text + event.text, event.number
        else:
            text, number = snapshot(conversation).text, snapshot(conversation).number
    for reply in conversation.catch_up({ASK: number}):
        assert isinstance(reply, Snapshot)
        text = reply.text
    assert text == "".join(pieces)
