"""How long a failed job waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from retrieval_service.domain.sync.retry import FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS, delay_seconds


def test_five_attempts_outlive_a_provider_that_is_down_for_minutes() -> None:
    assert [delay_seconds(attempts) for attempts in (1, 2, 3, 4, 5)] == [5, 20, 80, 300, 300]


def test_job_that_was_never_tried_waits_no_longer_than_after_its_first_failure() -> None:
    assert delay_seconds(0) == delay_seconds(1) == FIRST_DELAY_SECONDS


@given(st.integers(min_value=0, max_value=1_000))
def test_delay_never_shrinks_and_never_passes_five_minutes(attempts: int) -> None:
    assert delay_seconds(attempts) <= delay_seconds(attempts + 1) <= LONGEST_DELAY_SECONDS == 300
