"""`kladez serve`, `work`, `migrate`, `operator-key`, `doctor`: running parts by hand, and seeing what is missing."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from retrieval_service import config, errors
from retrieval_service.cli import logs, output, private_files
from retrieval_service.cli.failures import BadInput
from retrieval_service.cli.options import Options, options_of
from retrieval_service.config import Settings
from retrieval_service.postgres.embedded import running_dsn

Migrates = Annotated[
    bool, typer.Option("--migrate", help="Bring the schema forward first. Also: KLADEZ_MIGRATE=true.")
]

# Each command imports what it runs by itself: the server loads models, the others would wait for nothing.


def register(app: typer.Typer) -> None:
    for command in (serve, work, migrate, doctor):
        app.command()(command)
    app.command("operator-key")(operator_key)


def serve(context: typer.Context, migrates: Migrates = False) -> None:
    """Run the gRPC service, with a worker inside unless KLADEZ_WORKERS is 0."""
    from retrieval_service import server
    from retrieval_service.api import tls

    options, settings = _read(context, migrates=migrates)
    logs.configure(settings)
    tls.credentials(
        settings
    )  # read again to be used: a mistake is told before anything is done to a database
    _run_long(server.serve(settings, dsn_of(options, settings), on_ready=_say_ready(settings.host)))


def work(context: typer.Context, migrates: Migrates = False) -> None:
    """Run a worker that keeps the index up to date."""
    from retrieval_service import server

    options, settings = _read(context, migrates=migrates)
    logs.configure(settings)
    _run_long(server.work(settings, dsn_of(options, settings)))


def migrate(
    context: typer.Context,
    to: Annotated[str, typer.Option(help="Bring the schema forward to this revision.")] = "head",
    down: Annotated[
        str | None, typer.Option(help='Take it back to this revision; "base" removes all data.')
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="Only tell where the schema stands.")] = False,
) -> None:
    """Bring the database's schema forward, or back."""
    options, settings = _read(context)
    logs.configure(settings)
    if down is not None and (to != "head" or status):
        raise typer.BadParameter("--down goes neither with --to nor with --status")
    dsn, admin_dsn = dsn_of(options, settings), admin_dsn_of(settings)
    asyncio.run(_migrate(dsn, admin_dsn, to, down, only_status=status))
    _print_schema(options, *asyncio.run(_schema(admin_dsn or dsn)))


def operator_key(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="What the key is called in listings.")] = "operator",
    to: Annotated[
        Path | None,
        typer.Option(help="Write the key into this file, for its owner alone, and print nothing."),
    ] = None,
) -> None:
    """Make a key that administers tenants, straight in the database: the first key of an installation."""
    from retrieval_service.services.tenants import first_key

    options, settings = _read(context)
    secret = asyncio.run(
        first_key.mint_key(dsn_of(options, settings), scopes=("operator",), display_name=name)
    )
    if to is not None:
        private_files.write_secret(to, secret)
        output.note(f"The key is in {to}; `--key-file {to}` uses it.")
    elif options.as_json:
        output.json_value({"secret": secret})
    else:
        output.line(secret)


def doctor(context: typer.Context) -> None:
    """Check everything the service needs and say what to do about what is missing."""
    from retrieval_service.services.operations import doctor_checks

    options, settings = _read(context)
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # the findings say it once and better
    findings = asyncio.run(doctor_checks.examine(settings, dsn_of(options, settings)))
    if options.as_json:
        output.json_value(
            [{"name": one.name, "ok": one.ok, "detail": one.detail, "remedy": one.remedy} for one in findings]
        )
    else:
        rows = [("ok" if one.ok else "PROBLEM", one.name, one.detail, one.remedy) for one in findings]
        output.table(("", "part", "state", "what to do"), rows)
    if not all(one.ok for one in findings):
        raise typer.Exit(1)


def dsn_of(options: Options, settings: Settings) -> str:
    """DATABASE_URL, or the embedded database that `kladez up` runs on the data folder now."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    dsn = running_dsn(options.data_dir)
    if dsn is None:
        raise errors.Unavailable(
            f"There is no database: set DATABASE_URL, or run `kladez up`, which brings its own "
            f"(none runs on {options.data_dir})."
        )
    return dsn


def admin_dsn_of(settings: Settings) -> str | None:
    """Who may make roles and extensions, where that is not the role of DATABASE_URL."""
    return settings.admin_database_url.get_secret_value() if settings.admin_database_url else None


def _read(context: typer.Context, *, migrates: bool = False) -> tuple[Options, Settings]:
    options = options_of(context)
    return options, settings_of(options, migrates=migrates)


def settings_of(options: Options, *, migrates: bool) -> Settings:
    """A database of our own is brought forward by whoever comes first; another one by whoever is told to."""
    settings = config.load()
    told = migrates or settings.migrate or settings.database_url is None
    return settings.model_copy(update={"data_dir": options.data_dir, "migrate": told})


def _run_long(process: Coroutine[Any, Any, None]) -> None:
    """On uvloop, where there is one, for processes that serve for long."""
    if sys.platform == "win32":
        asyncio.run(process)
    else:
        import uvloop

        uvloop.run(process)


def _say_ready(host: str) -> Callable[[int], None]:
    return lambda port: output.note(f"The service listens on {host}:{port}.")


async def _migrate(dsn: str, admin_dsn: str | None, to: str, down: str | None, *, only_status: bool) -> None:
    from retrieval_service.stores.schema import schema

    if down is not None:
        await schema.downgrade(admin_dsn or dsn, known_revision(down))
    elif not only_status:
        await schema.upgrade(dsn, known_revision(to), admin_dsn=admin_dsn)


def known_revision(name: str) -> str:
    """The name itself. Raises `BadInput` when this program has no such revision."""
    from retrieval_service.stores.schema import schema

    files = sorted((schema.MIGRATIONS / "versions").glob("[0-9]*.py"))
    known = ["base", *(file.stem.split("_", 1)[0] for file in files), "head"]
    if name not in known:
        raise BadInput(f"There is no revision {name!r}; there are {', '.join(known)}.")
    return name


async def _schema(dsn: str) -> tuple[str, str]:
    from retrieval_service.stores.schema import schema

    return await schema.current(dsn), await asyncio.to_thread(schema.head)


def _print_schema(options: Options, current: str, head: str) -> None:
    if options.as_json:
        output.json_value({"current": current, "head": head, "is_current": current == head})
    elif current == head:
        output.line(f"The schema is at {current}, the newest revision.")
    else:
        output.line(f"The schema is at {current or 'nothing'}; the newest revision is {head}.")
