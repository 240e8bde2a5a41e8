"""Which backend each tenant asks for, and whether its documents are mirrored at the provider."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import kwargs_row

from retrieval_service.domain.backends import Choice, Standing
from retrieval_service.stores.database import TenantScope

# New documents reach the provider within seconds; what has waited for longer would be missed there.
SELECT = """
SELECT t.backend AS choice, t.shadow_share, t.is_mirrored, coalesce(v.store_id, '') AS store_id,
    EXISTS (
        SELECT FROM documents d
        WHERE d.tenant_id = t.id AND d.remote_status = 'pending' AND d.openai_primary_file_id = ''
            AND NOT d.is_deleted AND d.created_at < now() - interval '1 minute') AS is_filling
FROM tenants t LEFT JOIN vector_stores v ON v.tenant_id = t.id
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


# A deleted tenant may be taken back, so it is kept as it is.
MISMATCHED = """
SELECT id, NOT is_mirrored FROM tenants
WHERE (%(tenant_id)s::uuid IS NULL OR id = %(tenant_id)s)
    AND is_mirrored <> (%(is_possible)s AND (shadow_share > 0 OR backend = 'openai'
                                            OR (backend = 'default' AND %(uses_openai)s)))
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
