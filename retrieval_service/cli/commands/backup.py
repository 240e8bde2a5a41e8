"""`kladez backup` and `kladez restore`: the whole database in a file, and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, TaskID

from retrieval_service import errors
from retrieval_service.cli import logs, output
from retrieval_service.cli.commands.service import admin_dsn_of, settings_of
from retrieval_service.cli.options import Options, options_of
from retrieval_service.cli.up import parts
from retrieval_service.config import Settings
from retrieval_service.postgres.embedded import running_dsn
from retrieval_service.postgres.folder import DataFolder

if TYPE_CHECKING:
    from retrieval_service.domain.operations.backups import Manifest
    from retrieval_service.services.operations.restoration import Restored


def register(app: typer.Typer) -> None:
    app.command()(backup)
    app.command()(restore)


def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A new file; its manifest FILE.json comes to lie beside it.")],
) -> None:
    """Write the whole database into a file, while everything goes on."""
    options = options_of(context)
    settings = settings_of(options, migrates=False)
    logs.configure(settings)
    _print_backup(options, file, asyncio.run(_back_up(options, settings, file.absolute())))


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="As `kladez backup` wrote it, with its manifest.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove what the database holds first, all of it.")
    ] = False,
) -> None:
    """Put a backup into an empty database, check it, and bring the schema forward."""
    options = options_of(context)
    settings = settings_of(options, migrates=False)
    logs.configure(settings)
    _print_restored(options, asyncio.run(_restore(options, settings, file.absolute(), replaces=replace)))


async def _back_up(options: Options, settings: Settings, file: Path) -> Manifest:
    from retrieval_service.services.operations import backup_files  # loads the whole database layer

    # Before a database is started for it.
    await asyncio.to_thread(backup_files.require_room, file)
    with output.progress() as display:
        bar = _Bar(display, "Backing up")
        async with _database(options, settings, creates=False) as dsn:
            by = admin_dsn_of(settings) or dsn
            return await backup_files.back_up(by, file, on_tables=bar.begin, on_table=bar.step)


async def _restore(options: Options, settings: Settings, file: Path, *, replaces: bool) -> Restored:
    from retrieval_service.services.operations import backup_files, restoration

    await asyncio.to_thread(backup_files.glance_at, file)
    with output.progress() as display:
        bar = _Bar(display, "Restoring")
        async with _database(options, settings, creates=True) as dsn:
            return await restoration.restore(
                dsn,
                admin_dsn_of(settings),
                file,
                replaces=replaces,
                on_tables=bar.begin,
                on_table=bar.step,
            )


class _Bar:
    """Progress by tables."""

    def __init__(self, display: Progress, description: str) -> None:
        self._display = display
        self._task: TaskID = display.add_task(description, total=None)

    def begin(self, total: int) -> None:
        self._display.update(self._task, total=total)

    def step(self) -> None:
        self._display.advance(self._task)


@asynccontextmanager
async def _database(options: Options, settings: Settings, *, creates: bool) -> AsyncIterator[str]:
    """DATABASE_URL, the embedded database that runs, or the one that lies in the data folder, started for us."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    running = await asyncio.to_thread(running_dsn, options.data_dir)
    if running is not None:
        yield running
        return
    if not creates and not DataFolder.at(options.data_dir).cluster.exists():
        raise errors.Unavailable(f"There is no database in {options.data_dir}, and DATABASE_URL is not set.")
    async with parts.server(options.data_dir, None) as dsn:
        yield dsn


def _print_backup(options: Options, file: Path, manifest: Manifest) -> None:
    if options.as_json:
        output.json_value({"file": str(file), **asdict(manifest)})
        return
    standing = manifest.standing
    output.line(
        f"{file}: {manifest.row_count:,} rows of {len(standing.rows)} tables, {manifest.byte_count:,} bytes"
    )
    output.line(
        f"schema {standing.revision}, Postgres {standing.server_version // 10_000}, sha256 {manifest.sha256}"
    )


def _print_restored(options: Options, restored: Restored) -> None:
    manifest = restored.manifest
    if options.as_json:
        output.json_value(
            {
                "rows": manifest.row_count,
                "made_at": manifest.made_at,
                "revision": restored.revision,
                "problems": list(restored.problems),
            }
        )
        return
    output.line(
        f"{manifest.row_count:,} rows as they were on {manifest.made_at}; the schema is at {restored.revision}."
    )
    for problem in restored.problems:
        output.note(problem)
