"""What the house tests look at: the repository's files, its settings, its commands and its contract."""

from __future__ import annotations

import subprocess
from pathlib import Path

from docs.generators.code import (
    command_lines,
    methods_of,
    option_variables,
    rpc_methods,
    setting_names,
)

__all__ = ["command_lines", "methods_of", "option_variables", "rpc_methods", "setting_names"]

ROOT = Path(__file__).parents[2]


def files() -> list[Path]:
    """Every file that is or would be committed, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = [Path(name) for name in listed.stdout.split("\0") if name]
    return [name for name in names if (ROOT / name).is_file()]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")
