"""The generated code is what the protos say, and the protos are what buf likes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.repository import ROOT

BUF = ROOT / "tests" / "e2e" / "node_modules" / ".bin" / "buf"


def main_has_protos() -> bool:
    command = ["git", "rev-parse", "--verify", "--quiet", "main:protos"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


def test_generated_code_is_fresh() -> None:
    checked = run(Path(sys.executable), "protos/generate.py", "--check")
    assert checked.returncode == 0, checked.stderr


def test_buf_finds_nothing_to_say() -> None:
    linted = run(BUF, "lint", "protos")
    assert linted.returncode == 0, linted.stdout


def test_protos_are_formatted() -> None:
    formatted = run(BUF, "format", "protos", "--diff", "--exit-code")
    assert formatted.returncode == 0, formatted.stdout


@pytest.mark.skipif(not main_has_protos(), reason="main holds no contract yet that could be broken")
def test_contract_breaks_no_client_of_main() -> None:
    compared = run(BUF, "breaking", "protos", "--against", ".git#branch=main,subdir=protos")
    assert compared.returncode == 0, compared.stdout + compared.stderr


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # protoc looks for its plugins on the path.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [str(program), *arguments]
    environment = {**os.environ, "PATH": path}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
