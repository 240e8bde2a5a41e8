"""What the house tests look at: the repository's files, its settings, its commands and its contract."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kladez.v1
import typer
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from pydantic_settings import BaseSettings

import bot.config
import retrieval_service.client.tls
import retrieval_service.config
import widget_gateway.config
from retrieval_service.cli.main import app

ROOT = Path(__file__).parents[2]
SETTINGS: tuple[type[BaseSettings], ...] = (
    retrieval_service.config.Settings,
    bot.config.Settings,
    widget_gateway.config.Settings,
    retrieval_service.client.tls.TlsSettings,
)


def files() -> list[Path]:
    """Every file that is or would be committed, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = [Path(name) for name in listed.stdout.split("\0") if name]
    return [name for name in names if (ROOT / name).is_file()]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def setting_names() -> set[str]:
    """Every environment variable that a deployable or the client reads."""
    return {
        variable(settings, field, info.validation_alias)
        for settings in SETTINGS
        for field, info in settings.model_fields.items()
    }


def variable(settings: type[BaseSettings], field: str, alias: object) -> str:
    prefix = settings.model_config.get("env_prefix", "")
    return alias if isinstance(alias, str) else f"{prefix}{field}".upper()


def command_lines() -> dict[str, Any]:
    """Each command of `kladez` by the words that call it, groups themselves left out."""
    return dict(leaves("kladez", typer.main.get_command(app)))


def leaves(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    # Typer carries a click of its own, whose classes are private: a group is known by what it has.
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
        return
    for name, child in inner.items():
        yield from leaves(f"{words} {name}", child)


def option_variables() -> set[str]:
    """Environment variables that the command line itself reads."""
    parameters = list(typer.main.get_command(app).params)
    for command in command_lines().values():
        parameters += command.params
    return {str(parameter.envvar) for parameter in parameters if parameter.envvar}


def rpc_methods() -> dict[str, MethodDescriptor]:
    """Every method of our contract by its path on the wire."""
    names = [
        module.name for module in pkgutil.iter_modules(kladez.v1.__path__) if module.name.endswith("_pb2")
    ]
    return {
        path: method
        for name in names
        for path, method in methods_of(importlib.import_module(f"kladez.v1.{name}").DESCRIPTOR)
    }


def methods_of(file: FileDescriptor) -> Iterator[tuple[str, MethodDescriptor]]:
    for service in file.services_by_name.values():
        for method in service.methods:
            yield f"/{service.full_name}/{method.name}", method
