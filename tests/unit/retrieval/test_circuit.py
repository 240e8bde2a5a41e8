"""A failing server is left alone, and tried again by one caller at a time."""

from __future__ import annotations

from retrieval_service.domain.retrieval.circuit import Circuit, CircuitLimits

LIMITS = CircuitLimits(failures=3, pause_seconds=10.0)


def opened(now: float = 100.0) -> Circuit:
    circuit = Circuit(LIMITS)
    for _ in range(LIMITS.failures):
        assert circuit.allows(now)
        circuit.failed(now)
    return circuit


def test_opens_after_so_many_failures_in_a_row() -> None:
    circuit = opened()
    assert circuit.is_open
    assert not circuit.allows(100.0)
    assert not circuit.allows(109.9)


def test_success_between_failures_keeps_it_closed() -> None:
    circuit = Circuit(LIMITS)
    for _ in range(9):
        circuit.failed(1.0)
        circuit.failed(1.0)
        circuit.succeeded()
    assert circuit.allows(1.0)


def test_one_trial_is_let_through_after_the_pause() -> None:
    circuit = opened()
    assert circuit.allows(110.0)
    assert not circuit.allows(110.0)


def test_trial_that_succeeds_closes_it() -> None:
    circuit = opened()
    assert circuit.allows(110.0)
    circuit.succeeded()
    assert not circuit.is_open
    assert circuit.allows(110.0)
    assert circuit.allows(110.0)


def test_trial_that_fails_begins_another_pause() -> None:
    circuit = opened()
    assert circuit.allows(110.0)
    circuit.failed(112.0)
    assert not circuit.allows(121.9)
    assert circuit.allows(122.0)


def test_trial_that_never_ends_does_not_keep_others_away_for_ever() -> None:
    circuit = opened()
    assert circuit.allows(110.0)
    assert not circuit.allows(119.9)
    assert circuit.allows(120.0)
