"""The database's schema: brings it forward and back with Alembic, and tells where it stands.

Each migration is a transaction of its own. It waits only shortly for a lock, so that nobody waits behind it, and
is begun again until it gets through.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from retrieval_service import errors
from retrieval_service.stores.access import securing
from retrieval_service.stores.failures import told_apart, unavailable_when_lost
from retrieval_service.stores.lock_waits import IN_THE_WAY, SHORT_WAITS, given_up, pauses

log = structlog.get_logger("kladez.schema")

MIGRATIONS = Path(__file__).parents[2] / "migrations"


async def upgrade(
    dsn: str, revision: str = "head", *, admin_dsn: str | None = None, scripts: Path = MIGRATIONS
) -> None:
    """Brings the schema forward, and at the newest revision roles, policies and grants to what is declared.

    `admin_dsn` is who may make extensions and roles; without it the role of the DSN has to.
    """
    by = admin_dsn or dsn
    await securing.require_harmless_settings(by)
    await asyncio.to_thread(_run, by, lambda config: command.upgrade(config, revision), scripts)
    if await current(by) == await asyncio.to_thread(head, scripts):
        await securing.ensure(dsn, admin_dsn)


async def downgrade(dsn: str, revision: str, *, scripts: Path = MIGRATIONS) -> None:
    """Takes the schema back to a revision; "base" removes everything, data included."""
    await asyncio.to_thread(_run, dsn, lambda config: command.downgrade(config, revision), scripts)


async def prepare(dsn: str, *, migrates: bool) -> None:
    """What a process does before it serves: the schema has to be this program's, and closed.

    Raises `errors.Misconfigured` for another schema, unless it is older and may be brought forward here.
    """
    await securing.require_harmless_settings(dsn)
    if migrates and not await asyncio.to_thread(is_newer, await current(dsn)):
        await upgrade(dsn)
    else:
        await require_current(dsn)
        await securing.ensure(dsn)


async def require_current(dsn: str) -> None:
    """Raises `errors.Misconfigured` unless the schema is the one that this program is written for."""
    revision, newest = await current(dsn), await asyncio.to_thread(head)
    if revision == newest:
        return
    stands = f"The schema is at {revision or 'nothing'}"
    if await asyncio.to_thread(is_newer, revision):
        raise errors.Misconfigured(
            f"{stands}, which this program does not know: its newest is {newest}. Run the newer Kladez."
        )
    raise errors.Misconfigured(
        f"{stands}, and this program needs {newest}: run `kladez migrate`, or set KLADEZ_MIGRATE=true."
    )


async def current(dsn: str) -> str:
    """The revision the database is at, "" when it is empty."""
    return await asyncio.to_thread(_current, dsn)


def head(scripts: Path = MIGRATIONS) -> str:
    """The newest revision this program knows."""
    return ScriptDirectory(str(scripts)).get_current_head() or ""


def revisions() -> list[str]:
    """All that this program knows, the oldest first."""
    scripts = ScriptDirectory(str(MIGRATIONS)).walk_revisions()
    return [script.revision for script in scripts][::-1]


def is_newer(revision: str) -> bool:
    """Whether a later program than this one made it."""
    return revision not in ("", *revisions())


def _run(dsn: str, action: Callable[[Config], None], scripts: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(scripts))
    with _alone(dsn), _connected(dsn) as connection:
        config.attributes["connection"] = connection
        for pause in pauses():
            if _got_through(connection, config, action):
                return
            time.sleep(pause)
    raise given_up("migrating")


def _got_through(connection: Connection, config: Config, action: Callable[[Config], None]) -> bool:
    """Whether nobody was in the way; the migrations before that one are done then."""
    try:
        action(config)
    except DBAPIError as error:
        connection.rollback()
        if isinstance(error.orig, IN_THE_WAY):
            log.info("migration_waits", reason=type(error.orig).__name__)
            return False
        if isinstance(error.orig, psycopg.OperationalError):
            raise told_apart(error.orig) from error
        raise
    return True


@contextmanager
def _alone(dsn: str) -> Iterator[None]:
    """One process migrates at a time, however many start together.

    The lock is a session's without a transaction, and is asked for again and again: whoever held a snapshot while
    he waits would hold up an index that is being built.
    """
    with unavailable_when_lost(), psycopg.connect(dsn, autocommit=True) as connection:
        for pause in pauses():
            if connection.execute(securing.TRY_LOCK, {"lock": securing.CHANGE_LOCK}).fetchone() == (True,):
                break
            time.sleep(pause)
        else:
            raise given_up("migrating")
        yield


def _current(dsn: str) -> str:
    with _connected(dsn) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "schema_version"})
        try:
            return context.get_current_revision() or ""
        except DBAPIError as error:
            if isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
                raise errors.Misconfigured(
                    "the role in DATABASE_URL may not read the schema's revision"
                ) from error
            raise


def _connected(dsn: str) -> Connection:
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(dsn, options=SHORT_WAITS), poolclass=NullPool
    )
    try:
        return engine.connect()
    except DBAPIError as error:
        raise errors.Unavailable("the database does not answer; is DATABASE_URL right?") from error
