"""The documents say what is: generated pages are fresh, links lead somewhere, and nothing in them is invented."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from docs import generate
from docs.generators import code, settings
from docs.generators.markdown import cell
from tests.house.repository import (
    ROOT,
    command_lines,
    files,
    option_variables,
    rpc_methods,
    setting_names,
    text,
)

MOST_README_LINES = 150
# Read by the processes, by docker-compose.yml, and by nobody else.
ONLY_COMPOSE = {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_SERVICE_PASSWORD", "POSTGRES_DB"}
# In examples: the databases of sources, under names that an installation chooses, and a key of docker-compose.yml.
ONLY_EXAMPLES = {"KLADEZ_SOURCE_SHOP", "KLADEZ_CHROMIUM", "KLADEZ_DATA"}
VARIABLE = re.compile(r"(?<![\w…])(?:KLADEZ_[A-Z0-9_]*[A-Z0-9]|DATABASE_URL|OPENAI_[A-Z_]*[A-Z])(?![\w…])")
# Behind a backtick, or at the beginning of a line of a block, perhaps with a path or variables before it.
COMMAND = re.compile(r"(?:`|^(?:[A-Z_]+=\S+ |\.venv/bin/)*)(kladez(?: [a-z][a-z-]*)+)", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|mailto:|tel:)([^)\s]*)\)")

PAGES = sorted(
    str(name)
    for name in files()
    if name.suffix == ".md" and (name.parts[0] == "docs" or str(name) in ("README.md", "CONTRIBUTING.md"))
)
GENERATED = set(generate.PAGES)


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_generated_page_is_fresh(name: str) -> None:
    assert text(name) == generate.PAGES[name](), f"{name} is stale: run `make docs`"


def test_check_names_a_stale_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["generate", "--check"])
    assert generate.main() == 1


def test_a_setting_without_a_description_is_refused() -> None:
    class Undescribed(BaseSettings):
        bare: int = 1

    with pytest.raises(ValueError, match="bare"):
        settings.described(Undescribed)


def test_readme_is_short() -> None:
    assert len(text("README.md").splitlines()) <= MOST_README_LINES


@pytest.mark.parametrize("name", [*PAGES, "docker-compose.yml"])
def test_no_setting_is_invented(name: str) -> None:
    known = setting_names() | option_variables() | ONLY_COMPOSE | ONLY_EXAMPLES
    assert sorted(set(VARIABLE.findall(text(name))) - known) == []


@pytest.mark.parametrize("name", PAGES)
def test_no_command_is_invented(name: str) -> None:
    known = command_lines()
    groups = {words.rpartition(" ")[0] for words in known}
    told = {as_known(words, known) for words in COMMAND.findall(text(name))}
    assert sorted(told - known.keys() - groups) == []


def as_known(words: str, known: dict[str, object]) -> str:
    """The command at the beginning of a line, without arguments that look like words."""
    parts = words.split()
    for end in range(len(parts), 1, -1):
        if " ".join(parts[:end]) in known:
            return " ".join(parts[:end])
    return words


@pytest.mark.parametrize("words", ["kladez frobnicate", "kladez tenant frobnicate"])
def test_an_invented_command_is_recognised(words: str) -> None:
    [found] = COMMAND.findall(f"```sh\nKLADEZ_PORT=1 .venv/bin/{words} now\n```")
    assert as_known(found, command_lines()) not in command_lines()


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    broken = [link for link in LINK.findall(text(name)) if not leads_somewhere(ROOT / name, link)]
    assert broken == []


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return False
    return not anchor or anchor in anchors(target.read_text(encoding="utf-8"))


def anchors(page: str) -> set[str]:
    """The ids that headings get, on the site as in a repository's browser."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", one).strip().lower()) for one in headings}


def test_keys_page_says_what_each_scope_means() -> None:
    told = re.findall(r"^\| `([a-z:]+)` \|", text("docs/keys.md"), re.MULTILINE)
    assert told == list(code.SCOPES)


def test_contract_page_names_every_method() -> None:
    page = text("docs/reference/contract.md")
    assert [one.name for one in rpc_methods().values() if f"| `{one.name}` |" not in page] == []


def test_cells_keep_to_their_column() -> None:
    assert cell("a | b\nc") == "a \\| b c"


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="the extra `docs` is not installed")
def test_site_is_built_without_a_warning(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--site-dir",
        str(tmp_path / "site"),
    ]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
