"""The SQL of a search without anything around it: the baseline of the Search RPC."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pgvector.psycopg import register_vector_async
from psycopg import AsyncConnection, sql

from benchmarks.measuring import Call
from retrieval_service.composition.services import Service
from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.services.retrieval.search import LEAST_DEPTH, Query
from retrieval_service.services.retrieval.term_statistics import Weigher
from retrieval_service.stores import database
from retrieval_service.stores.retrieval import passages
from retrieval_service.stores.retrieval.passages import Probe

# For a whole session and not for one transaction, which saves a bare client two more statements.
BECOME_TENANT = """
SELECT set_config('role', 'kladez_tenant', false), set_config('app.tenant_id', %(tenant_id)s::text, false)
"""

# As the service does for small tenants.
REUSE_PLANS = """
SELECT set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false)
"""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A question with its statement and the parameters of both statements of its search, computed beforehand."""

    text: str
    statement: sql.Composed
    search: dict[str, Any]
    read: dict[str, Any]


async def prepare(service: Service, tenant_id: UUID, texts: Sequence[str], *, limit: int) -> list[Prepared]:
    weights = await Weigher(service.database).weights(tenant_id)
    prepared: list[Prepared] = []
    for text in texts:
        found = await service.searcher.search(tenant_id, Query(text=text, limit=limit))
        # The service's own, as it read the tenant in that search: the baseline must ask the same.
        languages = service.searcher._known(tenant_id).languages
        reading = await service.searcher._reading(tenant_id, text, weights, found.space, languages)
        embedded = await service.embedder.embed_query(reading.text)
        probe = Probe(
            vector=embedded.vectors[0],
            stems=reading.terms.stems,
            grams=reading.terms.grams,
            gate=reading.gate,
            depth=LEAST_DEPTH,
            of_all=reading.reads_all,
        )
        prepared.append(
            Prepared(
                text=text,
                statement=passages.search_statement(service.space_id, of_all=probe.of_all),
                search=passages.search_parameters(tenant_id, probe, Conditions()),
                read={"tenant_id": tenant_id, "ids": [hit.passage.chunk_id for hit in found.hits]},
            )
        )
    return prepared


@asynccontextmanager
async def connections(
    dsn: str, tenant_id: UUID, count: int, *, reuses_plans: bool
) -> AsyncIterator[list[AsyncConnection]]:
    """Set up like those of the service's pool, and the tenant's for good."""
    async with AsyncExitStack() as stack:
        opened: list[AsyncConnection] = []
        for _ in range(count):
            connection = await AsyncConnection.connect(dsn, autocommit=True, options=database.OPTIONS)
            await stack.enter_async_context(connection)
            await register_vector_async(connection)
            await connection.execute(BECOME_TENANT, {"tenant_id": tenant_id})
            if reuses_plans:
                await connection.execute(REUSE_PLANS)
            opened.append(connection)
        yield opened


def searches(free: list[AsyncConnection], questions: Sequence[Prepared]) -> Call:
    """One search after another; takes a free connection and gives it back."""
    cycle = itertools.cycle(questions)

    async def call() -> None:
        asked, connection = next(cycle), free.pop()
        await (await connection.execute(asked.statement, asked.search)).fetchall()
        await (await connection.execute(passages.SELECT_PASSAGES, asked.read)).fetchall()
        free.append(connection)

    return call


def scoped_searches(
    service: Service, tenant_id: UUID, questions: Sequence[Prepared], *, reuses_plans: bool
) -> Call:
    """The same through the service's pool, in a transaction under row-level security."""
    cycle = itertools.cycle(questions)

    async def call() -> None:
        asked = next(cycle)
        async with service.database.at_once(tenant_id, reuses_plans=reuses_plans) as scope:
            found = await scope.connection.execute(asked.statement, asked.search)
            read = await scope.connection.execute(passages.SELECT_PASSAGES, asked.read)
        await found.fetchall()
        await read.fetchall()

    return call
