"""Searches that both backends did: one row each, kept for a month."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row, kwargs_row

from retrieval_service.domain.retrieval.backends import (
    Backend,
    ComparedExample,
    Comparison,
    ComparisonSummary,
)
from retrieval_service.stores.database import TenantScope, only

INSERT = """
INSERT INTO backend_comparisons (tenant_id, query, served_by, pgvector_count, openai_count, overlap,
    pgvector_ms, openai_ms, cost_usd, error)
VALUES (%(tenant_id)s, %(query)s, %(served_by)s, %(pgvector_count)s, %(openai_count)s, %(overlap)s,
    %(pgvector_ms)s, %(openai_ms)s, %(cost_usd)s, %(error)s)
"""


async def record(scope: TenantScope, comparison: Comparison) -> None:
    await scope.connection.execute(INSERT, {**asdict(comparison), "tenant_id": scope.tenant_id})


# A search that failed says nothing of either one's speed.
SUMMARIZE = """
SELECT count(*) AS count, count(*) FILTER (WHERE overlap IS NULL) AS failed_count,
    avg(overlap)::float8 AS overlap_mean,
    percentile_cont(0.1) WITHIN GROUP (ORDER BY overlap) AS overlap_p10,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY pgvector_ms)
        FILTER (WHERE overlap IS NOT NULL) AS pgvector_p50_ms,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY pgvector_ms)
        FILTER (WHERE overlap IS NOT NULL) AS pgvector_p95_ms,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY openai_ms)
        FILTER (WHERE overlap IS NOT NULL) AS openai_p50_ms,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY openai_ms)
        FILTER (WHERE overlap IS NOT NULL) AS openai_p95_ms,
    coalesce(sum(cost_usd), 0)::float8 AS cost_usd
FROM backend_comparisons
WHERE tenant_id = %(tenant_id)s AND compared_at > now() - make_interval(days => %(days)s)
"""


async def summary(scope: TenantScope, *, days: int) -> ComparisonSummary:
    async with scope.connection.cursor(row_factory=class_row(ComparisonSummary)) as cursor:
        await cursor.execute(SUMMARIZE, {"tenant_id": scope.tenant_id, "days": days})
        return only(await cursor.fetchone())


SELECT_WORST = """
SELECT query, served_by, pgvector_count, openai_count, overlap, pgvector_ms, openai_ms,
    cost_usd::float8 AS cost_usd, error, compared_at
FROM backend_comparisons
WHERE tenant_id = %(tenant_id)s AND compared_at > now() - make_interval(days => %(days)s)
    AND overlap IS NOT NULL
ORDER BY overlap, id DESC LIMIT %(limit)s
"""


async def worst(scope: TenantScope, *, days: int, limit: int) -> list[ComparedExample]:
    """Those that agree least, the newest first among equals."""
    async with scope.connection.cursor(row_factory=kwargs_row(_example)) as cursor:
        await cursor.execute(SELECT_WORST, {"tenant_id": scope.tenant_id, "days": days, "limit": limit})
        return await cursor.fetchall()


PRUNE = "DELETE FROM backend_comparisons WHERE compared_at < now() - make_interval(days => %(days)s)"


async def prune(operator: AsyncConnection, *, days: int) -> None:
    """Of all tenants."""
    await operator.execute(PRUNE, {"days": days})


def _example(*, served_by: str, **columns: Any) -> ComparedExample:
    return ComparedExample(served_by=Backend(served_by), **columns)
