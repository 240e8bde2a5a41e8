"""Where each import stands, so that a broken connection goes on after the last stored document."""

from __future__ import annotations

from uuid import UUID

from psycopg.rows import class_row

from retrieval_service.domain.records import Progress
from retrieval_service.stores.database import TenantScope, only

# The row is locked to the end of the transaction: two connections cannot feed one import at a time.
BEGIN = """
INSERT INTO imports (tenant_id, id) VALUES (%(tenant_id)s, %(import_id)s)
ON CONFLICT (tenant_id, id) DO UPDATE SET next_sequence = imports.next_sequence
RETURNING next_sequence, created_count, updated_count, unchanged_count, failed_count
"""


async def begin(scope: TenantScope, import_id: UUID) -> Progress:
    """Where the import stands; a new one stands at 0."""
    async with scope.connection.cursor(row_factory=class_row(Progress)) as cursor:
        await cursor.execute(BEGIN, {"tenant_id": scope.tenant_id, "import_id": import_id})
        return only(await cursor.fetchone())


SAVE = """
UPDATE imports SET next_sequence = %(next_sequence)s, created_count = %(created_count)s,
    updated_count = %(updated_count)s, unchanged_count = %(unchanged_count)s, failed_count = %(failed_count)s
WHERE tenant_id = %(tenant_id)s AND id = %(import_id)s
"""


async def save(scope: TenantScope, import_id: UUID, progress: Progress) -> None:
    """To be called in the transaction that stored the documents."""
    parameters = {
        "tenant_id": scope.tenant_id,
        "import_id": import_id,
        "next_sequence": progress.next_sequence,
        "created_count": progress.created_count,
        "updated_count": progress.updated_count,
        "unchanged_count": progress.unchanged_count,
        "failed_count": progress.failed_count,
    }
    await scope.connection.execute(SAVE, parameters)
