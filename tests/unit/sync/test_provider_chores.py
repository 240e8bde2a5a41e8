"""A provider that fails is left alone for a while by what nobody waits for."""

from __future__ import annotations

import pytest

from retrieval_service import errors
from retrieval_service.services.sync.chores import PAUSE_AFTER_FAILURE_SECONDS, ProviderChore


@pytest.mark.parametrize("failure", [errors.ProviderUnavailable("asleep"), errors.ProviderRefused("no")])
async def test_chore_waits_a_minute_after_a_failure_and_not_otherwise(failure: errors.KladezError) -> None:
    now, failures, looks = 0.0, [failure], 0

    async def work() -> None:
        nonlocal looks
        looks += 1
        if failures:
            raise failures.pop()

    chore = ProviderChore("sweep", work, clock=lambda: now)
    await chore.run_housekeeping()
    now = PAUSE_AFTER_FAILURE_SECONDS - 1
    await chore.run_housekeeping()
    assert looks == 1
    now = PAUSE_AFTER_FAILURE_SECONDS
    await chore.run_housekeeping()
    await chore.run_housekeeping()
    assert looks == 3


async def test_mistake_of_ours_is_not_taken_for_the_providers() -> None:
    async def work() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await ProviderChore("sweep", work).run_housekeeping()
