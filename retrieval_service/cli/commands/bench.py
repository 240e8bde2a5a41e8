"""`kladez bench`: the benchmarks of a source checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from retrieval_service.cli.failures import BadInput, Failed

ROOT = Path(__file__).parents[3]


def register(app: typer.Typer) -> None:
    app.command()(bench)


def bench(
    name: Annotated[str, typer.Argument(help="One benchmark. Default: all of them.")] = "",
) -> None:
    """Run the benchmarks; each prints a table."""
    chosen = choose(ROOT / "benchmarks", name)
    failed = [one for one in chosen if not _succeeds(one)]
    if failed:
        raise Failed(f"Did not succeed: {', '.join(failed)}.")


def choose(folder: Path, name: str) -> list[str]:
    """The names to run. Raises `BadInput` outside a source checkout and for an unknown name."""
    known = sorted(
        path.stem for path in folder.glob("*.py") if "__main__" in path.read_text(encoding="utf-8")
    )
    if not known:
        raise BadInput("There are no benchmarks here: they come with the source checkout, in `benchmarks/`.")
    if name and name not in known:
        raise BadInput(f"There is no benchmark {name!r}; there are {', '.join(known)}.")
    return [name] if name else known


def _succeeds(name: str) -> bool:
    """The script writes to our own terminal."""
    return subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT, check=False).returncode == 0  # noqa: S603 - names come from the folder's own files
