"""How many streams callers without a key may hold."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from retrieval_service import errors
from retrieval_service.api.access.open_streams import OF_A_CONNECTION, OpenStreams, Place

PATIENCE_SECONDS = 5.0

_numbers = itertools.count(1)


class Held:
    """A stream that stays open until it is told to end."""

    def __init__(self, streams: OpenStreams, place: Place) -> None:
        self._ending = asyncio.Event()
        self.is_open = False
        self.task = asyncio.create_task(self._hold(streams, place))

    async def _hold(self, streams: OpenStreams, place: Place) -> None:
        async with streams.held(place):
            self.is_open = True
            await self._ending.wait()

    async def end(self) -> None:
        self._ending.set()
        await self.task


def on(network: str, connection: str = "") -> Place:
    return Place(network=network, connection=connection or f"connection {next(_numbers)}")


async def opened(streams: OpenStreams, *networks: str) -> list[Held]:
    """Each on a connection of its own."""
    return await opened_on(streams, *map(on, networks))


async def opened_on(streams: OpenStreams, *places: Place) -> list[Held]:
    held = [Held(streams, place) for place in places]
    await asyncio.sleep(0)
    return held


async def refused(held: Held) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(errors.TooMany):
            await held.task


async def ended(*held: Held) -> None:
    for one in held:
        await one.end()


async def test_one_connection_has_a_few_and_others_of_its_network_have_theirs() -> None:
    streams = OpenStreams()
    *few, surplus = await opened_on(streams, *[on("a", "greedy")] * (OF_A_CONNECTION + 1))
    await refused(surplus)
    assert all(one.is_open for one in few)
    [other] = await opened_on(streams, on("a", "modest"))
    assert other.is_open
    await few[0].end()
    [again] = await opened_on(streams, on("a", "greedy"))
    assert again.is_open
    await ended(*few[1:], other, again)
    assert len(streams) == 0


async def test_oldest_of_a_full_network_gives_way_and_others_have_their_own() -> None:
    streams = OpenStreams(of_a_network=2, in_all=10)
    oldest, second, other = await opened(streams, "a", "a", "b")
    [newcomer] = await opened(streams, "a")
    await refused(oldest)
    assert (second.is_open, other.is_open, newcomer.is_open) == (True, True, True)
    assert len(streams) == 3
    await ended(second, other, newcomer)
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


async def test_many_networks_with_one_each_keep_no_newcomer_out() -> None:
    streams = OpenStreams(of_a_network=3, in_all=2)
    oldest, second = await opened(streams, "a", "b")
    [newcomer] = await opened(streams, "c")
    await refused(oldest)
    assert newcomer.is_open
    await ended(second, newcomer)


async def test_what_fails_inside_is_not_told_otherwise() -> None:
    streams = OpenStreams()
    with pytest.raises(TimeoutError, match="of the handler"):
        async with streams.held(on("a")):
            raise TimeoutError("of the handler")
    assert len(streams) == 0
