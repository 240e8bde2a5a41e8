"""Children are started again when they end, and stopped with the work that needs them; real ones, real ports."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from retrieval_service import errors
from retrieval_service.cli.up import ports, supervising
from retrieval_service.cli.up.supervising import ChildEnded, kept_running, pause_seconds
from retrieval_service.postgres.log import LogLimits, ServerLog, kept_short
from retrieval_service.postgres.processes import Command, running


def shell(script: str, name: str = "part") -> Command:
    return Command(name=name, arguments=("sh", "-c", script))


def sleeper(pid_file: Path, name: str = "part") -> Command:
    """Tells its process id, and sleeps."""
    return shell(f"echo $$ >> {pid_file}; exec sleep 60", name)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def is_gone(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text()), 0)
    except ProcessLookupError:
        return True
    return False


async def test_child_that_never_settled_breaks_the_work_off_and_its_log_is_quoted(tmp_path: Path) -> None:
    command = shell("echo the disk is full; exit 7")
    with pytest.raises(ChildEnded, match=r"(?s)part ended by itself with code 7.*the disk is full"):
        async with kept_running(command, tmp_path / "logs"):
            await asyncio.sleep(30)


async def test_child_is_stopped_when_the_work_is_done(tmp_path: Path) -> None:
    async with kept_running(sleeper(tmp_path / "pid"), tmp_path / "logs"):
        await until((tmp_path / "pid").exists)
    assert await asyncio.to_thread(is_gone, tmp_path / "pid")


async def test_error_of_the_work_comes_out_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound):
        async with kept_running(shell("exec sleep 60"), tmp_path / "logs"):
            raise errors.NotFound


async def test_end_of_an_outer_child_stops_the_inner_one(tmp_path: Path) -> None:
    outer, inner = shell("sleep 0.5; exit 3", "outer"), sleeper(tmp_path / "pid", "inner")

    async def work() -> None:
        async with kept_running(outer, tmp_path / "logs"), kept_running(inner, tmp_path / "logs"):
            await asyncio.sleep(30)

    with pytest.raises(ChildEnded, match="outer"):
        await work()
    assert await asyncio.to_thread(is_gone, tmp_path / "pid")


@pytest.mark.parametrize("is_settled", [True, False])
async def test_cancelled_work_stops_its_child(tmp_path: Path, is_settled: bool) -> None:
    async def work() -> None:
        async with kept_running(sleeper(tmp_path / "pid"), tmp_path / "logs") as settled:
            if is_settled:
                settled.set()
            await asyncio.sleep(30)

    task = asyncio.create_task(work())
    await until((tmp_path / "pid").exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(is_gone, tmp_path / "pid")


@pytest.mark.usefixtures("hasty")
async def test_work_that_is_cancelled_in_a_pause_ends_at_once(tmp_path: Path) -> None:
    async with kept_running(shell("exit 1"), tmp_path / "logs") as settled:
        settled.set()
        await asyncio.sleep(0.2)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(supervising, "LONGEST_PAUSE_SECONDS", 0.05)


@pytest.mark.usefixtures("hasty")
async def test_kept_child_is_started_again_each_time_it_ends_and_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    command = shell(f"echo x >> {runs}; echo no token; exit 1")
    async with kept_running(command, tmp_path / "logs") as settled:
        settled.set()
        await until(lambda: runs.exists() and len(runs.read_text().splitlines()) >= 4)
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert len(lines) >= 3
    assert all("part ended by itself with code 1: no token" in line for line in lines)


@pytest.mark.usefixtures("hasty")
async def test_kept_child_that_is_killed_runs_again_and_is_stopped_with_the_work(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    async with kept_running(shell(f"echo $$ >> {pids}; exec sleep 60"), tmp_path / "logs") as settled:
        settled.set()
        await until(lambda: pids.exists() and len(pids.read_text().split()) == 1)
        os.kill(int(pids.read_text().split()[0]), signal.SIGKILL)
        await until(lambda: len(pids.read_text().split()) == 2)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pids.read_text().split()[1]), 0)


@pytest.mark.usefixtures("hasty")
async def test_program_that_is_not_there_is_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = Command(name="part", arguments=(str(tmp_path / "absent"),))
    async with kept_running(command, tmp_path / "logs") as settled:
        settled.set()
        await asyncio.sleep(0.5)
    assert "ended by itself with code 127" in capsys.readouterr().err


def test_pause_grows_to_a_minute_and_no_further() -> None:
    pauses = [pause_seconds(failures) for failures in range(1, 2_000)]
    assert pauses[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert set(pauses[6:]) == {60}


class TestLogs:
    """Of a child that writes more than there is room for."""

    limits = LogLimits(file_bytes=20_000, files=3)

    async def test_log_is_bounded_in_all_while_the_child_writes(self, tmp_path: Path) -> None:
        done = tmp_path / "done"
        script = (
            "for round in $(seq 60); do for line in $(seq 100); do echo $round.$line 0123456789012345678; done;"
            " sleep 0.02; done"
        )
        command = replace(shell(f"{script}; touch {done}; exec sleep 60"), log=tmp_path / "part.log")
        log = await asyncio.to_thread(ServerLog.opened, tmp_path / "part.log", self.limits)
        async with running(command), kept_short(log):
            while not await asyncio.to_thread(done.exists):
                await asyncio.to_thread(log.keep_short)
                await asyncio.sleep(0.005)
        files = sorted(name for name in os.listdir(tmp_path) if name.startswith("part.log"))
        assert files == ["part.log", "part.log.1", "part.log.2"]
        assert "60.100 " in "".join((tmp_path / name).read_text() for name in files)
        assert all((tmp_path / name).stat().st_mode & 0o077 == 0 for name in files)

    async def test_child_goes_on_writing_into_the_emptied_file(self, tmp_path: Path) -> None:
        path, go = tmp_path / "part.log", tmp_path / "go"
        script = (
            f"head -c 30000 /dev/zero | tr '\\0' a; while [ ! -e {go} ]; do sleep 0.01; done; echo after;"
            " exec sleep 60"
        )
        log = await asyncio.to_thread(ServerLog.opened, path, self.limits)
        async with running(replace(shell(script), log=path)):
            await until(lambda: path.exists() and path.stat().st_size >= 30_000)
            await asyncio.to_thread(log.keep_short)
            await asyncio.to_thread(go.touch)
            await until(lambda: path.read_text() == "after\n")
            assert await asyncio.to_thread(log.last_line) == "after"
        assert (tmp_path / "part.log.1").stat().st_size == 30_000

    def test_log_of_one_file_is_only_emptied(self, tmp_path: Path) -> None:
        path = tmp_path / "part.log"
        path.write_text("x" * 20_001)
        ServerLog.opened(path, LogLimits(file_bytes=20_000, files=1))
        assert [one.name for one in tmp_path.iterdir()] == ["part.log"]
        assert path.stat().st_size == 0

    def test_log_that_was_put_aside_is_no_link_to_follow(self, tmp_path: Path) -> None:
        path, precious = tmp_path / "part.log", tmp_path / "precious"
        path.write_text("x" * 20_001)
        precious.write_text("keep me")
        (tmp_path / "part.log.1").symlink_to(precious)
        ServerLog.opened(path, LogLimits(file_bytes=20_000, files=2))
        assert precious.read_text() == "keep me"


def wish(port: int | None, *, host: str = "127.0.0.1", preferred: int = 8080) -> ports.Wish:
    names = {"host_setting": "KLADEZ_GATEWAY_HOST", "port_setting": "KLADEZ_GATEWAY_PORT"}
    return ports.Wish(host=host, preferred=preferred, given=port, **names)


def test_taken_port_is_passed_over_unless_it_was_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert ports.choose(wish(None, preferred=port)) != port
        with pytest.raises(errors.Misconfigured, match=f"KLADEZ_GATEWAY_PORT: port {port} of 127.0.0.1"):
            ports.choose(wish(port))


def test_port_of_another_part_is_taken_before_it_listens() -> None:
    free = ports.any_free("127.0.0.1")
    assert ports.choose(wish(None, preferred=free), taken=(free,)) != free
    with pytest.raises(errors.Misconfigured, match=str(free)):
        ports.choose(wish(free), taken=(free,))


@pytest.mark.parametrize("host", ["203.0.113.9", "no-such-host.invalid"])
def test_host_of_another_machine_is_named(host: str) -> None:
    with pytest.raises(errors.Misconfigured, match=f"KLADEZ_GATEWAY_HOST: {host}"):
        ports.choose(wish(None, host=host))


def test_any_port_is_taken_when_zero_was_asked_for() -> None:
    assert ports.choose(wish(0)) > 0
