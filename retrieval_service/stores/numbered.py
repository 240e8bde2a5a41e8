"""Documents that state numbers, as far as a question compares or counts them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from retrieval_service.domain.conditions import Conditions
from retrieval_service.stores import matching
from retrieval_service.stores.database import TenantScope

# Their JSON is read on the event loop, which has others to serve in between.
ROWS_AT_A_TIME = 100


@dataclass(frozen=True, kw_only=True)
class NumberedRow:
    """A document with its first chunk; `figures` are its metadata's numbers, booleans and currency.

    `mentions` are those of the stems asked for that any of its text has.
    """

    document_id: UUID
    chunk_id: UUID
    title: str
    section: str
    tags: list[str]
    language: str
    figures: Mapping[str, Any]
    mentions: list[int]


# A document is taken for its words or for its section; with neither, all are.
SELECT = """
WITH mentioned AS MATERIALIZED (
    SELECT c.document_id, array_agg(DISTINCT stem) AS mentions
    FROM chunk_terms t
    JOIN chunks c ON c.tenant_id = %(tenant_id)s AND c.id = t.chunk_id
    CROSS JOIN LATERAL unnest(t.stem_ids) AS stem
    WHERE t.tenant_id = %(tenant_id)s AND t.stem_ids && %(stems)s::int[] AND stem = ANY(%(stems)s::int[])
    GROUP BY c.document_id
)
SELECT d.id AS document_id, c.id AS chunk_id, d.title, d.section, d.tags, d.language, f.figures,
    coalesce(m.mentions, '{{}}') AS mentions
FROM documents d
LEFT JOIN mentioned m ON m.document_id = d.id
CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(key, value) AS figures, bool_or(jsonb_typeof(value) = 'number') AS has_numbers
    FROM jsonb_each(d.metadata)
    WHERE jsonb_typeof(value) IN ('number', 'boolean') OR key = 'currency'
) f
CROSS JOIN LATERAL (
    SELECT id FROM chunks WHERE tenant_id = %(tenant_id)s AND document_id = d.id ORDER BY chunk_index LIMIT 1
) c
WHERE d.tenant_id = %(tenant_id)s AND NOT d.is_deleted AND f.has_numbers AND {matches}
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
    """Those that meet the conditions and have one of the stems or lie in one of the sections, in order of their ids."""
    statement = sql.SQL(SELECT).format(matches=matching.MATCHES)
    async with scope.connection.cursor(row_factory=class_row(NumberedRow)) as cursor:
        await cursor.execute(
            statement,
            {
                "tenant_id": scope.tenant_id,
                **matching.parameters(conditions),
                "of_all": not (stems or sections),
                "stems": list(stems),
                "of_sections": list(sections),
                "limit": limit,
            },
        )
        rows: list[NumberedRow] = []
        while some := await cursor.fetchmany(ROWS_AT_A_TIME):
            rows += some
            await asyncio.sleep(0)
        return rows
