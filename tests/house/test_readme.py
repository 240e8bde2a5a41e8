"""README and its kin name what exists, all of it, and nothing else."""

from __future__ import annotations

import itertools
import re
import tomllib

import pytest

from tests.house.repository import ROOT, command_lines, option_variables, rpc_methods, setting_names, text

# Read by the processes, by docker-compose.yml, and by nobody else.
ONLY_COMPOSE = {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"}
VARIABLE = re.compile(r"\b(?:KLADEZ_[A-Z0-9_]*[A-Z0-9]|DATABASE_URL|OPENAI_[A-Z_]*[A-Z])\b")


def test_readme_names_every_setting() -> None:
    assert sorted(setting_names() - quoted(text("README.md"))) == []


def test_env_example_explains_every_setting() -> None:
    lines = text(".env.example").splitlines()
    explained = {
        re.sub(r"^# ?|=.*", "", line)
        for before, line in itertools.pairwise(lines)
        if is_setting(before, line)
    }
    assert sorted(setting_names() - explained) == []


@pytest.mark.parametrize(
    "name", ["README.md", ".env.example", "docker-compose.yml", "docs/troubleshooting.md"]
)
def test_no_setting_is_invented(name: str) -> None:
    assert sorted(set(VARIABLE.findall(text(name))) - setting_names() - option_variables()) == []


def test_compose_sets_only_what_is_read() -> None:
    names = set(re.findall(r"^ {6}([A-Z][A-Z0-9_]+):", text("docker-compose.yml"), re.MULTILINE))
    assert "KLADEZ_SERVICE_ADDRESS" in names
    assert sorted(names - setting_names() - ONLY_COMPOSE) == []


def test_compose_gives_the_superuser_to_nobody_but_the_migration() -> None:
    services = re.split(r"^  (?=\w+:$)", text("docker-compose.yml"), flags=re.MULTILINE)
    told = {one.split(":", 1)[0] for one in services if "${POSTGRES_PASSWORD" in one}
    assert told == {"postgres", "migrate"}


def test_readme_names_every_command() -> None:
    assert sorted(command_lines().keys() - quoted(text("README.md"))) == []


def test_readme_invents_no_command() -> None:
    known = command_lines()
    called = re.findall(r"^\| `(kladez[a-z -]*?)`", text("README.md"), re.MULTILINE)
    assert called
    assert [words for words in called if words not in known] == []


def test_readme_names_every_rpc() -> None:
    wanted = {
        name for method in rpc_methods().values() for name in (method.name, method.containing_service.name)
    }
    assert sorted(wanted - quoted(text("README.md"))) == []


def test_readme_names_every_program() -> None:
    scripts = tomllib.loads(text("pyproject.toml"))["project"]["scripts"]
    assert sorted(scripts.keys() - quoted(text("README.md"))) == []


def test_readme_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text("README.md"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def is_setting(before: str, line: str) -> bool:
    """A variable, commented out or not, with a comment above it that says what it does."""
    return re.match(r"#? ?[A-Z][A-Z0-9_]+=", line) is not None and re.match(r"# [^=]+$", before) is not None


def quoted(page: str) -> set[str]:
    """What stands between backticks."""
    return set(re.findall(r"`([^`\n]+)`", page))
