"""What the reference is made from: settings, commands, errors and the contract, as the code declares them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import kladez.v1
import typer
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from pydantic_settings import BaseSettings

import bot.config
import retrieval_service.client.tls
import retrieval_service.config
import widget_gateway.config
from retrieval_service import errors
from retrieval_service.api import pages, status
from retrieval_service.api.access import policies
from retrieval_service.cli.main import app
from retrieval_service.server import MOST_MESSAGE_BYTES

SERVICE = retrieval_service.config.Settings
CLIENT = retrieval_service.client.tls.TlsSettings
GATEWAY = widget_gateway.config.Settings
BOT = bot.config.Settings
SETTINGS: tuple[type[BaseSettings], ...] = (SERVICE, CLIENT, GATEWAY, BOT)

POLICIES = policies.POLICIES
SCOPES = policies.SCOPES
MOST_PAGE_BYTES = pages.MOST_BYTES

__all__ = ["MOST_MESSAGE_BYTES", "MOST_PAGE_BYTES", "POLICIES", "SCOPES", "SETTINGS"]


def setting_names() -> set[str]:
    """Every environment variable that a deployable or the client reads."""
    return {
        variable(settings, field, info.validation_alias)
        for settings in SETTINGS
        for field, info in settings.model_fields.items()
    }


def variable(settings: type[BaseSettings], field: str, alias: object) -> str:
    """The environment variable of a field."""
    prefix = settings.model_config.get("env_prefix", "")
    return alias if isinstance(alias, str) else f"{prefix}{field}".upper()


def command_lines() -> dict[str, Any]:
    """Each command of `kladez` by the words that call it. Groups are left out."""
    return dict(leaves("kladez", root_command()))


def root_command() -> Any:
    """The command `kladez` itself, with the options that every command takes."""
    return typer.main.get_command(app)


def leaves(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    """The commands below one that have no commands below them."""
    # Typer carries a click of its own, whose classes are private: a group is known by what it has.
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
        return
    for name, child in inner.items():
        yield from leaves(f"{words} {name}", child)


def option_variables() -> set[str]:
    """Environment variables that the command line itself reads."""
    parameters = list(root_command().params)
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
    """The methods that one file of a contract declares, by their paths on the wire."""
    for service in file.services_by_name.values():
        for method in service.methods:
            yield f"/{service.full_name}/{method.name}", method


def error_classes() -> dict[str, type[errors.KladezError]]:
    """The highest class of each reason that a client may see, by the reason."""
    found: dict[str, type[errors.KladezError]] = {}
    for kind in with_subclasses(errors.KladezError):
        if kind.__module__ == errors.__name__:  # the command line has classes of its own
            found.setdefault(kind.reason, kind)
    return found


def with_subclasses(kind: type[errors.KladezError]) -> Iterator[type[errors.KladezError]]:
    """A class of errors and every class below it."""
    yield kind
    for below in kind.__subclasses__():
        yield from with_subclasses(below)


def code_name(kind: type[errors.KladezError]) -> str:
    """The gRPC status of a class of errors."""
    return next(status.CODES[one].name for one in kind.__mro__ if one in status.CODES)
