"""`kladez schedule list` and `kladez sync run`: what happens by the clock, shown and done by hand."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval_service.cli import logs, output
from retrieval_service.cli.commands.service import Migrates, dsn_of, settings_of
from retrieval_service.cli.options import options_of

if TYPE_CHECKING:
    from retrieval_service.services.operations.schedules import Standing
    from retrieval_service.worker.timetable import Drained

# Each command imports what it runs by itself, as in `operating`.

app = typer.Typer(help="What happens by the clock.", no_args_is_help=True)
sync = typer.Typer(help="Bring everything up to date by hand.", no_args_is_help=True)


# Typer makes the only command of a group the group itself, unless there is a callback.
@app.callback()
def schedule_group() -> None:
    """What happens by the clock; times are in UTC."""


@sync.callback()
def sync_group() -> None:
    """See the queue and the provider's copy, and bring everything up to date by hand."""


@app.command("list")
def list_schedules(context: typer.Context) -> None:
    """List the schedules with their next and last run."""
    from retrieval_service.worker import timetable

    options = options_of(context)
    settings = settings_of(options, migrates=False)
    found = asyncio.run(timetable.standings(settings, dsn_of(options, settings)))
    if options.as_json:
        output.json_value([_as_json(one) for one in found])
        return
    rows = [_row(one) for one in found]
    output.table(("schedule", "cron", "next run", "last run", "went wrong"), rows)


@sync.command()
def run(
    context: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="Do what is due and end; without it, use `kladez work`.")
    ] = False,
    migrates: Migrates = False,
) -> None:
    """Do what is due by the clock, index what waits and bring it to OpenAI; exits with 1 when something failed."""
    from retrieval_service.worker import timetable

    if not once:
        raise typer.BadParameter("give --once; `kladez work` runs until it is stopped")
    options = options_of(context)
    settings = settings_of(options, migrates=migrates)
    logs.configure(settings)
    drained = asyncio.run(timetable.drain(settings, dsn_of(options, settings)))
    _print(drained, as_json=options.as_json)
    if not drained.ok:
        raise typer.Exit(1)


def _print(drained: Drained, *, as_json: bool) -> None:
    if as_json:
        runs = [{"name": one.name, "error": one.error} for one in drained.runs]
        output.json_value({"ok": drained.ok, "runs": runs, "failed_count": drained.failed_count})
        return
    for one in drained.runs:
        output.line(f"{one.name}: {one.error or 'ok'}")
    output.line(f"Documents that could not be brought up to date: {drained.failed_count:,}.")


def _as_json(standing: Standing) -> dict[str, object]:
    last = standing.last
    return {
        "name": standing.name,
        "cron": standing.cron,
        "next_at": _time(standing.next_at),
        "last": {key: _time(value) for key, value in asdict(last).items()} if last else None,
    }


def _row(standing: Standing) -> tuple[str, ...]:
    last = standing.last
    ran = _time(last.started_at) if last else "never"
    return (
        standing.name,
        standing.cron or "off",
        _time(standing.next_at) or "never",
        ran,
        last.error if last else "",
    )


def _time(value: datetime | str | None) -> str:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value or ""
