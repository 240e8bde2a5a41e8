"""What most tests of a module ask for: a database that they empty, or a service that they share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from psycopg import AsyncConnection

from retrieval_service.postgres.embedded import Embedded
from retrieval_service.stores.database import Database
from tests.fakes.openai import FakeOpenAI, running_openai
from tests.kits.answers_kit import lamp_shop
from tests.kits.indexing_kit import Bench, emptied, open_bench, shared_database
from tests.kits.service_kit import Running, Shop, in_one_task, new_shop, shared_service


@pytest.fixture(scope="module")
def module_dsn(postgres_server: Embedded, migrated_template: str) -> Iterator[str]:
    with shared_database(postgres_server, migrated_template) as dsn:
        yield dsn


@pytest.fixture
def clean_dsn(module_dsn: str) -> str:
    return emptied(module_dsn)


@pytest.fixture
async def bench(clean_dsn: str) -> AsyncIterator[Bench]:
    """Without a worker that runs."""
    async with open_bench(clean_dsn) as opened:
        yield opened


@pytest.fixture
async def tenant_id(bench: Bench) -> UUID:
    return await bench.tenant()


@pytest.fixture
def database(bench: Bench) -> Database:
    return bench.service.database


@pytest.fixture
def sql(bench: Bench) -> AsyncConnection:
    return bench.sql


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_fake() -> AsyncIterator[FakeOpenAI]:
    """OpenAI on loopback; one for all tests of a module."""
    async with in_one_task(running_openai()) as fake:
        yield fake


@pytest.fixture
def fake(shared_fake: FakeOpenAI) -> Iterator[FakeOpenAI]:
    """With nothing in it that an earlier test let it say, or let go wrong, or asked it."""
    shared_fake.journal.exchanges.clear()
    yield shared_fake
    shared_fake.forget()


@pytest.fixture(scope="module")
def service_settings() -> Mapping[str, Any]:
    """What differs from `settings_for_tests`; a module whose service differs has a fixture of this name."""
    return {}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    postgres_server: Embedded, migrated_template: str, service_settings: Mapping[str, Any]
) -> AsyncIterator[Running]:
    """A service with its worker; one for all tests of a module."""
    async with shared_service(postgres_server, migrated_template, **service_settings) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def shop(running: Running) -> Shop:
    """A tenant of this test alone, with nothing in it."""
    return await new_shop(running)


@pytest_asyncio.fixture(loop_scope="module")
async def lamps(running: Running) -> Shop:
    """A tenant of this test alone that sells lamps."""
    return await lamp_shop(running)
