"""When a write to a store may leave: the moments are numbers, nothing waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval_service import errors
from retrieval_service.providers.openai.files.write_pace import PaceLimits, WritePace


def moments(limits: PaceLimits, arrivals: list[float]) -> list[float]:
    """When each of the writes leaves that come at `arrivals`."""
    pace, leaving = WritePace(limits), []
    for now in arrivals:
        leaving += [pace.next_turn(now)]
        pace.take(leaving[-1])
    return leaving


def test_writes_below_the_limit_do_not_wait() -> None:
    assert moments(PaceLimits(writes=3, window_seconds=60), [1, 1, 2]) == [1, 1, 2]


def test_write_above_the_limit_waits_for_the_window_to_move() -> None:
    assert moments(PaceLimits(writes=2, window_seconds=60), [1, 5, 6, 7]) == [1, 5, 61, 65]


def test_quiet_minute_gives_the_whole_limit_back() -> None:
    assert moments(PaceLimits(writes=2, window_seconds=60), [1, 1, 100, 100]) == [1, 1, 100, 100]


def test_everybody_waits_as_long_as_the_server_asked() -> None:
    pace = WritePace(PaceLimits())
    pace.hold(20)
    pace.hold(10)
    assert (pace.next_turn(5), pace.next_turn(30)) == (20, 30)


@given(
    st.integers(min_value=1, max_value=5),
    st.lists(st.floats(min_value=0, max_value=30), max_size=20),
)
def test_no_window_ever_holds_more_than_the_limit(writes: int, pauses: list[float]) -> None:
    arrivals = [sum(pauses[: number + 1]) for number in range(len(pauses))]
    leaving = moments(PaceLimits(writes=writes, window_seconds=10), arrivals)
    assert all(
        later - earlier >= 10 - 1e-6 for earlier, later in zip(leaving, leaving[writes:], strict=False)
    )
    assert all(moment >= arrival for arrival, moment in zip(arrivals, leaving, strict=True))


@pytest.mark.parametrize(("writes", "seconds"), [(0, 60.0), (1, 0.0)])
def test_pace_that_lets_nothing_through_is_refused(writes: int, seconds: float) -> None:
    with pytest.raises(errors.Misconfigured):
        PaceLimits(writes=writes, window_seconds=seconds)
