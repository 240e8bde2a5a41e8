"""Limits hold for any clock, and waiting as long as they say is enough."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from widget_gateway.limits import SECONDS_PER_DAY, Buckets, DailyQuota, Seats, TokenBucket


def test_full_bucket_gives_its_capacity_and_then_says_how_long_to_wait() -> None:
    bucket = TokenBucket(20, period_seconds=60, now=0.0)
    assert [bucket.take(0.0) for _ in range(20)] == [0.0] * 20
    assert bucket.take(0.0) == 3.0


def test_refused_attempts_cost_nothing() -> None:
    bucket = TokenBucket(1, period_seconds=10, now=0.0)
    bucket.take(0.0)
    assert [bucket.take(5.0) for _ in range(3)] == [5.0] * 3
    assert bucket.take(10.0) == 0.0


def test_bucket_never_holds_more_than_its_capacity() -> None:
    bucket = TokenBucket(2, period_seconds=1, now=0.0)
    assert [bucket.take(1000.0) > 0 for _ in range(3)] == [False, False, True]


@given(st.lists(st.floats(0, 1000), max_size=60))
def test_no_window_gives_more_than_capacity_and_refill(steps: list[float]) -> None:
    bucket = TokenBucket(5, period_seconds=60, now=0.0)
    moments = sorted(steps)
    taken = [moment for moment in moments if bucket.take(moment) == 0.0]
    for place, moment in enumerate(taken):
        in_window = [other for other in taken[place:] if other - moment < 60]
        assert len(in_window) <= 10


@given(st.integers(1, 50), st.floats(0.1, 600))
def test_waiting_as_long_as_told_is_enough(capacity: int, period_seconds: float) -> None:
    bucket = TokenBucket(capacity, period_seconds=period_seconds, now=0.0)
    for _ in range(capacity):
        bucket.take(0.0)
    assert bucket.take(bucket.take(0.0) * 1.000001) == 0.0


def test_clock_that_runs_backwards_gives_nothing_away() -> None:
    bucket = TokenBucket(1, period_seconds=10, now=100.0)
    bucket.take(100.0)
    assert bucket.take(50.0) > 0


def test_keys_have_their_own_buckets_and_the_oldest_are_forgotten() -> None:
    buckets = Buckets(1, period_seconds=60, remembered=2)
    assert buckets.take("a", 0.0) == 0.0
    assert buckets.take("a", 0.0) > 0
    assert buckets.take("b", 0.0) == 0.0
    assert buckets.take("c", 0.0) == 0.0
    assert buckets.take("a", 0.0) == 0.0  # forgotten: begins anew


def test_daily_quota_ends_at_midnight_utc() -> None:
    quota = DailyQuota(1)
    noon = 20_000 * SECONDS_PER_DAY + SECONDS_PER_DAY / 2
    assert quota.take("shop", noon) == 0.0
    assert quota.take("shop", noon) == SECONDS_PER_DAY / 2
    assert quota.take("other shop", noon) == 0.0
    assert quota.take("shop", noon + SECONDS_PER_DAY / 2) == 0.0


def test_seat_is_free_again_after_its_taker_left() -> None:
    seats = Seats(2)
    assert [seats.take("address") for _ in range(3)] == [True, True, False]
    seats.leave("address")
    assert seats.take("address")
    assert seats.take("another")
    assert len(seats) == 3


def test_given_back_is_as_if_never_taken() -> None:
    quota = DailyQuota(2)
    quota.give_back("a", 0.0)
    assert [quota.take("a", 0.0) > 0 for _ in range(3)] == [False, False, True]
    quota.give_back("a", 0.0)
    assert [quota.take("a", 0.0) > 0 for _ in range(2)] == [False, True]
    quota.give_back("a", SECONDS_PER_DAY)
    assert [quota.take("a", SECONDS_PER_DAY) > 0 for _ in range(3)] == [False, False, True]
