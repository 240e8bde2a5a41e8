"""Work in a process apart: it answers, it fails by name, and it outlives nobody."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from typing import Any

import pytest

from retrieval_service.child_process import NICENESS, Apart, ApartFailed
from tests.kits import apart_work
from tests.kits.indexing_kit import until

PARENT = """
import asyncio
from retrieval_service.child_process import Apart
from tests.kits import apart_work

async def main():
    async for pid in Apart().stream(apart_work.process_id):
        print(pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
async def apart() -> AsyncIterator[Apart]:
    opened = Apart()
    yield opened
    await opened.close()


async def all_of(apart: Apart, work: Callable[..., Iterable[Any]], *arguments: Any) -> list[Any]:
    async with aclosing(apart.stream(work, *arguments)) as items:
        return [item async for item in items]


async def test_items_come_in_order_from_one_process_that_gives_way_to_others(apart: Apart) -> None:
    assert await all_of(apart, apart_work.counted, 5) == [0, 1, 2, 3, 4]
    assert await all_of(apart, apart_work.counted, 0) == []
    assert await all_of(apart, apart_work.process_id) == [apart.pid]
    assert await all_of(apart, apart_work.niceness) == [min(19, os.nice(0) + NICENESS)]


async def test_two_who_ask_at_once_both_get_their_own_answers(apart: Apart) -> None:
    answers = await asyncio.gather(*(all_of(apart, apart_work.counted, count) for count in range(6)))
    assert answers == [list(range(count)) for count in range(6)]


@pytest.mark.parametrize(
    ("work", "told"), [(apart_work.broken, "ValueError: out of order"), (apart_work.dying, "died")]
)
async def test_failure_is_told_and_the_next_work_is_done(
    apart: Apart, work: Callable[..., Iterable[Any]], told: str
) -> None:
    with pytest.raises(ApartFailed, match=told):
        await all_of(apart, work)
    assert await all_of(apart, apart_work.counted, 2) == [0, 1]


async def test_what_takes_too_long_is_ended() -> None:
    apart = Apart(deadline_seconds=5.0)
    with pytest.raises(ApartFailed, match="longer than 5 s"):
        await all_of(apart, apart_work.endless)
    assert apart.pid is None
    await apart.close()


async def test_process_of_one_who_is_cancelled_ends_with_the_wish(apart: Apart) -> None:
    asking = asyncio.create_task(all_of(apart, apart_work.endless))
    await until(lambda: has_process(apart))
    pid = apart.pid
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await until(lambda: is_gone(pid))
    assert await all_of(apart, apart_work.counted, 1) == [0]


async def test_process_that_has_nothing_to_do_goes() -> None:
    apart = Apart(idle_seconds=0.05)
    [pid] = await all_of(apart, apart_work.process_id)
    await until(lambda: is_gone(pid))
    assert await all_of(apart, apart_work.counted, 1) == [0]
    await apart.close()


async def test_process_ends_when_its_parent_is_killed() -> None:
    command = (sys.executable, "-c", PARENT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = await asyncio.to_thread(
        subprocess.Popen, command, stdout=subprocess.PIPE, env=environment, text=True
    )
    assert parent.stdout
    pid = int(await asyncio.to_thread(parent.stdout.readline))
    parent.kill()
    await asyncio.to_thread(parent.communicate)
    await until(lambda: is_gone(pid))


async def has_process(apart: Apart) -> bool:
    return apart.pid is not None


async def is_gone(pid: int | None) -> bool:
    assert pid
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:  # noqa: ASYNC230 - no disk is read
            return file.read().rpartition(")")[2].split()[0] == "Z"
    # It may end between the opening of the file and the reading.
    except (FileNotFoundError, ProcessLookupError):
        return True
