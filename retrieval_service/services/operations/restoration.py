"""Puts a backup into a database, compares the two, closes it and brings its schema forward."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from retrieval_service import errors
from retrieval_service.domain.operations.backups import Manifest, Standing, Unusable, differing
from retrieval_service.postgres import tools
from retrieval_service.postgres.tools import Program, Target
from retrieval_service.services.operations.backup_files import read_manifest, target_of
from retrieval_service.stores.access import securing
from retrieval_service.stores.schema import census, schema

TABLE_BEGINS = "processing data for table"


class NotEmpty(errors.KladezError):
    """The database holds something already."""

    reason = "NOT_EMPTY"


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What came of it: `problems` are what only a person can mend, and need not keep the service from working."""

    manifest: Manifest
    revision: str
    problems: Sequence[str]


async def restore(
    dsn: str,
    admin_dsn: str | None,
    file: Path,
    *,
    replaces: bool,
    on_tables: Callable[[int], None],
    on_table: Callable[[], None],
) -> Restored:
    """Everything that can be wrong is looked for before anything is changed.

    Raises `Unusable` for a damaged backup or one of a newer program, `NotEmpty` unless the database is empty or may
    be replaced, and `errors.KladezError` when what was restored is not what was backed up.
    """
    manifest = await asyncio.to_thread(read_manifest, file)
    await asyncio.to_thread(_require_known, manifest.standing.revision)
    by = admin_dsn or dsn
    program, target = await _ready(by, manifest, replaces=replaces)
    on_tables(len(manifest.standing.rows))
    await _fill(program, target, file, on_table)
    await _compare(by, manifest.standing)
    await schema.upgrade(dsn, admin_dsn=admin_dsn)
    await _compare_access(by, manifest.standing)
    left = (await securing.compared(dsn)).differences
    return Restored(manifest=manifest, revision=await schema.current(by), problems=[str(one) for one in left])


def _require_known(revision: str) -> None:
    if schema.is_newer(revision):
        raise Unusable(
            f"the backup is of schema {revision}, which this program does not know: its newest is "
            f"{schema.head()}. Restore it with the newer Kladez."
        )


async def _ready(by: str, manifest: Manifest, *, replaces: bool) -> tuple[Program, Target]:
    """An empty database with the roles and the extension that the backup names."""
    target, backed_up = target_of(by), manifest.standing
    async with census.connected(by) as connection:
        release = connection.info.server_version // 10_000
        if release < backed_up.server_version // 10_000:
            raise Unusable(
                f"the backup is of Postgres {backed_up.server_version // 10_000}, and the server is of {release}"
            )
        wanted = max(release, manifest.tool_release)
        program = await tools.find("pg_restore", release=wanted, needs_tls=target.needs_tls)
        tables = await census.present(connection, list(backed_up.rows))
        if tables and not replaces:
            raise NotEmpty(
                f"The database holds {len(tables)} tables already, {tables[0]} for one. "
                "--replace removes them with all their rows and puts the backup in their place."
            )
        others = await census.sessions(connection)
        if others:
            raise errors.Misconfigured(
                f"Others use the database ({', '.join(others)}): stop every service and worker."
            )
        await securing.make_groups(connection)
        await census.make_extension(connection)
        await census.empty(connection, tables, list(backed_up.functions))
    return program, target


async def _fill(program: Program, target: Target, file: Path, on_table: Callable[[], None]) -> None:
    """All of it or nothing. Owners and rights are not taken from the backup: they are declared."""
    arguments = [
        "--verbose",
        "--no-owner",
        "--no-privileges",
        "--single-transaction",
        "--exit-on-error",
        str(file),
    ]
    await tools.run(
        program, arguments, target, on_line=lambda line: on_table() if TABLE_BEGINS in line else None
    )


async def _compare(by: str, backed_up: Standing) -> None:
    async with census.connected(by) as connection:
        now = await census.standing(connection)
        wrong = differing(backed_up.rows, now.rows)
        if wrong or now.revision != backed_up.revision:
            raise Unusable(f"the database is not what was backed up: {'; '.join(wrong) or now.revision}")
        await census.analyze(connection, list(now.rows))


async def _compare_access(by: str, backed_up: Standing) -> None:
    """What was closed must be closed again, also when the schema has more tables now."""
    async with census.connected(by) as connection:
        now = await census.standing(connection)
    reopened = set(backed_up.closed_tables) - set(now.closed_tables)
    fewer = now.policy_count < backed_up.policy_count or now.grant_count < backed_up.grant_count
    if reopened or (fewer and now.revision == backed_up.revision):
        raise errors.Misconfigured(
            f"The rows are there, and not closed as they were: {now.policy_count} policies of "
            f"{backed_up.policy_count}, open: {', '.join(sorted(reopened)) or 'none'}. Run `kladez doctor`."
        )
