"""Lists of one tenant keep nobody else waiting: they take turns, and whoever waits too long goes without."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from retrieval_service.services.answering.numeric_lists import Busy, Turns

FIRST, SECOND, THIRD = (UUID(int=number) for number in range(3))


class Running:
    """How many have their turn, of whom, and how many had it at once."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.now: list[UUID] = []
        self.most = 0
        self.most_of_one = 0

    async def compare(self, tenant_id: UUID) -> None:
        async with self.turns.turn(tenant_id):
            self.now.append(tenant_id)
            self.most = max(self.most, len(self.now))
            self.most_of_one = max(self.most_of_one, self.now.count(tenant_id))
            await asyncio.sleep(0.001)
            self.now.remove(tenant_id)


async def test_one_of_a_tenant_and_few_of_all() -> None:
    running = Running(Turns(at_once=2, patience_seconds=5.0))
    await asyncio.gather(*(running.compare(one) for one in (FIRST, SECOND, THIRD) for _ in range(5)))
    assert (running.most, running.most_of_one) == (2, 1)


async def test_whoever_waits_too_long_goes_without_and_others_do_not() -> None:
    turns = Turns(at_once=2, patience_seconds=0.01)
    async with turns.turn(FIRST):
        with pytest.raises(Busy):
            async with turns.turn(FIRST):
                pytest.fail("two of one tenant at once")
        async with turns.turn(SECOND):
            with pytest.raises(Busy):
                async with turns.turn(THIRD):
                    pytest.fail("three at once")
    for tenant_id in (FIRST, SECOND, THIRD):
        async with turns.turn(tenant_id):
            pass


async def test_time_within_a_turn_is_not_counted_as_waiting() -> None:
    turns = Turns(patience_seconds=0.01)
    async with turns.turn(FIRST):
        await asyncio.sleep(0.03)


async def test_a_turn_that_is_cancelled_or_fails_is_given_back() -> None:
    turns = Turns(at_once=1, patience_seconds=1.0)
    async with turns.turn(FIRST):
        waiting = asyncio.create_task(Running(turns).compare(FIRST))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    with pytest.raises(ZeroDivisionError):
        async with turns.turn(FIRST):
            _ = 1 / 0
    async with turns.turn(FIRST):
        pass
