"""What most tests of a module ask for: a database that they empty, or a service that they share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import pytest
import pytest_asyncio
from psycopg import AsyncConnection

from retrieval_service.postgres.embedded import Embedded
from retrieval_service.stores.database import Database
from tests.kits.indexing_kit import Bench, emptied, open_bench, shared_database
from tests.kits.service_kit import Running, Shop, new_shop, shared_service


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
async def running(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[Running]:
    """Without a worker: what is only stored need not be embedded."""
    async with shared_service(postgres_server, migrated_template, workers=0) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def shop(running: Running) -> Shop:
    return await new_shop(running)
