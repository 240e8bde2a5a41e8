"""How each document of a tenant stands with the retrieval provider, and on which of them somebody works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from retrieval_service.stores.database import TenantScope


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A document, deleted or not; `is_given_up` when the queue has stopped trying to bring it there.

    While it `is_unsettled`, whoever sends it next looks for what earlier attempts have left behind.
    """

    document_id: UUID
    version: int
    is_deleted: bool
    is_given_up: bool
    is_unsettled: bool


SELECT = """
SELECT id AS document_id, version, is_deleted, remote_status = 'error' AS is_given_up,
    is_remote_unsettled AS is_unsettled
FROM documents WHERE tenant_id = %(tenant_id)s
"""


async def everything(scope: TenantScope) -> list[Standing]:
    """In no order."""
    async with scope.connection.cursor(row_factory=class_row(Standing)) as cursor:
        await cursor.execute(SELECT, {"tenant_id": scope.tenant_id})
        return await cursor.fetchall()


# Locked in the order in which upserts write, so that neither waits for the other in a circle.
LOCK = """
SELECT id AS document_id, version, is_deleted, remote_status = 'error' AS is_given_up,
    is_remote_unsettled AS is_unsettled
FROM documents WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s)
ORDER BY source_type, external_id FOR UPDATE
"""


async def lock(scope: TenantScope, ids: Sequence[UUID]) -> list[Standing]:
    """Nobody changes or queues these documents until the transaction ends; a change under way is waited for."""
    async with scope.connection.cursor(row_factory=class_row(Standing)) as cursor:
        await cursor.execute(LOCK, {"tenant_id": scope.tenant_id, "ids": list(ids)})
        return await cursor.fetchall()


SELECT_BUSY = """
SELECT DISTINCT document_id FROM document_sync_jobs
WHERE tenant_id = %(tenant_id)s AND target = 'openai' AND status IN ('pending', 'processing')
"""


async def on_their_way(scope: TenantScope) -> set[UUID]:
    """Documents that are queued for the provider or being brought there, also those that are gone here."""
    cursor = await scope.connection.execute(SELECT_BUSY, {"tenant_id": scope.tenant_id})
    return {row[0] for row in await cursor.fetchall()}


MIRRORED = """
SELECT v.tenant_id FROM vector_stores v JOIN tenants t ON t.id = v.tenant_id
WHERE t.is_mirrored AND t.deleted_at IS NULL ORDER BY v.tenant_id
"""


async def mirrored_tenants(operator: AsyncConnection) -> list[UUID]:
    """Living tenants whose documents are kept in a store at the provider."""
    return [row[0] for row in await (await operator.execute(MIRRORED)).fetchall()]
