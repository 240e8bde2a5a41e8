"""Rates of a minute hold for any clock, for a bounded number of keys, and waiting as long as told is enough."""

from __future__ import annotations

import contextlib
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval_service import errors
from retrieval_service.domain.tenants.rates import MINUTE_SECONDS, Rate, TokenBucket
from retrieval_service.services.tenants.authentication import Caller
from retrieval_service.services.tenants.rate_limits import Limiter, Rates


@given(st.lists(st.floats(0, 600), max_size=80))
def test_no_minute_gives_more_than_two_minutes_amounts(moments: list[float]) -> None:
    bucket = TokenBucket(6, now=0.0)
    taken = [moment for moment in sorted(moments) if bucket.take(1, moment) == 0.0]
    for place, moment in enumerate(taken):
        assert len([other for other in taken[place:] if other - moment < MINUTE_SECONDS]) <= 12


@given(st.integers(1, 50), st.floats(1, 500))
def test_waiting_as_long_as_told_is_enough(per_minute: int, amount: float) -> None:
    bucket = TokenBucket(per_minute, now=0.0)
    while not (wait := bucket.take(amount, 0.0)):
        pass
    assert bucket.take(amount, wait * 1.000001) == 0.0


def test_what_is_larger_than_a_minutes_amount_passes_once_and_is_paid_for() -> None:
    bucket = TokenBucket(100, now=0.0)
    assert bucket.take(1_000, 0.0) == 0.0
    assert bucket.take(1, 0.0) == pytest.approx(9 * MINUTE_SECONDS, rel=0.01)


def test_clock_that_runs_backwards_gives_nothing_away() -> None:
    bucket = TokenBucket(1, now=100.0)
    assert bucket.take(1, 100.0) == 0.0
    assert bucket.take(1, 50.0) > 0


def test_keys_are_a_bounded_number_and_zero_sets_no_limit() -> None:
    rate = Rate(1, remembered=3)
    for number in range(100):
        assert rate.take(number, 1, 0.0) == 0.0
    assert len(rate) == 3
    off = Rate(0)
    assert [off.take("a", 10**9, 0.0) for _ in range(3)] == [0.0] * 3
    assert len(off) == 0


def caller(*, key: int = 1, tenant: int | None = 1, own: bool = True) -> Caller:
    return Caller(
        key_id=uuid.UUID(int=key),
        tenant_id=None if tenant is None else uuid.UUID(int=tenant),
        scopes=frozenset(),
        is_tenants_own=own,
    )


def is_let_in(limiter: Limiter, by: Caller) -> bool:
    try:
        limiter.count_request(by)
        limiter.count_tenants_request(by)
    except errors.RateLimited:
        return False
    return True


def test_many_keys_of_one_tenant_share_its_rate() -> None:
    limiter = Limiter(Rates(tenant_requests=4), clock=lambda: 0.0)
    assert [is_let_in(limiter, caller(key=number)) for number in range(6)] == [True] * 4 + [False] * 2
    assert is_let_in(limiter, caller(key=9, tenant=2))


def test_stolen_key_of_many_tenants_takes_nothing_from_a_tenants_own_programs() -> None:
    limiter = Limiter(Rates(tenant_requests=2), clock=lambda: 0.0)
    assert [is_let_in(limiter, caller(key=9, own=False)) for _ in range(3)] == [True, True, False]
    assert is_let_in(limiter, caller(key=1))
    assert is_let_in(limiter, caller(key=9, tenant=2, own=False))


def test_one_key_is_held_to_its_rate_whichever_tenants_it_names() -> None:
    limiter = Limiter(Rates(key_requests=3), clock=lambda: 0.0)
    told = [is_let_in(limiter, caller(key=9, tenant=number, own=False)) for number in range(5)]
    assert told == [True] * 3 + [False] * 2
    assert is_let_in(limiter, caller(key=8))


def test_stolen_key_of_a_tenant_leaves_its_other_keys_their_half() -> None:
    now = [0.0]
    limiter = Limiter(Rates(tenant_requests=60), clock=lambda: now[0])
    thief, others = caller(key=1), [caller(key=2), caller(key=3)]
    for minute in range(5):
        now[0] = minute * MINUTE_SECONDS
        assert [is_let_in(limiter, thief) for _ in range(90)].count(True) == 30
        assert all(is_let_in(limiter, one) for one in others * 15)
        assert not any(is_let_in(limiter, one) for one in (thief, *others, caller(key=4)))


def test_stolen_key_of_a_tenant_leaves_its_other_keys_half_of_the_bytes() -> None:
    limiter = Limiter(Rates(tenant_bytes=1_000), clock=lambda: 0.0)
    for _ in range(50):
        with contextlib.suppress(errors.RateLimited):
            limiter.count_bytes(caller(key=1), 100)
    for _ in range(5):
        limiter.count_bytes(caller(key=2), 100)
    with pytest.raises(errors.RateLimited):
        limiter.count_bytes(caller(key=3), 100)


def test_what_the_tenants_rate_refuses_costs_the_key_nothing() -> None:
    now = [0.0]
    limiter = Limiter(Rates(tenant_requests=60), clock=lambda: now[0])
    for key in (1, 2):
        assert all(is_let_in(limiter, caller(key=key)) for _ in range(30))
    assert not any(is_let_in(limiter, caller(key=3)) for _ in range(30))
    now[0] = MINUTE_SECONDS
    assert all(is_let_in(limiter, caller(key=3)) for _ in range(30))


def test_only_key_of_a_tenant_has_half_of_its_minute_and_never_nothing() -> None:
    limiter = Limiter(Rates(tenant_requests=1), clock=lambda: 0.0)
    assert [is_let_in(limiter, caller()) for _ in range(2)] == [True, False]


@pytest.mark.parametrize("rates", [Rates(key_bytes=10), Rates(tenant_bytes=20)])
def test_bytes_are_counted_too(rates: Rates) -> None:
    limiter = Limiter(rates, clock=lambda: 0.0)
    limiter.count_bytes(caller(), 25)
    with pytest.raises(errors.RateLimited) as refused:
        limiter.count_bytes(caller(), 1)
    assert refused.value.retry_after_seconds == pytest.approx(96)
    assert refused.value.metadata["limit"] == "bytes"
