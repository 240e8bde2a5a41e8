"""The condition that a document meets a filter, as it stands inside other statements."""

from __future__ import annotations

from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from retrieval_service.domain.retrieval.filters import Conditions

# About the document `d`.
MATCHES = sql.SQL("""
        (cardinality(%(source_types)s::text[]) = 0 OR d.source_type = ANY(%(source_types)s::text[]))
        AND (cardinality(%(sections)s::text[]) = 0 OR d.section = ANY(%(sections)s::text[]))
        AND (cardinality(%(languages)s::text[]) = 0 OR d.language = ANY(%(languages)s::text[]))
        AND d.tags @> %(tags)s::text[]
        AND NOT EXISTS (
            SELECT FROM jsonb_array_elements(%(metadata)s) AS condition
            WHERE (CASE
                WHEN condition ? 'any' THEN EXISTS (
                    SELECT FROM jsonb_array_elements(condition -> 'any') AS wanted
                    WHERE d.metadata -> (condition ->> 'key') @> wanted)
                WHEN jsonb_typeof(d.metadata -> (condition ->> 'key')) = 'number' THEN
                    (d.metadata ->> (condition ->> 'key'))::numeric
                        BETWEEN coalesce((condition ->> 'lower')::numeric, '-infinity')
                            AND coalesce((condition ->> 'upper')::numeric, 'infinity')
                ELSE false END) IS NOT TRUE)
""")


def parameters(conditions: Conditions) -> dict[str, Any]:
    """What `MATCHES` asks for."""
    return {
        "source_types": list(conditions.source_types),
        "sections": list(conditions.sections),
        "tags": list(conditions.tags),
        "languages": list(conditions.languages),
        "metadata": Jsonb(list(conditions.metadata)),
    }
