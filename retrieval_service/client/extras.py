"""The three programs: each says in one line which extra it needs, instead of a traceback, when that is missing."""

from __future__ import annotations

import importlib
import sys
from typing import NoReturn

DISTRIBUTION = "kladez"


def command_line() -> None:
    """The command `kladez`."""
    start("kladez", "service", "retrieval_service.cli.main")


def bot() -> None:
    """The command `kladez-bot`."""
    start("kladez-bot", "bot", "bot.app")


def gateway() -> None:
    """The command `kladez-gateway`."""
    start("kladez-gateway", "gateway", "widget_gateway.app")


def start(program: str, extra: str, module: str) -> None:
    """Runs `main` of the module, whose packages come with the extra."""
    try:
        main = importlib.import_module(module).main
    except ModuleNotFoundError as error:
        say_missing(program, extra, error)
    main()


def say_missing(program: str, extra: str, error: ModuleNotFoundError) -> NoReturn:
    """A module of ours that is missing is a mistake of ours, and stays a traceback."""
    if (error.name or "").split(".", 1)[0] in {"retrieval_service", "bot", "widget_gateway", "kladez"}:
        raise error
    raise SystemExit(
        f"{program}: the package {error.name} is missing; pip install '{DISTRIBUTION}[{extra}]' brings it"
    ) from None


if __name__ == "__main__":
    # As `kladez up` starts its parts.
    {"bot": bot, "gateway": gateway}[sys.argv[1]]()
