"""How many streams callers without a key may hold."""

from __future__ import annotations

import asyncio

import pytest

from retrieval_service import errors
from retrieval_service.api.open_streams import OpenStreams

PATIENCE_SECONDS = 5.0


class Held:
    """A stream that stays open until it is told to end."""

    def __init__(self, streams: OpenStreams, network: str) -> None:
        self._ending = asyncio.Event()
        self.is_open = False
        self.task = asyncio.create_task(self._hold(streams, network))

    async def _hold(self, streams: OpenStreams, network: str) -> None:
        async with streams.held(network):
            self.is_open = True
            await self._ending.wait()

    async def end(self) -> None:
        self._ending.set()
        await self.task


async def opened(streams: OpenStreams, *networks: str) -> list[Held]:
    held = [Held(streams, network) for network in networks]
    await asyncio.sleep(0)
    return held


async def refused(held: Held) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(errors.TooMany):
            await held.task


async def ended(*held: Held) -> None:
    for one in held:
        await one.end()


async def test_one_network_has_so_many_and_others_have_their_own() -> None:
    streams = OpenStreams(of_a_network=2, in_all=10)
    first, second, third = await opened(streams, "a", "a", "a")
    await refused(third)
    assert (first.is_open, second.is_open, third.is_open) == (True, True, False)
    [other] = await opened(streams, "b")
    assert other.is_open
    await first.end()
    [again] = await opened(streams, "a")
    assert again.is_open
    await ended(second, other, again)
    assert len(streams) == 0


async def test_network_with_most_gives_up_its_oldest_where_there_are_too_many() -> None:
    streams = OpenStreams(of_a_network=3, in_all=4)
    oldest, *greedy = await opened(streams, "a", "a", "a")
    [modest] = await opened(streams, "b")
    [newcomer] = await opened(streams, "c")
    await refused(oldest)
    assert modest.is_open
    assert newcomer.is_open
    assert len(streams) == 4
    await ended(*greedy, modest, newcomer)


async def test_nobody_gives_way_to_who_has_as_many() -> None:
    streams = OpenStreams(of_a_network=3, in_all=2)
    held = await opened(streams, "a", "b")
    [newcomer] = await opened(streams, "a")
    await refused(newcomer)
    [another] = await opened(streams, "c")
    await refused(another)
    await ended(*held)


async def test_what_fails_inside_is_not_told_otherwise() -> None:
    streams = OpenStreams()
    with pytest.raises(TimeoutError, match="of the handler"):
        async with streams.held("a"):
            raise TimeoutError("of the handler")
    assert len(streams) == 0
