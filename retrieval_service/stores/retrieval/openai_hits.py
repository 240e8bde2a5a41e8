"""What of a provider's hits a tenant may see, said by Postgres alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from psycopg.rows import kwargs_row
from psycopg.types.json import Jsonb

from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.stores.database import TenantScope
from retrieval_service.stores.retrieval import filters
from retrieval_service.stores.retrieval.passages import Passage


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A file that was found; `samples` are pieces of the text that was found in it."""

    file_id: str
    samples: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A candidate by its place in the list that was asked, and the chunk that holds most of its text."""

    place: int
    passage: Passage


# A file that is not its document's primary one is a leftover: its text may be an older one.
CHECK = """
SELECT hit.place, c.id AS chunk_id, d.id AS document_id, d.source_type, d.external_id, d.title, c.heading,
    d.section, d.tags, d.url, c.text, c.start_offset, c.end_offset, c.language, d.metadata
FROM jsonb_to_recordset(%(candidates)s) AS hit (place int, file_id text, samples text[])
JOIN document_files f ON f.tenant_id = %(tenant_id)s AND f.file_id = hit.file_id AND f.role = 'primary'
JOIN documents d ON d.tenant_id = %(tenant_id)s AND d.id = f.document_id AND NOT d.is_deleted
JOIN LATERAL (
    SELECT * FROM chunks c WHERE c.tenant_id = %(tenant_id)s AND c.document_id = d.id
    ORDER BY (SELECT count(*) FROM unnest(hit.samples) AS sample WHERE strpos(c.text, sample) > 0) DESC,
        c.chunk_index
    LIMIT 1
) AS c ON true
WHERE {matches}
ORDER BY hit.place
"""


async def check(scope: TenantScope, candidates: Sequence[Candidate], conditions: Conditions) -> list[Checked]:
    """In order; what is not the tenant's, is deleted, replaced or does not meet the conditions is missing."""
    listed = [
        {"place": place, "file_id": one.file_id, "samples": list(one.samples)}
        for place, one in enumerate(candidates)
    ]
    parameters = {
        "tenant_id": scope.tenant_id,
        "candidates": Jsonb(listed),
        **filters.parameters(conditions),
    }
    async with scope.connection.cursor(row_factory=kwargs_row(_checked)) as cursor:
        await cursor.execute(sql.SQL(CHECK).format(matches=filters.MATCHES), parameters)
        return await cursor.fetchall()


def _checked(*, place: int, **columns: Any) -> Checked:
    return Checked(place=place, passage=Passage(**columns))
