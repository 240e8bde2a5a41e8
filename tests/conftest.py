"""What every test may ask for: a database of its own, and an event loop that nothing blocks."""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from blockbuster import BlockBuster
from hypothesis import HealthCheck, settings
from psycopg import sql

from retrieval_service.postgres.embedded import Embedded
from retrieval_service.stores.schema import schema
from tests.kits.postgres import start_server
from tests.kits.process_state import left_as_found

TESTS = Path(__file__).parent
TEMPLATE = "kladez_template"

# Where our code may block although a loop runs: the end of a file's name, and a function in it.
MAY_BLOCK = (
    # A module is read once, when it is first imported.
    ("<frozen importlib._bootstrap>", "_find_and_load"),
    # The gateway reads its own pages before it listens.
    ("widget_gateway/app.py", "build_app"),
    # structlog's own defaults draw a traceback with its source; the service sets plain ones (cli/logs.py).
    ("rich/traceback.py", "_render_stack"),
    # These call what a command runs without a loop, to see it from another process's side.
    ("integration/database/test_embedded_postgres.py", "test_another_command_finds_the_running_server"),
    (
        "integration/database/test_embedded_postgres.py",
        "test_root_copies_programs_that_the_account_cannot_reach",
    ),
)

# The processor is shared with whatever else runs: how long an example takes says nothing.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# What takes longest begins first, so that no process is left alone with it at the end; the rest comes after.
LONGEST_FIRST = ("e2e", "unit/text/test_linear_text.py", "integration", "house")

_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-calls", type=int, default=600, help="how many calls thieves make")
    parser.addoption("--fuzz-seed", type=int, default=1, help="which calls these are")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=turn)


def turn(item: pytest.Item) -> int:
    path = item.path.relative_to(TESTS).as_posix()
    places = (
        place for place, part in enumerate(LONGEST_FIRST) if path == part or path.startswith(f"{part}/")
    )
    return next(places, len(LONGEST_FIRST))


@pytest.fixture(autouse=True)
def same_process() -> Iterator[None]:
    """The next test finds everything as it was, whatever ran in this process."""
    with left_as_found():
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Embedded]:
    """One server for the whole run. Its roles (kladez_tenant, kladez_operator) are shared by all databases."""
    with start_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres_server: Embedded) -> str:
    """The name of a database with the newest schema and no rows; nobody may stay connected to it."""
    create_database(postgres_server, TEMPLATE)
    # A loop factory leaves the loops of pytest-asyncio alone.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(schema.upgrade(postgres_server.connection.dsn_of(TEMPLATE)))
    return TEMPLATE


@pytest.fixture
def database_dsn(postgres_server: Embedded, migrated_template: str) -> Iterator[str]:
    """A database of this test alone, with the newest schema, dropped afterwards."""
    with temporary_database(postgres_server, template=migrated_template) as dsn:
        yield dsn


@pytest.fixture
def empty_database_dsn(postgres_server: Embedded) -> Iterator[str]:
    """A database of this test alone, with nothing in it, dropped afterwards."""
    with temporary_database(postgres_server, template="template1") as dsn:
        yield dsn


@pytest.fixture(autouse=True)
def nothing_blocks_the_event_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """An async test fails when our code blocks its loop; what tests and libraries do by themselves is theirs."""
    if not inspect.iscoroutinefunction(getattr(request, "function", None)):
        yield
        return
    guard = guarded()
    guard.activate()
    try:
        yield
    finally:
        guard.deactivate()


def guarded() -> BlockBuster:
    guard = BlockBuster(scanned_modules=["retrieval_service", "bot", "widget_gateway"])
    # grpc's objects take a lock when the garbage collector finds them, in whatever line that happens.
    for name in ("threading.Lock.acquire", "threading.Lock.acquire_lock"):
        del guard.functions[name]
    for file_name, function_name in MAY_BLOCK:
        for blocking in guard.functions.values():
            blocking.can_block_in(file_name, function_name)
    return guard


@contextmanager
def temporary_database(server: Embedded, *, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    create_database(server, name, template)
    try:
        yield server.connection.dsn_of(name)
    finally:
        administer(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def create_database(server: Embedded, name: str, template: str = "template1") -> None:
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    administer(server, statement.format(sql.Identifier(name), sql.Identifier(template)))


def administer(server: Embedded, statement: sql.Composed) -> None:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(statement)
