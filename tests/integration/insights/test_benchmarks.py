"""The benchmarks run, each in its smallest size; what they measure then means nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.reporting import Figure, at_least, at_most, bar_text

ROOT = Path(__file__).parents[3]
NAMES = sorted(
    path.stem
    for path in (ROOT / "benchmarks").glob("[a-z]*.py")
    if "BENCHMARK = " in path.read_text(encoding="utf-8")
)


def quick(name: str) -> str:
    """What the benchmark prints as JSON."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "protos" / "gen")))}
    command = [sys.executable, "-m", f"benchmarks.{name}", "--quick", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_benchmark_runs_and_reports_every_figure(name: str) -> None:
    figures = json.loads(quick(name))["figures"]
    assert figures
    assert all(figure["what"] and figure["value"] >= 0 for figure in figures if figure["unit"] != "ms")


def test_every_benchmark_is_in_the_table_of_all() -> None:
    listed = (ROOT / "benchmarks" / "__main__.py").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"{name}.BENCHMARK" not in listed] == []


def test_every_benchmark_is_explained_in_the_readme() -> None:
    readme = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"`{name}`" not in readme] == []


def test_missed_bar_is_told_and_a_reached_one_is_not() -> None:
    slow = Figure(what="search", value=2.0, unit="ms", bar=at_most(1.0))
    exact = Figure(what="recall", value=0.99, bar=at_least(0.98))
    assert bar_text(slow) == "≤ 1 ms  missed"
    assert bar_text(exact) == "≥ 0.98"
