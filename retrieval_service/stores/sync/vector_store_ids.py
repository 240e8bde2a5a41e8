"""Which store at the retrieval provider is each tenant's."""

from __future__ import annotations

from uuid import UUID

from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation

from retrieval_service.errors import AlreadyExists
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


SELECT_IS_ADOPTED = "SELECT is_adopted FROM vector_stores WHERE tenant_id = %(tenant_id)s"


async def is_adopted(scope: TenantScope) -> bool:
    """Whether the tenant's store was given to it, and holds what is not its own."""
    cursor = await scope.connection.execute(SELECT_IS_ADOPTED, {"tenant_id": scope.tenant_id})
    row = await cursor.fetchone()
    return bool(row and row[0])


PUT = """
INSERT INTO vector_stores (tenant_id, store_id) VALUES (%(tenant_id)s, %(store_id)s)
ON CONFLICT (tenant_id) DO UPDATE SET store_id = excluded.store_id, created_at = now(), is_adopted = false
"""


async def put(scope: TenantScope, store_id: str) -> None:
    """Instead of any store the tenant had before."""
    await scope.connection.execute(PUT, {"tenant_id": scope.tenant_id, "store_id": store_id})


ADOPT = """
INSERT INTO vector_stores (tenant_id, store_id, is_adopted) VALUES (%(tenant_id)s, %(store_id)s, true)
"""


async def adopt(scope: TenantScope, store_id: str) -> None:
    """For a tenant without a store. Raises `AlreadyExists` when another tenant has this one."""
    try:
        await scope.connection.execute(ADOPT, {"tenant_id": scope.tenant_id, "store_id": store_id})
    except UniqueViolation as error:
        raise AlreadyExists("another tenant has this vector store") from error


REMOVE = "DELETE FROM vector_stores WHERE tenant_id = %(tenant_id)s"


async def remove(scope: TenantScope) -> None:
    await scope.connection.execute(REMOVE, {"tenant_id": scope.tenant_id})
