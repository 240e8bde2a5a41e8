"""Search inside one tenant: the candidates of every arm, with exact scores of all arms, in one statement."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import numpy as np
from pgvector import HalfVector
from psycopg import sql
from psycopg.rows import class_row

from retrieval_service.domain.indexing.lexical import SparseVector, indexed_text
from retrieval_service.domain.indexing.spaces import Vector
from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.domain.retrieval.fusion import RawScores
from retrieval_service.domain.retrieval.sections import Piece
from retrieval_service.stores.database import TenantScope, only
from retrieval_service.stores.index.chunks import sparse
from retrieval_service.stores.retrieval import filters
from retrieval_service.stores.tenants.spaces import vectors_table
from retrieval_service.stores.tenants.tenant_spaces import Searched

# One for each space, at most four times.
_CACHED_STATEMENTS = 64


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What is looked for, arm by arm; an arm without its vector finds nothing and scores 0.

    `gate` lists the stems a candidate of the lexical arm must have one of; empty means every chunk is
    scored, which is right for small tenants only. `depth` candidates are taken from each arm. With
    `by_document` a passage without a vector of its own has that of its document, which lies at the first one. With
    `of_all` every chunk is a candidate: to choose among a few takes longer than to score them.
    """

    vector: Vector | None
    stems: SparseVector | None
    grams: SparseVector | None
    gate: Sequence[int]
    depth: int
    by_document: bool = False
    of_all: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidates:
    """Chunks and, at the same places, their documents and the raw scores of every arm.

    `writings` are equal as long as nobody writes to the rows of a chunk and its document.
    """

    chunk_ids: Sequence[UUID]
    document_ids: Sequence[UUID]
    writings: Sequence[str]
    raw: RawScores


@dataclass(frozen=True, kw_only=True, eq=False)
class Sight:
    """What a look at a tenant's index finds, and what the tenant's searches read at that moment.

    `searched` is None when nothing was found. `terms_state` is that of `Sample`, "" unless all was looked at.
    """

    candidates: Candidates
    searched: Searched | None = None
    terms_state: str = ""


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A chunk with what its document says of it; one that `is_whole` is all that is indexed of the document."""

    chunk_id: UUID
    document_id: UUID
    source_type: str
    external_id: str
    title: str
    heading: str
    section: str
    tags: list[str]
    url: str
    text: str
    start_offset: int
    end_offset: int
    language: str
    metadata: Mapping[str, Any]
    is_whole: bool = False


@dataclass(frozen=True, kw_only=True)
class ReadPassage(Passage):
    """A passage as it was read; `writing` is as that of the candidates."""

    writing: str


# Conditions on parameters alone are folded away before planning where plans are custom. A document is looked for
# by its key whatever the statistics say: of a tenant they do not know, all documents would be read for each chunk.
SEARCH = """
WITH allowed AS MATERIALIZED (
    SELECT c.id FROM documents d JOIN chunks c ON c.tenant_id = d.tenant_id AND c.document_id = d.id
    WHERE NOT %(unlimited)s AND d.tenant_id = %(tenant_id)s
        AND {matches}
),
by_meaning AS MATERIALIZED (
    SELECT v.chunk_id FROM {vectors} v
    WHERE v.tenant_id = %(tenant_id)s AND %(has_vector)s
        AND (%(unlimited)s OR v.chunk_id IN (SELECT id FROM allowed))
    ORDER BY v.embedding <=> %(vector)s LIMIT %(depth)s
),
by_stems AS MATERIALIZED (
    SELECT t.chunk_id FROM chunk_terms t
    WHERE t.tenant_id = %(tenant_id)s AND %(has_terms)s
        AND (%(ungated)s OR t.stem_ids && %(gate)s::int[])
        AND (%(unlimited)s OR t.chunk_id IN (SELECT id FROM allowed))
        AND (t.stems <#> %(stems)s) < 0
    ORDER BY t.stems <#> %(stems)s LIMIT %(depth)s
),
by_grams AS MATERIALIZED (
    SELECT t.chunk_id FROM chunk_terms t
    WHERE t.tenant_id = %(tenant_id)s AND %(has_terms)s AND %(ungated)s
        AND (%(unlimited)s OR t.chunk_id IN (SELECT id FROM allowed))
        AND (t.grams <#> %(grams)s) < 0
    ORDER BY t.grams <#> %(grams)s LIMIT %(depth)s
),
candidates AS ({candidates})
SELECT c.id, d.id, (SELECT space_id FROM tenants WHERE id = %(tenant_id)s), (
        SELECT settings ->> 'index_granularity' IS NOT DISTINCT FROM 'document' FROM tenants WHERE id = %(tenant_id)s),
    (SELECT settings ->> 'languages' FROM tenants WHERE id = %(tenant_id)s),
    {terms_state}, c.xmin::text || ' ' || d.written_by,
    CASE WHEN %(has_vector)s THEN 1 - (v.embedding <=> %(vector)s) END,
    CASE WHEN %(has_terms)s THEN -(t.stems <#> %(stems)s) ELSE 0 END,
    CASE WHEN %(has_terms)s THEN -(t.grams <#> %(grams)s) ELSE 0 END
FROM candidates
JOIN chunks c ON c.tenant_id = %(tenant_id)s AND c.id = candidates.chunk_id
CROSS JOIN LATERAL (
    SELECT id, xmin::text AS written_by FROM documents
    WHERE tenant_id = %(tenant_id)s AND id = c.document_id AND NOT is_deleted OFFSET 0
) d
JOIN chunk_terms t ON t.tenant_id = %(tenant_id)s AND t.chunk_id = c.id
{its_vector}
ORDER BY c.id
"""

ALL_CHUNKS = """
SELECT chunk_id FROM chunk_terms
WHERE tenant_id = %(tenant_id)s AND (%(unlimited)s OR chunk_id IN (SELECT id FROM allowed))
"""
# Equal for as long as nobody writes to the terms of any chunk.
TERMS_STATE = "hashtextextended(string_agg(chunk_id::text || xmin::text, ' ' ORDER BY chunk_id), 0)::text"
ITS_TERMS_STATE = "(SELECT {terms_state} FROM chunk_terms WHERE tenant_id = %(tenant_id)s)"
UNKNOWN_STATE = "''"
BEST_OF_ARMS = "{by_meaning} UNION SELECT chunk_id FROM by_stems UNION SELECT chunk_id FROM by_grams"
OWN_MEANING = "SELECT chunk_id FROM by_meaning"
OWN_VECTOR = "LEFT JOIN {vectors} v ON v.tenant_id = %(tenant_id)s AND v.chunk_id = c.id"

# All passages of a document that was found by meaning: by words the best of them is named.
DOCUMENT_MEANING = """
SELECT other.id AS chunk_id FROM by_meaning
JOIN chunks one ON one.tenant_id = %(tenant_id)s AND one.id = by_meaning.chunk_id
JOIN chunks other ON other.tenant_id = %(tenant_id)s AND other.document_id = one.document_id
"""
DOCUMENT_VECTOR = """
LEFT JOIN LATERAL (
    SELECT w.embedding FROM chunks holder
    JOIN {vectors} w ON w.tenant_id = %(tenant_id)s AND w.chunk_id = holder.id
    WHERE holder.tenant_id = %(tenant_id)s AND holder.document_id = c.document_id
    ORDER BY holder.id = c.id DESC, holder.chunk_index LIMIT 1
) v ON true
"""


async def look(
    scope: TenantScope, space_id: int, probe: Probe, conditions: Conditions
) -> Callable[[], Awaitable[Sight]]:
    """What fetches the candidates of all arms by chunk id, also when the transaction has ended.

    Every score is exact for every candidate. That the space is still the right one is for the caller to see.
    """
    cursor = scope.connection.cursor(binary=True)
    await cursor.execute(
        _written(space_id, by_document=probe.by_document, of_all=probe.of_all),
        search_parameters(scope.tenant_id, probe, conditions),
    )

    async def fetch() -> Sight:
        rows = await cursor.fetchall()
        candidates = candidates_of(rows)
        if not rows:
            return Sight(candidates=candidates)
        _, _, space_id, by_document, own_languages, terms_state, *_ = rows[0]
        searched = Searched.from_row(space_id, by_document, own_languages)
        return Sight(candidates=candidates, searched=searched, terms_state=terms_state)

    return fetch


async def score(scope: TenantScope, space_id: int, probe: Probe, conditions: Conditions) -> Candidates:
    """The candidates alone."""
    fetch = await look(scope, space_id, probe, conditions)
    return (await fetch()).candidates


def candidates_of(rows: Sequence[Sequence[Any]]) -> Candidates:
    columns = np.array([row[7:] for row in rows], np.float64).reshape(len(rows), 3)
    raw = RawScores(similarities=columns[:, 0], stems=columns[:, 1], grams=columns[:, 2])
    return Candidates(
        chunk_ids=[row[0] for row in rows],
        document_ids=[row[1] for row in rows],
        writings=[row[6] for row in rows],
        raw=raw,
    )


def search_statement(space_id: int, *, by_document: bool = False, of_all: bool = False) -> sql.Composed:
    vectors = vectors_table(space_id)
    by_meaning = sql.SQL(DOCUMENT_MEANING if by_document else OWN_MEANING)
    return sql.SQL(SEARCH).format(
        vectors=vectors,
        matches=filters.MATCHES,
        terms_state=sql.SQL(ITS_TERMS_STATE if of_all else UNKNOWN_STATE).format(
            terms_state=sql.SQL(TERMS_STATE)
        ),
        candidates=sql.SQL(ALL_CHUNKS) if of_all else sql.SQL(BEST_OF_ARMS).format(by_meaning=by_meaning),
        its_vector=sql.SQL(DOCUMENT_VECTOR if by_document else OWN_VECTOR).format(vectors=vectors),
    )


@lru_cache(maxsize=_CACHED_STATEMENTS)
def _written(space_id: int, *, by_document: bool, of_all: bool) -> bytes:
    return search_statement(space_id, by_document=by_document, of_all=of_all).as_bytes()


def search_parameters(tenant_id: UUID, probe: Probe, conditions: Conditions) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "unlimited": conditions.unlimited,
        **filters.parameters(conditions),
        "has_vector": probe.vector is not None,
        "vector": None if probe.vector is None else HalfVector(probe.vector),
        "has_terms": probe.stems is not None,
        "stems": probe.stems and sparse(probe.stems),
        "grams": probe.grams and sparse(probe.grams),
        "ungated": not probe.gate,
        "gate": list(probe.gate),
        "depth": probe.depth,
    }


SELECT_PASSAGES = """
SELECT c.id AS chunk_id, d.id AS document_id, d.source_type, d.external_id, d.title, c.heading, d.section,
    d.tags, d.url, c.text, c.start_offset, c.end_offset, c.language, d.metadata,
    c.xmin::text || ' ' || d.xmin::text AS writing,
    NOT EXISTS (
        SELECT FROM chunks o WHERE o.tenant_id = %(tenant_id)s AND o.document_id = d.id AND o.id <> c.id
    ) AS is_whole
FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS wanted (id, place)
JOIN chunks c ON c.tenant_id = %(tenant_id)s AND c.id = wanted.id
JOIN documents d ON d.tenant_id = %(tenant_id)s AND d.id = c.document_id AND NOT d.is_deleted
ORDER BY wanted.place
"""


async def read(scope: TenantScope, chunk_ids: Sequence[UUID]) -> Callable[[], Awaitable[list[ReadPassage]]]:
    """What fetches them, also when the transaction has ended; chunks that went are missing."""
    cursor = scope.connection.cursor(row_factory=class_row(ReadPassage))
    await cursor.execute(SELECT_PASSAGES, {"tenant_id": scope.tenant_id, "ids": list(chunk_ids)})
    return cursor.fetchall


SELECT_AROUND = """
SELECT DISTINCT ON (c.document_id, c.chunk_index) c.id AS chunk_id, c.document_id, c.chunk_index, c.heading,
    c.start_offset AS start, c.end_offset AS end, c.text, c.xmin::text || ' ' || d.xmin::text AS writing
FROM unnest(%(ids)s::uuid[]) AS found (id)
JOIN chunks hit ON hit.tenant_id = %(tenant_id)s AND hit.id = found.id
JOIN documents d ON d.tenant_id = %(tenant_id)s AND d.id = hit.document_id AND NOT d.is_deleted
JOIN chunks c ON c.tenant_id = %(tenant_id)s AND c.document_id = hit.document_id
    AND c.chunk_index BETWEEN hit.chunk_index - %(reach)s AND hit.chunk_index + %(reach)s
ORDER BY c.document_id, c.chunk_index
"""


@dataclass(frozen=True, kw_only=True)
class ReadPiece(Piece):
    """A piece as it was read; `writing` is as that of the candidates."""

    writing: str


async def around(
    scope: TenantScope, chunk_ids: Sequence[UUID], *, reach: int
) -> Callable[[], Awaitable[list[ReadPiece]]]:
    """What fetches these chunks and as many as `reach` before and behind each in its document, also afterwards."""
    cursor = scope.connection.cursor(row_factory=class_row(ReadPiece))
    parameters = {"tenant_id": scope.tenant_id, "ids": list(chunk_ids), "reach": reach}
    await cursor.execute(SELECT_AROUND, parameters)
    return cursor.fetchall


# Chunk ids are random, so the first ones by id are a fair sample.
SELECT_SAMPLE = """
SELECT array_agg(DISTINCT language) AS languages, count(*) AS chunk_count,
    coalesce({terms_state}, '') AS terms_state,
    coalesce(string_agg(sparsevec_send(stems), ''::bytea), ''::bytea) AS stems,
    coalesce(string_agg(sparsevec_send(grams), ''::bytea), ''::bytea) AS grams
FROM (
    SELECT chunk_id, xmin, language, stems, grams FROM chunk_terms WHERE tenant_id = %(tenant_id)s
    ORDER BY chunk_id LIMIT %(limit)s
) AS sample
"""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Terms of some of the tenant's chunks as pgvector sends sparse vectors, one after another.

    `terms_state` is equal for as long as nobody writes to these.
    """

    languages: list[str] | None
    chunk_count: int
    terms_state: str
    stems: bytes
    grams: bytes


async def sample_terms(scope: TenantScope, *, limit: int) -> Sample:
    async with scope.connection.cursor(row_factory=class_row(Sample), binary=True) as cursor:
        statement = sql.SQL(SELECT_SAMPLE).format(terms_state=sql.SQL(TERMS_STATE))
        await cursor.execute(statement, {"tenant_id": scope.tenant_id, "limit": limit})
        return only(await cursor.fetchone())


# Of the same chunks as the sample of terms, as they were indexed.
SELECT_TEXTS = """
SELECT d.title, c.heading, c.text
FROM (
    SELECT chunk_id FROM chunk_terms WHERE tenant_id = %(tenant_id)s ORDER BY chunk_id LIMIT %(limit)s
) AS sample
JOIN chunks c ON c.tenant_id = %(tenant_id)s AND c.id = sample.chunk_id
JOIN documents d ON d.tenant_id = %(tenant_id)s AND d.id = c.document_id AND NOT d.is_deleted
"""
TEXTS_AT_A_TIME = 200


async def sample_texts(scope: TenantScope, *, limit: int) -> AsyncIterator[list[str]]:
    """The indexed texts of the chunks that `sample_terms` reads, some at a time."""
    cursor = await scope.connection.execute(SELECT_TEXTS, {"tenant_id": scope.tenant_id, "limit": limit})
    while rows := await cursor.fetchmany(TEXTS_AT_A_TIME):
        yield [indexed_text(*row) for row in rows]


SELECT_KNOWN_STEMS = """
SELECT asked.stem FROM unnest(%(stems)s::int[]) AS asked (stem)
WHERE EXISTS (SELECT FROM chunk_terms WHERE tenant_id = %(tenant_id)s AND stem_ids && ARRAY[asked.stem])
"""


async def known_stems(scope: TenantScope, stems: Sequence[int]) -> set[int]:
    """Those of the term ids that some passage of the tenant has at this moment."""
    cursor = await scope.connection.execute(
        SELECT_KNOWN_STEMS, {"tenant_id": scope.tenant_id, "stems": list(stems)}
    )
    return {stem for (stem,) in await cursor.fetchall()}
