"""Which backend each tenant asks for, and whether its documents are mirrored at the provider."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import kwargs_row

from retrieval_service.domain.retrieval.backends import Choice, Standing
from retrieval_service.stores.database import TenantScope

# A new document may be missed for a minute where many others are held. Both counts are bounded.
SELECT = """
SELECT t.backend AS choice, t.shadow_share, t.is_mirrored, t.leaves_provider, coalesce(v.store_id, '') AS store_id,
    coalesce(v.is_adopted, false) AS is_adopted,
    coalesce(waiting.since < now() - interval '1 minute', false) OR waiting.count * 10 > held.count AS is_filling
FROM tenants t LEFT JOIN vector_stores v ON v.tenant_id = t.id
CROSS JOIN LATERAL (
    SELECT min(created_at) AS since, count(*) AS count FROM (
        SELECT d.created_at FROM documents d
        WHERE d.tenant_id = t.id AND d.remote_status = 'pending' AND NOT d.is_deleted AND NOT EXISTS (
            SELECT FROM document_files f
            WHERE f.tenant_id = d.tenant_id AND f.document_id = d.id AND f.role = 'primary'
                AND f.store_id = v.store_id)
        ORDER BY d.created_at LIMIT 51) AS first_ones) AS waiting
CROSS JOIN LATERAL (
    SELECT count(*) AS count FROM (
        SELECT FROM document_files f
        WHERE f.tenant_id = t.id AND f.role = 'primary' AND f.store_id = v.store_id LIMIT 510) AS first_ones) AS held
WHERE t.id = %(tenant_id)s
"""


async def standing(scope: TenantScope) -> Standing | None:
    """None for a tenant that is gone."""
    async with scope.connection.cursor(row_factory=kwargs_row(_standing)) as cursor:
        await cursor.execute(SELECT, {"tenant_id": scope.tenant_id})
        return await cursor.fetchone()


def _standing(*, choice: str, **columns: Any) -> Standing:
    return Standing(choice=Choice(choice), **columns)


CHOOSE = """
UPDATE tenants SET backend = %(choice)s, shadow_share = %(shadow_share)s
WHERE id = %(tenant_id)s
"""


async def choose(operator: AsyncConnection, tenant_id: UUID, choice: Choice, *, shadow_share: float) -> None:
    parameters = {"tenant_id": tenant_id, "choice": choice.value, "shadow_share": shadow_share}
    await operator.execute(CHOOSE, parameters)


# Who leaves the provider comes back only when it is gone from there.
MISMATCHED = """
SELECT id, NOT is_mirrored FROM tenants
WHERE (%(tenant_id)s::uuid IS NULL OR id = %(tenant_id)s)
    AND is_mirrored <> (%(is_possible)s AND deleted_at IS NULL AND NOT leaves_provider
        AND (shadow_share > 0 OR backend = 'openai' OR (backend = 'default' AND %(uses_openai)s)))
"""


async def mismatched(
    operator: AsyncConnection, *, is_possible: bool, uses_openai: bool, tenant_id: UUID | None = None
) -> dict[UUID, bool]:
    """Tenants whose documents are mirrored and should not be, or the other way round; with what should be."""
    parameters = {"is_possible": is_possible, "uses_openai": uses_openai, "tenant_id": tenant_id}
    cursor = await operator.execute(MISMATCHED, parameters)
    return {row[0]: row[1] for row in await cursor.fetchall()}


MIRROR = "UPDATE tenants SET is_mirrored = %(is_mirrored)s WHERE id = %(tenant_id)s"


async def mirror(operator: AsyncConnection, tenant_id: UUID, *, is_mirrored: bool) -> None:
    await operator.execute(MIRROR, {"tenant_id": tenant_id, "is_mirrored": is_mirrored})


LEAVE = "UPDATE tenants SET leaves_provider = true WHERE id = %(tenant_id)s"


async def leave(operator: AsyncConnection, tenant_id: UUID) -> None:
    """What the provider holds of the tenant is to be removed."""
    await operator.execute(LEAVE, {"tenant_id": tenant_id})


SELECT_LEAVING = "SELECT id FROM tenants WHERE leaves_provider AND NOT is_mirrored ORDER BY id"


async def leaving(operator: AsyncConnection) -> list[UUID]:
    """Tenants, deleted ones included, of which the provider is to hold nothing and may still hold something."""
    return [row[0] for row in await (await operator.execute(SELECT_LEAVING)).fetchall()]


LEFT = "UPDATE tenants SET leaves_provider = false WHERE id = %(tenant_id)s"


async def left(operator: AsyncConnection, tenant_id: UUID) -> None:
    """The provider holds nothing of the tenant any more."""
    await operator.execute(LEFT, {"tenant_id": tenant_id})
