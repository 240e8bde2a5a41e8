"""The three programs, installed without the extra that they need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval_service.client import extras

ROOT = Path(__file__).parents[3]
# What no base installation has, by program and extra.
NEEDED = {
    "kladez": ("service", "typer"),
    "kladez-bot": ("bot", "telegram"),
    "kladez-gateway": ("gateway", "aiohttp"),
}
FUNCTIONS = {"kladez": "command_line", "kladez-bot": "bot", "kladez-gateway": "gateway"}
BLOCK = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
from retrieval_service.client import extras
extras.{function}()
"""


@pytest.mark.parametrize("program", NEEDED)
def test_missing_extra_is_named_in_one_line(program: str, tmp_path: Path) -> None:
    extra, package = NEEDED[program]
    code = BLOCK.format(package=package, function=FUNCTIONS[program])
    paths = os.pathsep.join([str(ROOT), str(ROOT / "protos" / "gen")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(f"{program}: the package {package} is missing; pip install 'kladez[{extra}]'")


def test_mistake_of_ours_stays_a_traceback() -> None:
    with pytest.raises(ModuleNotFoundError):
        extras.start("kladez", "service", "retrieval_service.no_such_module")


def test_every_program_of_the_distribution_goes_through_it() -> None:
    scripts = {name: f"retrieval_service.client.extras:{function}" for name, function in FUNCTIONS.items()}
    text = (ROOT / "pyproject.toml").read_text()
    assert [line for line in scripts.items() if f'{line[0]} = "{line[1]}"' not in text] == []
