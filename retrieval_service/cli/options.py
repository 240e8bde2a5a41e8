"""What every command may be told, wherever it stands on the command line."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import typer

_WITH_VALUE = ("--address", "--key", "--key-file", "--tenant", "--data-dir")
_FLAGS = ("--json", "--debug")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Empty strings mean: not told, ask the profile. `names_tenant` says that --tenant stands on the command line."""

    address: str = ""
    key: str = field(default="", repr=False)
    tenant_id: str = ""
    names_tenant: bool = False
    as_json: bool = False
    data_dir: Path


def options_of(context: typer.Context) -> Options:
    return context.ensure_object(Options)


def hoisted(arguments: Sequence[str]) -> list[str]:
    """The same arguments with the global options first, so that `kladez search … --json` works too."""
    globals_first: list[str] = []
    others: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            others += [argument, *rest]
        elif argument in _WITH_VALUE:
            globals_first += [argument, *itertools.islice(rest, 1)]
        elif argument in _FLAGS or argument.split("=", 1)[0] in _WITH_VALUE:
            globals_first.append(argument)
        else:
            others.append(argument)
    return globals_first + others
