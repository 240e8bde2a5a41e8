"""Which store at the retrieval provider is each tenant's."""

from __future__ import annotations

from uuid import UUID

from psycopg import AsyncConnection

from retrieval_service.stores.database import TenantScope

LOCK = "SELECT pg_advisory_lock(6172639, hashtext(%(tenant_id)s::uuid::text))"


async def lock_creation(owner: AsyncConnection, tenant_id: UUID) -> None:
    """Until the connection ends nobody else makes a store for the tenant; whoever is about to is waited for."""
    await owner.execute(LOCK, {"tenant_id": tenant_id})


SELECT = "SELECT store_id FROM vector_stores WHERE tenant_id = %(tenant_id)s"


async def get(scope: TenantScope) -> str | None:
    """None while the tenant has no store."""
    cursor = await scope.connection.execute(SELECT, {"tenant_id": scope.tenant_id})
    row = await cursor.fetchone()
    return row[0] if row else None


PUT = """
INSERT INTO vector_stores (tenant_id, store_id) VALUES (%(tenant_id)s, %(store_id)s)
ON CONFLICT (tenant_id) DO UPDATE SET store_id = excluded.store_id, created_at = now()
"""


async def put(scope: TenantScope, store_id: str) -> None:
    """Instead of any store the tenant had before."""
    await scope.connection.execute(PUT, {"tenant_id": scope.tenant_id, "store_id": store_id})


REMOVE = "DELETE FROM vector_stores WHERE tenant_id = %(tenant_id)s"


async def remove(scope: TenantScope) -> None:
    await scope.connection.execute(REMOVE, {"tenant_id": scope.tenant_id})
