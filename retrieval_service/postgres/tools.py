"""pg_dump and pg_restore of a release that can speak with the server, run without a password on their command line."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from retrieval_service import errors
from retrieval_service.postgres import binaries

# Where systems keep more than one release; the newest that fits is taken.
FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
TLS_MODES = ("require", "verify-ca", "verify-full")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_LAST_LINES = 5
_LONGEST_LINE = 2**24
_SHOWN_CHARACTERS = 300


@dataclass(frozen=True, kw_only=True)
class Program:
    """One program of Postgres, and the release it is of."""

    path: Path
    release: int


@dataclass(frozen=True, kw_only=True)
class Target:
    """A database for a program: what may stand on its command line, and what may not."""

    conninfo: str
    secrets: Mapping[str, str] = field(repr=False)
    needs_tls: bool = False


async def find(name: str, *, release: int, needs_tls: bool) -> Program:
    """A program of the server's release or a newer one; an older pg_dump refuses a newer server.

    Raises `errors.Misconfigured` saying what was found instead.
    """
    paths = await asyncio.to_thread(_candidates, name, needs_tls=needs_tls)
    found = [one for path in paths if (one := await _program(path))]
    fitting = [one for one in found if one.release >= release]
    if fitting:
        return min(fitting, key=lambda one: one.release)
    seen = ", ".join(f"{one.path} of {one.release}" for one in found) or "none"
    raise errors.Misconfigured(
        f"The server is Postgres {release}, and this needs {name} of that release or a newer one; found: {seen}. "
        f"Install Postgres's client programs of release {release} and put them on the PATH."
    )


def _candidates(name: str, *, needs_tls: bool) -> list[Path]:
    """The programs that came with us first; they speak no TLS."""
    on_path = shutil.which(name)
    folders = [] if needs_tls else _own_folders()
    folders += [Path(on_path).parent] if on_path else []
    folders += [folder for pattern in FOLDERS for folder in Path("/").glob(pattern.lstrip("/"))]
    return [folder / name for folder in folders if os.access(folder / name, os.X_OK)]


def _own_folders() -> list[Path]:
    try:
        return [binaries.locate().folder / "bin"]
    except errors.Misconfigured:
        return []


async def _program(path: Path) -> Program | None:
    process = await asyncio.create_subprocess_exec(
        str(path), "--version", stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL
    )
    output, _ = await process.communicate()
    told = _VERSION.search(output.decode(errors="replace"))
    return Program(path=path, release=int(told[1])) if told and process.returncode == 0 else None


async def run(
    program: Program,
    arguments: Sequence[str],
    target: Target,
    *,
    on_line: Callable[[str], None] = lambda _: None,
) -> None:
    """Runs it to its end and tells each line it says; raises `errors.Unavailable` with the last ones if it fails.

    It is stopped when we are.
    """
    environment = {**os.environ, **target.secrets, "LC_ALL": "C", "PGAPPNAME": f"kladez {program.path.name}"}
    process = await asyncio.create_subprocess_exec(
        str(program.path),
        *arguments,
        f"--dbname={target.conninfo}",
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        env=environment,
        limit=_LONGEST_LINE,
    )
    try:
        last = await _told(process, on_line)
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        raise errors.Unavailable(
            f"{program.path.name} ended with code {code}: {' '.join(last) or 'in silence'}"
        )


async def _told(process: asyncio.subprocess.Process, on_line: Callable[[str], None]) -> list[str]:
    """The last lines that tell of a failure."""
    last: list[str] = []
    async for raw in process.stderr or ():
        line = raw.decode(errors="replace").strip()
        on_line(line)
        if "error:" in line:
            last = [*last, line[:_SHOWN_CHARACTERS]][-_LAST_LINES:]
    return last
