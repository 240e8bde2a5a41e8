"""Children stop in order, and never outlive their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from retrieval_service import errors
from retrieval_service.postgres import guard, processes
from retrieval_service.postgres.processes import Command

ROOT = Path(__file__).parents[3]
DEADLINE_SECONDS = 20.0

PARENT = """
import asyncio, sys
from retrieval_service.postgres.processes import Command, start
async def main():
    child = await start(Command(name="sleep", arguments=("sleep", "60")))
    print(child.pid, flush=True)
    await child.wait()
asyncio.run(main())
"""


async def test_child_is_stopped_at_the_end_of_the_block() -> None:
    async with processes.running(shell("exec sleep 60")) as child:
        assert child.returncode is None
    assert child.returncode == -signal.SIGTERM


async def test_child_may_end_by_itself() -> None:
    async with processes.running(shell("exit 3")) as child:
        assert await child.wait() == 3
    assert await child.stop() == 3


async def test_child_that_will_not_stop_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "stubborn.log"
    script = "trap '' TERM; echo ready; while true; do sleep 0.05; done"
    command = Command(name="stubborn", arguments=("sh", "-c", script), grace_seconds=0.2, log=log)
    async with processes.running(command) as child:
        wait_for(lambda: "ready" in log.read_text())
    assert child.returncode == -signal.SIGKILL


async def test_child_hears_no_ctrl_c_of_the_terminal() -> None:
    async with processes.running(shell("exec sleep 60")) as child:
        assert os.getsid(child.pid) == child.pid != os.getsid(0)


@pytest.mark.skipif(sys.platform != "linux", reason="needs the parent-death signal")
def test_child_dies_with_a_killed_parent() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        child_pid = int(parent.stdout.readline())
        wait_for(lambda: is_sleeping(child_pid))
        parent.kill()
    wait_for(lambda: not is_sleeping(child_pid))


def test_child_whose_parent_died_before_it_could_tie_itself_never_runs(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    stranger_pid = "1" if os.getpid() != 1 else "2"
    command = [
        sys.executable,
        guard.__file__,
        stranger_pid,
        str(signal.SIGTERM.value),
        "-",
        "touch",
        str(trace),
    ]
    assert subprocess.run(command, check=False).returncode == guard.PARENT_IS_GONE
    assert not trace.exists()


async def test_program_gets_the_default_signals_back() -> None:
    outcome = await processes.finish(shell("kill -PIPE $$; echo survived"), timeout_seconds=DEADLINE_SECONDS)
    assert outcome.returncode == -signal.SIGPIPE


async def test_missing_program_is_named() -> None:
    command = Command(name="absent", arguments=("/nowhere/program",))
    outcome = await processes.finish(command, timeout_seconds=DEADLINE_SECONDS)
    assert outcome.returncode == guard.NOT_FOUND
    assert "No such file" in outcome.output


async def test_program_past_its_deadline_is_killed() -> None:
    command = Command(name="slow", arguments=("sleep", "60"))
    with pytest.raises(errors.Unavailable, match=r"slow did not finish within 0\.1 s"):
        await processes.finish(command, timeout_seconds=0.1)


async def test_environment_reaches_the_program_but_no_text() -> None:
    command = Command(
        name="secret", arguments=("/bin/sh", "-c", "echo $TOKEN"), environment={"TOKEN": "s3cret"}
    )
    outcome = await processes.finish(command, timeout_seconds=DEADLINE_SECONDS)
    assert outcome.output == "s3cret\n"
    assert "s3cret" not in repr(command)


def shell(script: str) -> Command:
    return Command(name="shell", arguments=("sh", "-c", script))


def is_sleeping(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x0060\x00"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
