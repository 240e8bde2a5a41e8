"""When a growing answer is shown, and how its end is delivered whatever Telegram says."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from bot.places import GROUP_EDIT_INTERVAL_SECONDS, Place
from bot.streaming import FIRST_FRAME_CHARACTERS, SLOWEST_INTERVAL_SECONDS, Pace

MOMENTS = st.lists(st.tuples(st.floats(0, 5), st.integers(0, 50)), max_size=60)


def test_the_first_frame_waits_for_words_worth_a_notification() -> None:
    pace = Pace(interval_seconds=1.5)
    assert not pace.is_due(FIRST_FRAME_CHARACTERS - 1, now=0.0)
    assert pace.is_due(FIRST_FRAME_CHARACTERS, now=0.0)


def test_a_frame_without_news_is_never_due() -> None:
    pace = Pace(interval_seconds=1.5).after_frame(40, now=0.0)
    assert not pace.is_due(40, now=100.0)
    assert pace.is_due(41, now=100.0)


def test_frames_keep_their_distance() -> None:
    pace = Pace(interval_seconds=1.5).after_frame(40, now=10.0)
    assert not pace.is_due(80, now=11.4)
    assert pace.is_due(80, now=11.5)


def test_a_failed_frame_is_tried_again_with_newer_text_after_the_interval() -> None:
    pace = Pace(interval_seconds=1.5).after_frame(40, now=0.0).after_failure(now=2.0)
    assert not pace.is_due(80, now=3.0)
    assert pace.is_due(80, now=3.5)


def test_a_flood_is_waited_out_and_slows_the_rest() -> None:
    pace = Pace(interval_seconds=1.5).after_flood(30.0, now=0.0)
    assert not pace.is_due(80, now=29.9)
    assert pace.is_due(80, now=30.0)
    assert pace.interval_seconds == 3.0


def test_floods_never_slow_frames_beyond_the_slowest_interval() -> None:
    pace = Pace(interval_seconds=1.5)
    for _ in range(20):
        pace = pace.after_flood(1.0, now=0.0)
    assert pace.interval_seconds == SLOWEST_INTERVAL_SECONDS


def test_groups_bear_fewer_edits_than_private_chats() -> None:
    assert Place(chat_id=-1).edit_interval_seconds(1.5) == GROUP_EDIT_INTERVAL_SECONDS
    assert Place(chat_id=1).edit_interval_seconds(1.5) == 1.5


def test_after_a_send_of_unknown_fate_no_more_frames_are_tried() -> None:
    pace = Pace(interval_seconds=1.5).without_more_frames()
    assert not pace.is_due(10_000, now=1e9)


@given(moments=MOMENTS)
def test_no_order_of_events_shows_two_frames_within_an_interval(moments: list[tuple[float, int]]) -> None:
    pace, now, characters = Pace(interval_seconds=1.5), 0.0, 0
    shown_at: list[float] = []
    for pause, growth in moments:
        now, characters = now + pause, characters + growth
        if pace.is_due(characters, now):
            pace = pace.after_frame(characters, now)
            shown_at.append(now)
    assert all(later >= earlier + 1.5 for earlier, later in itertools.pairwise(shown_at))
