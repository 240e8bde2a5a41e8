"""Work that needs a child ends with the child, and says why; real children, real ports."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from retrieval_service import errors
from retrieval_service.cli import ports
from retrieval_service.cli.supervising import ChildEnded, supervised
from retrieval_service.postgres.processes import Child, Command


def shell(script: str, name: str = "part") -> Command:
    return Command(name=name, arguments=("sh", "-c", script))


async def test_child_that_ends_breaks_the_work_off_and_its_log_is_quoted(tmp_path: Path) -> None:
    command = shell("echo the disk is full; exit 7")
    with pytest.raises(ChildEnded, match=r"(?s)part ended by itself with code 7.*the disk is full"):
        async with supervised(command, tmp_path / "logs"):
            await asyncio.sleep(30)


async def test_child_is_stopped_when_the_work_is_done(tmp_path: Path) -> None:
    async with supervised(shell("exec sleep 60"), tmp_path / "logs") as child:
        assert child.returncode is None
    assert child.returncode is not None


async def test_error_of_the_work_comes_out_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound):
        async with supervised(shell("exec sleep 60"), tmp_path / "logs"):
            raise errors.NotFound


async def test_end_of_an_outer_child_stops_the_inner_one_first(tmp_path: Path) -> None:
    outer = shell("sleep 0.3; exit 3", "outer")
    inner = shell("exec sleep 60", "inner")
    children: list[Child] = []

    async def work() -> None:
        async with (
            supervised(outer, tmp_path / "logs"),
            supervised(inner, tmp_path / "logs") as child,
        ):
            children.append(child)
            await asyncio.sleep(30)

    with pytest.raises(ChildEnded, match="outer"):
        await work()
    assert [child.returncode for child in children] == [-signal.SIGTERM]


async def test_cancelled_work_stops_its_child(tmp_path: Path) -> None:
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        async with supervised(shell("exec sleep 60"), tmp_path / "logs") as child:
            started.set_result(child.pid)
            await asyncio.sleep(30)

    task = asyncio.create_task(work())
    pid = await started
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_taken_port_is_passed_over_unless_it_was_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert ports.choose("127.0.0.1", port, given=None) != port
        with pytest.raises(errors.Misconfigured, match=str(port)):
            ports.choose("127.0.0.1", 1, given=port)
