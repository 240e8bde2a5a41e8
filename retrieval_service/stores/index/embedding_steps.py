"""Vectors of large documents that are not embedded to their end yet: no search sees them, a later attempt does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from psycopg import AsyncConnection

from retrieval_service.domain.indexing.spaces import Vector
from retrieval_service.stores.database import TenantScope
from retrieval_service.stores.index.chunks import Source

ROWS_AT_A_TIME = 200
# Bytes that any machine reads alike.
WIRE = np.dtype("<f4")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A text's vector, and its share of what its request cost."""

    vector: Vector
    tokens: float


SELECT = """
SELECT text_hash, embedding, tokens FROM embedding_steps
WHERE tenant_id = %(tenant_id)s AND document_id = %(document_id)s AND space_id = %(space_id)s
"""


async def kept(scope: TenantScope, document_id: UUID, space_id: int) -> dict[bytes, Kept]:
    """By the hash of the text."""
    parameters = {"tenant_id": scope.tenant_id, "document_id": document_id, "space_id": space_id}
    cursor = await scope.connection.execute(SELECT, parameters, binary=True)
    found: dict[bytes, Kept] = {}
    while rows := await cursor.fetchmany(ROWS_AT_A_TIME):
        for digest, embedding, tokens in rows:
            found[digest] = Kept(vector=np.frombuffer(embedding, WIRE), tokens=tokens)
        await asyncio.sleep(0)  # others come between
    return found


# Locked, so that it is not deleted at this moment: then nobody would remove these any more.
LOCK_CURRENT = """
SELECT FROM documents
WHERE tenant_id = %(tenant_id)s AND id = %(document_id)s AND version = %(version)s AND NOT is_deleted
FOR KEY SHARE
"""

KEEP = """
INSERT INTO embedding_steps (tenant_id, document_id, space_id, text_hash, embedding, tokens)
VALUES (%(tenant_id)s, %(document_id)s, %(space_id)s, %(text_hash)s, %(embedding)s, %(tokens)s)
ON CONFLICT (tenant_id, document_id, space_id, text_hash) DO NOTHING
"""


async def keep(scope: TenantScope, source: Source, space_id: int, made: Mapping[bytes, Kept]) -> bool:
    """By the hash of the text. False, with nothing kept, when the document is not at this version any more."""
    named = {"tenant_id": scope.tenant_id, "document_id": source.id}
    cursor = await scope.connection.execute(LOCK_CURRENT, {**named, "version": source.version})
    if await cursor.fetchone() is None:
        return False
    rows = [{**named, "space_id": space_id, "text_hash": digest, **_row(one)} for digest, one in made.items()]
    async with scope.connection.cursor() as writing:
        await writing.executemany(KEEP, rows)
    return True


def _row(one: Kept) -> dict[str, object]:
    return {"embedding": one.vector.astype(WIRE).tobytes(), "tokens": one.tokens}


FORGET = "DELETE FROM embedding_steps WHERE tenant_id = %(tenant_id)s AND document_id = ANY(%(ids)s)"


async def forget(scope: TenantScope, document_ids: Sequence[UUID]) -> None:
    """Their index is whole, or they are gone."""
    await scope.connection.execute(FORGET, {"tenant_id": scope.tenant_id, "ids": list(document_ids)})


PRUNE = "DELETE FROM embedding_steps WHERE created_at < now() - make_interval(hours => %(hours)s)"


async def prune(operator: AsyncConnection, *, hours: int) -> None:
    """Forgets what no attempt came back to for so long."""
    await operator.execute(PRUNE, {"hours": hours})
