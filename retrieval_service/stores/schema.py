"""The database's schema: brings it forward and back with Alembic, and tells where it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from retrieval_service import errors

MIGRATIONS = Path(__file__).parent.parent / "migrations"

# One migration at a time, however many services start together; the number is arbitrary.
MIGRATION_LOCK = 6_172_634


async def upgrade(dsn: str, revision: str = "head") -> None:
    """Brings the schema forward; does nothing when it is there already."""
    await asyncio.to_thread(_run, dsn, lambda config: command.upgrade(config, revision))


async def downgrade(dsn: str, revision: str) -> None:
    """Takes the schema back to a revision; "base" removes everything, data included."""
    await asyncio.to_thread(_run, dsn, lambda config: command.downgrade(config, revision))


async def current(dsn: str) -> str:
    """The revision the database is at, "" when it is empty."""
    return await asyncio.to_thread(_current, dsn)


def head() -> str:
    """The newest revision this program knows."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head() or ""


def _run(dsn: str, action: Callable[[Config], None]) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with _connected(dsn) as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK:d})")
        config.attributes["connection"] = connection
        action(config)
        connection.commit()


def _current(dsn: str) -> str:
    with _connected(dsn) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "schema_version"})
        return context.get_current_revision() or ""


def _connected(dsn: str) -> Connection:
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=NullPool)
    try:
        return engine.connect()
    except DBAPIError as error:
        raise errors.Unavailable("the database does not answer; is DATABASE_URL right?") from error
