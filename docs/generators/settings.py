"""docs/reference/settings.md and `.env.example`, from the fields of the settings."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic_settings import BaseSettings

from docs.generators import code, markdown

WIDTH = 110
NOT_SET = "not set"

# The first field of each section of the service's settings, in the order of the fields.
SERVICE_SECTIONS = {
    "database_url": "Database and data",
    "host": "Network",
    "key_requests_per_minute": "Limits and quotas",
    "embedder": "Embedding model",
    "next_embedder": "Second embedding model",
    "answerer": "Answers and summaries",
    "openai_api_key": "OpenAI",
    "document_bytes": "Indexing",
    "sql_source_prefix": "Sources and schedules",
    "log_level": "Logs",
}

INTRODUCTION = """
All settings are environment variables. The service and its workers also read a file `.env` in the folder where they
start. `.env.example` in the root of a checkout has all of them.

- A wrong setting is named when the program starts. Its value is never shown.
- An empty variable counts as not set, and hides its line in `.env`. The three `KLADEZ_SCHEDULE_…` are the exception:
  empty means never.
- *not set* means that there is no default. The description says what happens then.
"""

ENV_HEAD = """\
# Settings of the service, the gateway and the bot. Copy this file to .env and change what you need.
# Lines that are commented out show the default, or an example where there is none.
# An empty variable counts as not set, and hides its line in .env. Only the three KLADEZ_SCHEDULE_... mean something
# when they are empty: never.
# Written by `make docs` from the descriptions in the code.
"""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One environment variable, as people read of it."""

    name: str
    default: str
    description: str
    example: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """Settings that belong together."""

    title: str
    settings: list[Setting]


def settings_page() -> str:
    """The text of docs/reference/settings.md."""
    blocks = [INTRODUCTION]
    for group, sections in groups().items():
        blocks.append(f"## {group}")
        for section in sections:
            blocks += [f"### {section.title}"] if section.title else []
            blocks.append(setting_table(section.settings))
    return markdown.page("Settings", *blocks)


def setting_table(settings: Iterable[Setting]) -> str:
    rows = [(markdown.code(one.name), default_cell(one.default), one.description) for one in settings]
    return markdown.table(("variable", "default", "meaning"), rows)


def default_cell(default: str) -> str:
    return default if default in (NOT_SET, "required") else markdown.code(default)


def env_example() -> str:
    """The text of `.env.example`."""
    parts = [ENV_HEAD]
    for group, sections in groups().items():
        for section in sections:
            title = f"{group}: {section.title.lower()}" if section.title else group
            parts.append(f"# --- {title} ---\n")
            parts += [env_lines(one) for one in section.settings]
    return "\n".join(parts)


def env_lines(setting: Setting) -> str:
    """A comment with the description, then the variable with its default or an example."""
    words = setting.description.replace("`", "")
    lines = textwrap.wrap(words, WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    value = setting.example or ("" if setting.default in (NOT_SET, "required") else setting.default)
    return "".join(f"# {line}\n" for line in [*lines, f"{setting.name}={value}"])


def groups() -> dict[str, list[Section]]:
    """The sections of each program."""
    own_gateway, shared = split_shared(described(code.GATEWAY))
    own_bot, _ = split_shared(described(code.BOT))
    return {
        "Service and worker": service_sections(),
        "Gateway and bot": [Section(title="", settings=shared)],
        "Every client of the service": [Section(title="", settings=list(described(code.CLIENT).values()))],
        "Gateway": [Section(title="", settings=own_gateway)],
        "Bot": [Section(title="", settings=own_bot)],
    }


def service_sections() -> list[Section]:
    """Raises KeyError when a section begins with a field that does not exist."""
    found = described(code.SERVICE)
    starts = {found[field].name: title for field, title in SERVICE_SECTIONS.items()}
    sections: list[Section] = []
    for setting in found.values():
        if setting.name in starts:
            sections.append(Section(title=starts[setting.name], settings=[]))
        sections[-1].settings.append(setting)
    return sections


def split_shared(settings: dict[str, Setting]) -> tuple[list[Setting], list[Setting]]:
    """What a channel has for itself, and what both channels read."""
    both = described(code.GATEWAY).keys() & described(code.BOT).keys()
    own = [one for field, one in settings.items() if field not in both]
    return own, [one for field, one in settings.items() if field in both]


def described(settings: type[BaseSettings]) -> dict[str, Setting]:
    """The settings of a class by their fields. Raises ValueError when one has no description."""
    return {
        field: Setting(
            name=code.variable(settings, field, info.validation_alias),
            default="required" if info.is_required() else shown(info.default),
            description=info.description or missing(settings, field),
            example=str((info.examples or [""])[0]),
        )
        for field, info in settings.model_fields.items()
    }


def missing(settings: type[BaseSettings], field: str) -> str:
    raise ValueError(f"{settings.__module__}: the field {field} has no description")


def shown(default: Any) -> str:
    """A default as it would stand in the environment."""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    if isinstance(default, (int, str)) and default != "":
        return str(default)
    # What is made at the start, such as a folder below the home folder, is described in words.
    return NOT_SET
