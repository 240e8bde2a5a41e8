"""Work on texts of several tenants is done in turns, and what is no longer wanted is left undone."""

from __future__ import annotations

import asyncio
from functools import partial
from threading import Event
from uuid import UUID

import pytest

from retrieval_service.services.documents.parsing_turns import ReadingRoom

BIG, SMALL = UUID(int=1), UUID(int=2)


async def test_small_piece_waits_for_one_of_the_others_and_not_for_all() -> None:
    room, done, gate = ReadingRoom(), list[str](), Event()

    def first() -> None:
        gate.wait(10)
        done.append("big")

    big = asyncio.create_task(room.run(BIG, [first, *[partial(done.append, "big")] * 20]))
    again = asyncio.create_task(room.run(BIG, [partial(done.append, "big")] * 20))
    await asyncio.sleep(0.05)
    small = asyncio.create_task(room.run(SMALL, [partial(done.append, "small")] * 2))
    await asyncio.sleep(0.05)
    gate.set()
    await asyncio.gather(big, again, small)
    assert done.count("big") == 41
    assert [at for at, one in enumerate(done) if one == "small"][-1] < 10


async def test_results_are_in_order_and_a_failure_reaches_who_asked_alone() -> None:
    room = ReadingRoom()

    def fails() -> int:
        raise ValueError("no text")

    assert await room.run(BIG, [lambda: 1, lambda: 2]) == [1, 2]
    with pytest.raises(ValueError, match="no text"):
        await room.run(BIG, [fails, lambda: 2])
    assert await room.run(BIG, [lambda: 3]) == [3]


async def test_who_has_gone_leaves_the_rest_undone() -> None:
    room, done, gate = ReadingRoom(), list[int](), Event()
    pieces = [partial(gate.wait, 10), *[partial(done.append, 1)] * 5]
    gone = asyncio.create_task(room.run(BIG, pieces))
    await asyncio.sleep(0.05)
    gone.cancel()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await room.run(BIG, [partial(done.append, 2)])
    assert done == [2]
