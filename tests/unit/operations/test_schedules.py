"""When something is due by the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from retrieval_service.domain.operations.schedules import Run, fault, is_due, next_run

NIGHTLY = "0 2 * * *"


def run_at(moment: datetime) -> Run:
    return Run(name="reconcile", started_at=moment, finished_at=moment, error="")


def utc(day: int, hour: int, minute: int = 0, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def test_never_run_schedule_is_due_at_once() -> None:
    assert is_due(NIGHTLY, None, utc(1, 12))


def test_schedule_is_due_from_its_minute_on_and_not_before() -> None:
    last = run_at(utc(1, 2))
    assert not is_due(NIGHTLY, last, utc(2, 1, 59))
    assert is_due(NIGHTLY, last, utc(2, 2))


def test_missed_runs_are_caught_up_once() -> None:
    woken_at = utc(20, 12)
    assert is_due(NIGHTLY, run_at(utc(1, 2)), woken_at)
    assert not is_due(NIGHTLY, run_at(woken_at), woken_at + timedelta(hours=1))
    assert is_due(NIGHTLY, run_at(woken_at), utc(21, 2))


@pytest.mark.parametrize(("month", "day"), [(3, 29), (10, 25)])
def test_nights_of_the_clock_change_are_as_long_as_others(month: int, day: int) -> None:
    """Europe's clocks skip or repeat an hour then; UTC does not."""
    moments = [utc(day - 1, 2, month=month)]
    for _ in range(2):
        following = next_run(NIGHTLY, moments[-1])
        assert following is not None
        moments.append(following)
    assert [moment.hour for moment in moments] == [2, 2, 2]
    assert moments[2] - moments[1] == moments[1] - moments[0] == timedelta(hours=24)


def test_empty_string_switches_a_schedule_off() -> None:
    assert fault("") == ""
    assert next_run("", utc(1, 2)) is None
    assert not is_due("", None, utc(1, 2))
    assert not is_due("", run_at(utc(1, 2)), utc(9, 2))


@pytest.mark.parametrize("cron", ["every day", "0 25 * * *", "* * * *", "0 2 30 2 *"])
def test_what_is_no_cron_string_is_said(cron: str) -> None:
    assert "cron" in fault(cron)
