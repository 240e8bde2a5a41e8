"""Ruff and basedpyright have nothing to say."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.house.repository import ROOT


@pytest.mark.parametrize(
    "arguments", [("ruff", "check"), ("ruff", "format", "--check"), ("basedpyright",)], ids=" ".join
)
def test_nothing_to_say(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", *arguments]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-8000:]
