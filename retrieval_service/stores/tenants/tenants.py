"""Tenants: names, settings and public keys; deleted ones stay and can be taken back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from retrieval_service.domain.tenants.tenants import Tenant
from retrieval_service.stores.database import only

INSERT = """
WITH tenant AS (
    INSERT INTO tenants (name, settings, space_id, is_mirrored)
    VALUES (%(name)s, %(settings)s, %(space_id)s, %(is_mirrored)s)
    RETURNING id, public_key, name, settings, space_id, version, created_at, updated_at, deleted_at
),
space AS (INSERT INTO tenant_spaces (tenant_id, space_id, state) SELECT id, space_id, 'active' FROM tenant)
SELECT id, public_key, name, settings, space_id, version, created_at, updated_at, deleted_at FROM tenant
"""


async def insert(
    operator: AsyncConnection,
    *,
    name: str,
    settings: Mapping[str, Any],
    space_id: int,
    is_mirrored: bool = False,
) -> Tenant:
    parameters = {
        "name": name,
        "settings": Jsonb(settings),
        "space_id": space_id,
        "is_mirrored": is_mirrored,
    }
    async with operator.cursor(row_factory=class_row(Tenant)) as cursor:
        await cursor.execute(INSERT, parameters)
        return only(await cursor.fetchone())


SELECT = """
SELECT id, public_key, name, settings, space_id, version, created_at, updated_at, deleted_at
FROM tenants WHERE id = %(tenant_id)s
"""


async def get(connection: AsyncConnection, tenant_id: UUID) -> Tenant | None:
    """Any tenant through the operator's door, the own one through a tenant's."""
    return await _first(connection, SELECT, {"tenant_id": tenant_id})


SELECT_BY_PUBLIC_KEY = """
SELECT id, public_key, name, settings, space_id, version, created_at, updated_at, deleted_at
FROM tenants WHERE public_key = %(public_key)s AND deleted_at IS NULL
"""


async def get_by_public_key(operator: AsyncConnection, public_key: UUID) -> Tenant | None:
    """Only a tenant that is not deleted."""
    return await _first(operator, SELECT_BY_PUBLIC_KEY, {"public_key": public_key})


SELECT_PAGE = """
SELECT id, public_key, name, settings, space_id, version, created_at, updated_at, deleted_at
FROM tenants
WHERE (created_at, id) > (%(after_time)s, %(after_id)s) AND (%(deleted_too)s OR deleted_at IS NULL)
ORDER BY created_at, id LIMIT %(limit)s
"""


async def page(
    operator: AsyncConnection, *, after: tuple[datetime, UUID], deleted_too: bool, limit: int
) -> list[Tenant]:
    """Oldest first, after the given creation time and id."""
    async with operator.cursor(row_factory=class_row(Tenant)) as cursor:
        parameters = {
            "after_time": after[0],
            "after_id": after[1],
            "deleted_too": deleted_too,
            "limit": limit,
        }
        await cursor.execute(SELECT_PAGE, parameters)
        return await cursor.fetchall()


UPDATE = """
UPDATE tenants SET name = %(name)s, settings = %(settings)s, version = version + 1, updated_at = now()
WHERE id = %(tenant_id)s AND version = %(version)s
RETURNING id, public_key, name, settings, space_id, version, created_at, updated_at, deleted_at
"""


async def update(
    operator: AsyncConnection, tenant_id: UUID, *, version: int, name: str, settings: Mapping[str, Any]
) -> Tenant | None:
    """None when the tenant is not at this version any more."""
    parameters = {"tenant_id": tenant_id, "version": version, "name": name, "settings": Jsonb(settings)}
    return await _first(operator, UPDATE, parameters)


# Nobody pays a provider for keeping what nobody may read; if the tenant is taken back, it is sent again.
SET_DELETED = """
UPDATE tenants
SET deleted_at = CASE WHEN %(deleted)s THEN coalesce(deleted_at, now()) END, version = version + 1,
    updated_at = now(), leaves_provider = leaves_provider OR (%(deleted)s AND EXISTS (
        SELECT FROM vector_stores v WHERE v.tenant_id = tenants.id))
WHERE id = %(tenant_id)s AND (%(version)s::bigint IS NULL OR version = %(version)s)
RETURNING id, public_key, name, settings, space_id, version, created_at, updated_at, deleted_at
"""


async def set_deleted(
    operator: AsyncConnection, tenant_id: UUID, *, deleted: bool, version: int | None = None
) -> Tenant | None:
    """None when there is no such tenant, or it is not at the version any more."""
    parameters = {"tenant_id": tenant_id, "deleted": deleted, "version": version}
    return await _first(operator, SET_DELETED, parameters)


ROTATE_PUBLIC_KEY = """
UPDATE tenants SET public_key = gen_random_uuid(), version = version + 1, updated_at = now()
WHERE id = %(tenant_id)s
RETURNING id, public_key, name, settings, space_id, version, created_at, updated_at, deleted_at
"""


async def rotate_public_key(operator: AsyncConnection, tenant_id: UUID) -> Tenant | None:
    return await _first(operator, ROTATE_PUBLIC_KEY, {"tenant_id": tenant_id})


SELECT_LIVING = "SELECT id FROM tenants WHERE deleted_at IS NULL ORDER BY id"


async def living(operator: AsyncConnection) -> list[UUID]:
    """The ids of all tenants that are not deleted."""
    cursor = await operator.execute(SELECT_LIVING)
    return [row[0] for row in await cursor.fetchall()]


async def _first(
    connection: AsyncConnection, statement: LiteralString, parameters: Mapping[str, Any]
) -> Tenant | None:
    async with connection.cursor(row_factory=class_row(Tenant)) as cursor:
        await cursor.execute(statement, parameters)
        return await cursor.fetchone()
