"""Frames of `kladez.v1`: whatever comes in is a frame or a defined error, and ranges go out as JavaScript counts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from widget_gateway import frames
from widget_gateway.frames import (
    Ask,
    BadFrame,
    Cancel,
    End,
    Feedback,
    Hello,
    Ignored,
    Ping,
    Resume,
    encode,
    parse,
    ranges,
)
from widget_gateway.session import (
    Attribution,
    Delta,
    Doubt,
    Doubted,
    Failed,
    Snapshot,
    Source,
    Sources,
    Status,
    Unknown,
)

ASK = "0123456789abcdef0123456789abcdef"
ANSWER = "6b111573-d663-48ba-bfe9-c25f21445a34"
SHOP = "0f1c3a52-1111-4222-8333-444455556666"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=10,
)
members = st.dictionaries(
    st.sampled_from(["v", "shop", "sid", "token", "lang", "have", "id", "q", "page"]), json_values
)
kinds = st.sampled_from(["hello", "ask", "cancel", "resume", "ping", "end", "feedback", "", None, 1])


LONGEST_CLOSE_REASON_BYTES = 123


def frame_or_reason(text: str) -> object:
    try:
        return parse(text)
    except BadFrame as error:
        return str(error)


def is_frame_or_reason(text: str) -> bool:
    result = frame_or_reason(text)
    return not isinstance(result, str) or 0 < len(result.encode()) <= LONGEST_CLOSE_REASON_BYTES


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_a_defined_error(data: bytes) -> None:
    assert is_frame_or_reason(data.decode("utf-8", "replace"))


@given(kinds, members)
def test_any_members_are_a_frame_or_a_defined_error(kind: object, rest: dict[str, Any]) -> None:
    assert is_frame_or_reason(json.dumps({**rest, "t": kind}))


@pytest.mark.parametrize("text", ["[" * 16_000, '{"a":' * 3_000, "1" * 16_000, "nul", "", '"\\ud800"'])
def test_json_made_to_hurt_is_refused(text: str) -> None:
    with pytest.raises(BadFrame):
        parse(text)


def test_hello_is_read_whole() -> None:
    frame = {
        "t": "hello",
        "v": 1,
        "shop": SHOP,
        "sid": "s",
        "token": "t",
        "lang": "pt",
        "page": {"url": "https://shop.example/"},
        "have": {ASK: 4},
    }
    assert parse(json.dumps(frame)) == Hello(
        shop=SHOP, session_id="s", token="t", language="pt", have={ASK: 4}
    )


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        (f'{{"t":"ask","id":"{ASK}","q":" How\\u0000 much? "}}', Ask(ask_id=ASK, question="How much?")),
        (f'{{"t":"cancel","id":"{ASK}"}}', Cancel(ask_id=ASK)),
        (f'{{"t":"resume","id":"{ASK}"}}', Resume(ask_id=ASK)),
        ('{"t":"ping"}', Ping()),
        ('{"t":"end"}', End()),
        (
            json.dumps({"t": "feedback", "id": ASK, "aid": ANSWER, "v": -1, "reason": "Устарело\0 👎"}),
            Feedback(ask_id=ASK, answer_id=ANSWER, value=-1, reason="Устарело 👎"),
        ),
        ('{"t":"applause","id":1}', Ignored()),
        ("{}", Ignored()),
    ],
)
def test_every_kind_is_read(text: str, frame: object) -> None:
    assert parse(text) == frame


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "not an object"),
        ('{"t":"hello","v":2}', "unsupported version"),
        ('{"t":"hello","v":1,"shop":1}', "bad shop"),
        ('{"t":"hello","v":1,"shop":"x","have":[]}', "bad have"),
        (f'{{"t":"hello","v":1,"shop":"x","have":{{"{ASK}":true}}}}', "bad have"),
        ('{"t":"ask","id":"short","q":"x"}', "bad id"),
        (f'{{"t":"ask","id":"{ASK}","q":{{}}}}', "bad q"),
        ('{"t":"cancel"}', "bad id"),
    ],
)
def test_bad_frame_says_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(BadFrame, match=reason):
        parse(text)


def test_half_a_surrogate_pair_cannot_reach_the_service() -> None:
    frame = parse(f'{{"t":"ask","id":"{ASK}","q":"tea \\ud83c"}}')
    assert isinstance(frame, Ask)
    assert frame.question.encode("utf-8") == b"tea ?"


def test_events_carry_their_number_and_the_text_as_it_is() -> None:
    assert json.loads(encode(Delta(ask_id=ASK, number=2, text="чай 🍵"))) == {
        "t": "delta",
        "id": ASK,
        "n": 2,
        "d": "чай 🍵",
    }
    assert json.loads(encode(Unknown(ask_id=ASK))) == {"t": "unknown", "id": ASK}


def test_refusal_has_no_number_and_a_failure_has() -> None:
    refusal = Failed(ask_id=ASK, number=0, code="rate_limited", retry_after=1.26)
    failure = Failed(ask_id=ASK, number=3, code="internal")
    assert json.loads(encode(refusal)) == {
        "t": "error",
        "id": ASK,
        "code": "rate_limited",
        "retry_after": 1.3,
    }
    assert json.loads(encode(failure)) == {"t": "error", "id": ASK, "code": "internal", "n": 3}


def test_snapshot_has_the_same_items_as_citations() -> None:
    source = Source(number=1, title="Kettle", url="/kettle", snippet="Blue.", source_type="product")
    snapshot = Snapshot(
        ask_id=ASK,
        number=5,
        text="x",
        status=Status.RUNNING,
        sources=(source,),
        attributions=(),
        finish_reason="",
        code="",
        retry_after=None,
    )
    citations = json.loads(encode(Sources(ask_id=ASK, number=1, items=(source,))))
    assert json.loads(encode(snapshot))["items"] == citations["items"]


def test_welcome_holds_the_session_and_the_settings_of_the_chat() -> None:
    welcome = frames.Welcome(
        session=frames.Session(session_id="s", token="t", expires=9),
        heartbeat_seconds=25.0,
        question_characters=2000,
        title="Tea",
        greeting="Hello",
        suggested=("Delivery?",),
    )
    assert json.loads(encode(welcome)) == {
        "t": "welcome",
        "v": 1,
        "sid": "s",
        "token": "t",
        "exp": 9,
        "hb": 25_000,
        "limits": {"question": 2000},
        "config": {"title": "Tea", "greeting": "Hello", "suggested": ["Delivery?"]},
    }


@given(st.text(), st.integers(-5, 60), st.integers(-5, 60))
def test_ranges_are_what_javascript_would_slice(text: str, start: int, end: int) -> None:
    [[first, last, numbers]] = ranges(text, (Attribution(start=start, end=end, numbers=(1, 2)),))
    units = text.encode("utf-16-le", "surrogatepass")
    inside = [min(max(offset, 0), len(text)) for offset in (start, end)]
    assert units[: first * 2] == text[: inside[0]].encode("utf-16-le", "surrogatepass")
    assert units[: last * 2] == text[: inside[1]].encode("utf-16-le", "surrogatepass")
    assert numbers == [1, 2]


def test_doubt_is_counted_as_javascript_counts_and_a_snapshot_repeats_it() -> None:
    doubted = Doubted(ask_id=ASK, number=2, text="🍵 It sings.", doubt=Doubt(start=2, end=11))
    snapshot = Snapshot(
        ask_id=ASK,
        number=2,
        text=doubted.text,
        status=Status.RUNNING,
        sources=(),
        attributions=(),
        finish_reason="",
        code="",
        retry_after=None,
        doubts=(doubted.doubt,),
    )
    assert json.loads(encode(doubted)) == {"t": "doubt", "id": ASK, "n": 2, "range": [3, 12]}
    assert json.loads(encode(snapshot))["doubts"] == [[3, 12]]
