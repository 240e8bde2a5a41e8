"""Documents that state numbers, as far as a question compares or counts them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from retrieval_service.domain.documents.stock import STOCK_NAMES
from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.stores.database import TenantScope
from retrieval_service.stores.retrieval import filters

# The event loop has others to serve in between.
ROWS_AT_A_TIME = 250
# Whose words stand in so many passages for each document that is wanted, are not looked for to the end.
PASSAGES_EACH = 2


@dataclass(frozen=True, kw_only=True)
class NumberedRow:
    """A document with its first chunk; `figures` are its metadata's numbers, booleans, stock, price and currency.

    `mentions` are those of the stems asked for that any of its text has. The JSON of `figures` is not read yet.
    """

    document_id: UUID
    chunk_id: UUID
    title: str
    section: str
    tags: list[str]
    language: str
    figures: str
    mentions: list[int]


# A document is taken for its words or for its section; with neither, all are. Of words that too many passages have
# nothing is read but that.
SELECT = """
WITH found AS MATERIALIZED (
    SELECT chunk_id, stem_ids FROM chunk_terms
    WHERE tenant_id = %(tenant_id)s AND stem_ids && %(stems)s::int[]
    LIMIT %(most_passages)s + 1
), mentioned AS MATERIALIZED (
    SELECT c.document_id, array_agg(DISTINCT stem) AS mentions
    FROM found h
    JOIN chunks c ON c.tenant_id = %(tenant_id)s AND c.id = h.chunk_id
    CROSS JOIN LATERAL unnest(h.stem_ids) AS stem
    WHERE stem = ANY(%(stems)s::int[]) AND (SELECT count(*) FROM found) <= %(most_passages)s
    GROUP BY c.document_id
)
SELECT d.id AS document_id, c.id AS chunk_id, d.title, d.section, d.tags, d.language, f.figures::text AS figures,
    coalesce(m.mentions, '{{}}') AS mentions
FROM documents d
LEFT JOIN mentioned m ON m.document_id = d.id
CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(key, value) AS figures, bool_or(key <> 'currency') AS has_any
    FROM jsonb_each(d.metadata)
    WHERE jsonb_typeof(value) IN ('number', 'boolean') OR (jsonb_typeof(value) = 'string' AND (
        key IN ('currency', 'price')
        OR regexp_replace(lower(key), '^.*[.]|[-_ ]', '', 'g') = ANY(%(stock_names)s::text[])
    ))
) f
CROSS JOIN LATERAL (
    SELECT id FROM chunks WHERE tenant_id = %(tenant_id)s AND document_id = d.id ORDER BY chunk_index LIMIT 1
) c
WHERE d.tenant_id = %(tenant_id)s AND NOT d.is_deleted AND f.has_any AND {matches}
    AND (SELECT count(*) FROM found) <= %(most_passages)s
    AND (%(of_all)s OR m.document_id IS NOT NULL OR (d.section <> '' AND d.section = ANY(%(of_sections)s::text[])))
ORDER BY d.id LIMIT %(limit)s
"""


async def find(
    scope: TenantScope,
    conditions: Conditions,
    *,
    stems: Sequence[int] = (),
    sections: Sequence[str] = (),
    limit: int,
) -> list[NumberedRow]:
    """Those that meet the conditions and have one of the stems or lie in one of the sections, in order of their ids.

    None at all where far more passages than `limit` have one of the stems.
    """
    statement = sql.SQL(SELECT).format(matches=filters.MATCHES)
    async with scope.connection.cursor(row_factory=class_row(NumberedRow)) as cursor:
        await cursor.execute(
            statement,
            {
                "tenant_id": scope.tenant_id,
                **filters.parameters(conditions),
                "stock_names": [*STOCK_NAMES, *map(str.capitalize, STOCK_NAMES)],
                "of_all": not (stems or sections),
                "stems": list(stems),
                "of_sections": list(sections),
                "limit": limit,
                "most_passages": PASSAGES_EACH * limit,
            },
        )
        rows: list[NumberedRow] = []
        while some := await cursor.fetchmany(ROWS_AT_A_TIME):
            rows += some
            await asyncio.sleep(0)
        return rows
