"""Pages for operators of the service and of a worker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

from retrieval_service import errors, metrics
from retrieval_service.config import Settings
from retrieval_service.monitoring import Check, Watched, serving
from retrieval_service.stores.database import Database
from retrieval_service.stores.queue import document_jobs
from retrieval_service.stores.schema import inspection, schema

REFRESH_SECONDS = 2.0
TARGETS = (document_jobs.PGVECTOR, document_jobs.OPENAI)
UNDONE = ("pending", "processing", "error")


@contextlib.asynccontextmanager
async def observed(
    settings: Settings, dsn: str, database: Database, part: str, *, more: Mapping[str, Check] | None = None
) -> AsyncIterator[int | None]:
    """The port of the pages, None when none is set. `more` are additional checks of this part."""
    newest = await asyncio.to_thread(schema.head)
    everywhere = {"database": database_check(database), "schema": schema_check(dsn, newest)}
    watched = Watched(
        part=part,
        checks={**everywhere, **(more or {})},
        refresh=lambda: refresh(database),
    )
    async with serving(
        settings.metrics_host, settings.metrics_port, watched, setting="KLADEZ_METRICS_PORT"
    ) as port:
        yield port


def database_check(database: Database) -> Check:
    async def fault() -> str:
        try:
            async with database.operator() as operator:
                await operator.execute("SELECT 1")
        except errors.Unavailable as error:
            return str(error)
        return ""

    return fault


def schema_check(dsn: str, newest: str) -> Check:
    async def fault() -> str:
        try:
            current = await schema.current(dsn)
        except errors.Unavailable as error:
            return str(error)
        return "" if current == newest else f"at {current or 'nothing'}, this program needs {newest}"

    return fault


async def refresh(database: Database) -> None:
    """Refreshes the gauges. When the database does not answer, the queue's gauges keep their values."""
    pool = database.pool_figures()
    metrics.POOL.labels("in_use").set(pool.in_use)
    metrics.POOL.labels("idle").set(pool.idle)
    metrics.POOL_WAITING.set(pool.waiting)
    try:
        async with asyncio.timeout(REFRESH_SECONDS), database.operator() as operator:
            depths = await inspection.depths(operator)
    except (errors.Unavailable, TimeoutError):
        metrics.DATABASE_UP.set(0)
        return
    metrics.DATABASE_UP.set(1)
    _show(depths)


def _show(depths: list[inspection.Depth]) -> None:
    found = {(depth.target, depth.status): depth for depth in depths}
    for target in TARGETS:
        for status in UNDONE:
            depth = found.get((target, status))
            metrics.QUEUE.labels(target, status).set(depth.count if depth else 0)
        oldest = found.get((target, "pending"))
        metrics.QUEUE_OLDEST.labels(target).set(oldest.oldest_seconds if oldest else 0)
