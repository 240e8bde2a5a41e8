"""What was done to a tenant's documents at the retrieval provider: by whom, how long it took, how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from retrieval_service.stores.database import TenantScope


@dataclass(frozen=True, kw_only=True)
class Entry:
    """`actor` is worker, repair or manual; `outcome` done or failed; `request_id` the one who asked for it.

    `error` is in our words: the provider's own may quote the document.
    """

    actor: str
    action: str
    outcome: str
    store_id: str = ""
    document_ids: Sequence[UUID] = ()
    file_ids: Sequence[str] = ()
    byte_count: int = 0
    duration_ms: int = 0
    error: str = ""
    request_id: str = ""


@dataclass(frozen=True, kw_only=True)
class LoggedEntry(Entry):
    """Ids grow with time within a tenant."""

    id: int
    happened_at: datetime


RECORD = """
INSERT INTO sync_log (tenant_id, actor, action, store_id, document_ids, file_ids, byte_count, duration_ms, outcome,
    error, request_id)
VALUES (%(tenant_id)s, %(actor)s, %(action)s, %(store_id)s, %(document_ids)s, %(file_ids)s, %(byte_count)s,
    %(duration_ms)s, %(outcome)s, %(error)s, %(request_id)s)
"""


async def record(scope: TenantScope, entry: Entry) -> None:
    parameters = {
        **asdict(entry),
        "tenant_id": scope.tenant_id,
        "document_ids": list(entry.document_ids),
        "file_ids": list(entry.file_ids),
    }
    await scope.connection.execute(RECORD, parameters)


SELECT_PAGE = """
SELECT id, happened_at, actor, action, store_id, document_ids, file_ids, byte_count, duration_ms, outcome, error,
    request_id
FROM sync_log
WHERE tenant_id = %(tenant_id)s AND id < %(before_id)s
    AND (%(document_id)s::uuid IS NULL OR %(document_id)s = ANY(document_ids))
    AND (%(outcome)s = '' OR outcome = %(outcome)s)
ORDER BY id DESC LIMIT %(limit)s
"""


async def page(
    scope: TenantScope, *, before_id: int, document_id: UUID | None, outcome: str, limit: int
) -> list[LoggedEntry]:
    """Newest first, before the given id; of one document or all, of one outcome or, when it is empty, of both."""
    async with scope.connection.cursor(row_factory=class_row(LoggedEntry)) as cursor:
        parameters = {
            "tenant_id": scope.tenant_id,
            "before_id": before_id,
            "document_id": document_id,
            "outcome": outcome,
            "limit": limit,
        }
        await cursor.execute(SELECT_PAGE, parameters)
        return await cursor.fetchall()


PRUNE = "DELETE FROM sync_log WHERE happened_at < now() - make_interval(days => %(days)s)"


async def prune(operator: AsyncConnection, *, days: int) -> int:
    """Forgets entries of all tenants that are older; returns how many."""
    return (await operator.execute(PRUNE, {"days": days})).rowcount
