"""The forbidden arrows of the architecture, as import-linter reads them from pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house.repository import ROOT, text

LINT = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo", "--config"]

CONTRACTS = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]

# One import that each contract must refuse: where it would stand, and the line.
TRESPASSES = {
    "the wire never touches the tables": (
        "retrieval_service/api/paging.py",
        "import retrieval_service.stores.documents.documents",
    ),
    "bot and gateway know of the service its client and the pages for operators only": (
        "bot/limits.py",
        "import retrieval_service.errors",
    ),
    "the client installs without the service": ("retrieval_service/client/calls.py", "import numpy"),
    "the pages for operators know no part": ("retrieval_service/monitoring/pages.py", "import grpc"),
    "bot and gateway do not know each other": ("widget_gateway/limits.py", "import bot.limits"),
    "only the stores speak SQL; migrations are run by them": (
        "retrieval_service/services/retrieval/search.py",
        "import psycopg",
    ),
    "only providers.openai speaks to OpenAI": ("retrieval_service/composition/opening.py", "import openai"),
    "only the edge speaks gRPC": ("bot/streaming.py", "import grpc"),
    "what decides is pure": ("retrieval_service/domain/retrieval/fusion.py", "import time"),
    "floors: imports go down": ("retrieval_service/errors.py", "import retrieval_service.metrics"),
    "rooms of the services: imports go down": (
        "retrieval_service/services/usage.py",
        "import retrieval_service.services.tenants.tenants",
    ),
    "rooms of the domain: imports go down": (
        "retrieval_service/domain/verdicts.py",
        "import retrieval_service.domain.summaries.shape",
    ),
    "rooms of the text tools: imports go down": (
        "retrieval_service/text/invisible.py",
        "import retrieval_service.text.words",
    ),
    "rooms of the stores: imports go down": (
        "retrieval_service/stores/lock_waits.py",
        "import retrieval_service.stores.database",
    ),
    "no cycles": (
        "retrieval_service/domain/retrieval/fusion.py",
        "import retrieval_service.services.retrieval.search",
    ),
}


def test_every_contract_is_kept() -> None:
    found = lint(ROOT)
    assert found.returncode == 0, found.stdout


def test_every_contract_has_a_trespass_that_proves_it() -> None:
    assert {contract["name"] for contract in CONTRACTS} == set(TRESPASSES)


@pytest.fixture(scope="module")
def lawless(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter says of a copy that commits every trespass."""
    folder = tmp_path_factory.mktemp("lawless")
    copied_to(folder)
    for file, line in TRESPASSES.values():
        with (folder / file).open("a", encoding="utf-8") as module:
            module.write(f"\n{line}\n")
    return lint(folder).stdout


@pytest.mark.parametrize("name", TRESPASSES)
def test_contract_refuses_its_trespass(name: str, lawless: str) -> None:
    assert f"{name} BROKEN" in lawless


def copied_to(folder: Path) -> None:
    """The packages' Python, which is all that the linter reads."""
    for package in ("retrieval_service", "bot", "widget_gateway"):
        for source in (ROOT / package).rglob("*.py"):
            target = folder / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    (folder / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [*LINT, str(folder / "pyproject.toml")]
    environment = {"PYTHONPATH": str(folder), "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
