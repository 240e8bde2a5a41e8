"""API keys: only the SHA-256 of a secret is ever stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from retrieval_service.domain.tenants.tenants import ApiKey
from retrieval_service.stores.database import only

INSERT = """
INSERT INTO api_keys (tenant_id, secret_hash, scopes, display_name)
VALUES (%(tenant_id)s, %(secret_hash)s, %(scopes)s, %(display_name)s)
RETURNING id, tenant_id, scopes, display_name, created_at, revoked_at
"""


async def insert(
    operator: AsyncConnection,
    *,
    tenant_id: UUID | None,
    secret_hash: bytes,
    scopes: Sequence[str],
    display_name: str,
) -> ApiKey:
    async with operator.cursor(row_factory=class_row(ApiKey)) as cursor:
        parameters = {
            "tenant_id": tenant_id,
            "secret_hash": secret_hash,
            "scopes": list(scopes),
            "display_name": display_name,
        }
        await cursor.execute(INSERT, parameters)
        return only(await cursor.fetchone())


# A key of a deleted tenant is as good as revoked.
SELECT_BY_HASH = """
SELECT k.id, k.tenant_id, k.scopes, k.display_name, k.created_at, k.revoked_at
FROM api_keys k LEFT JOIN tenants t ON t.id = k.tenant_id
WHERE k.secret_hash = %(secret_hash)s AND k.revoked_at IS NULL AND t.deleted_at IS NULL
"""


async def get_by_hash(operator: AsyncConnection, secret_hash: bytes) -> ApiKey | None:
    """Only a key that still works."""
    async with operator.cursor(row_factory=class_row(ApiKey)) as cursor:
        await cursor.execute(SELECT_BY_HASH, {"secret_hash": secret_hash})
        return await cursor.fetchone()


SELECT_HASHES = "SELECT secret_hash FROM api_keys WHERE revoked_at IS NULL"


async def hashes(operator: AsyncConnection) -> frozenset[bytes]:
    """Of all keys that are not revoked."""
    return frozenset(bytes(row[0]) for row in await (await operator.execute(SELECT_HASHES)).fetchall())


SELECT_PAGE = """
SELECT id, tenant_id, scopes, display_name, created_at, revoked_at
FROM api_keys
WHERE (created_at, id) < (%(before_time)s, %(before_id)s)
    AND (%(tenant_id)s::uuid IS NULL OR tenant_id = %(tenant_id)s)
ORDER BY created_at DESC, id DESC LIMIT %(limit)s
"""


async def page(
    operator: AsyncConnection, *, before: tuple[datetime, UUID], tenant_id: UUID | None, limit: int
) -> list[ApiKey]:
    """Newest first, before the given creation time and id."""
    async with operator.cursor(row_factory=class_row(ApiKey)) as cursor:
        parameters = {
            "before_time": before[0],
            "before_id": before[1],
            "tenant_id": tenant_id,
            "limit": limit,
        }
        await cursor.execute(SELECT_PAGE, parameters)
        return await cursor.fetchall()


REVOKE = """
UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = %(key_id)s
RETURNING id, tenant_id, scopes, display_name, created_at, revoked_at
"""


async def revoke(operator: AsyncConnection, key_id: UUID) -> ApiKey | None:
    async with operator.cursor(row_factory=class_row(ApiKey)) as cursor:
        await cursor.execute(REVOKE, {"key_id": key_id})
        return await cursor.fetchone()
