"""Rows of sources that an index job was told of and has still to read, and the documents it follows for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from retrieval_service.domain.indexing.index_jobs import ChangedRows
from retrieval_service.stores.database import TenantScope, only


@dataclass(frozen=True, kw_only=True)
class Change:
    """Rows to be read at once; without ids whatever changed, or every row. `attempts` counts this one."""

    tenant_id: UUID
    id: int
    index_job_id: UUID
    source: str
    ids: list[str]
    every_row: bool = False
    attempts: int


# The job must be locked, or new: otherwise it may end at the same moment.
ADD = """
WITH added AS (
    INSERT INTO index_job_changes (tenant_id, index_job_id, source, ids, every_row)
    VALUES (%(tenant_id)s, %(index_job_id)s, %(source)s, %(ids)s, %(every_row)s)
    RETURNING tenant_id, index_job_id, cardinality(ids) AS count
)
UPDATE index_jobs j SET total_count = total_count + added.count FROM added
WHERE j.tenant_id = added.tenant_id AND j.id = added.index_job_id
"""


async def add(scope: TenantScope, index_job_id: UUID, changed: ChangedRows) -> None:
    """The job does not end before these are read; it must be locked, or new."""
    parameters = {
        "tenant_id": scope.tenant_id,
        "index_job_id": index_job_id,
        "source": changed.source,
        "ids": list(changed.ids),
        "every_row": changed.every_row,
    }
    await scope.connection.execute(ADD, parameters)


# The tenants that wait stand in a ring by their ids, which is gone round from the one served last on; each step is one
# look into the primary key, however many rows a tenant has waiting.
CLAIM = """
WITH RECURSIVE waiting AS (
    (SELECT tenant_id FROM index_job_changes ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT following.tenant_id FROM waiting w, LATERAL (
        SELECT c.tenant_id FROM index_job_changes c WHERE c.tenant_id > w.tenant_id ORDER BY c.tenant_id LIMIT 1
    ) AS following
),
turn AS (
    SELECT w.tenant_id FROM waiting w
    WHERE EXISTS (SELECT FROM index_job_changes c WHERE c.tenant_id = w.tenant_id AND c.due_at <= now())
    ORDER BY w.tenant_id <= %(after)s, w.tenant_id LIMIT 1
)
UPDATE index_job_changes SET attempts = attempts + 1, due_at = now() + make_interval(secs => %(lease_seconds)s)
WHERE (tenant_id, id) IN (
    SELECT c.tenant_id, c.id FROM index_job_changes c JOIN turn USING (tenant_id)
    WHERE c.due_at <= now() ORDER BY c.id LIMIT 1 FOR UPDATE OF c SKIP LOCKED)
RETURNING tenant_id, id, index_job_id, source, ids, every_row, attempts
"""


async def claim(operator: AsyncConnection, *, after: UUID, lease_seconds: float) -> Change | None:
    """The oldest of the tenant whose turn it is `after` that one; nobody else reads them until the lease is over."""
    async with operator.cursor(row_factory=class_row(Change)) as cursor:
        await cursor.execute(CLAIM, {"after": after, "lease_seconds": lease_seconds})
        return await cursor.fetchone()


EXTEND = """
UPDATE index_job_changes SET due_at = now() + make_interval(secs => %(lease_seconds)s)
WHERE tenant_id = %(tenant_id)s AND id = %(change_id)s
"""


async def extend(scope: TenantScope, change: Change, *, lease_seconds: float) -> None:
    """Nobody else reads these rows for so long from now on."""
    parameters = {"tenant_id": scope.tenant_id, "change_id": change.id, "lease_seconds": lease_seconds}
    await scope.connection.execute(EXTEND, parameters)


POSTPONE = """
UPDATE index_job_changes SET attempts = attempts - 1, due_at = now() + make_interval(secs => %(delay_seconds)s)
WHERE tenant_id = %(tenant_id)s AND id = %(change_id)s
"""


async def postpone(scope: TenantScope, change: Change, *, delay_seconds: float) -> None:
    """For later, as if this attempt had not been."""
    parameters = {"tenant_id": scope.tenant_id, "change_id": change.id, "delay_seconds": delay_seconds}
    await scope.connection.execute(POSTPONE, parameters)


# A row leaves as it is counted: reading it again after a worker's death counts nothing twice. What was read and
# had not changed is counted as skipped at the end, as the rest of the total.
FINISH = """
WITH finished AS (
    DELETE FROM index_job_changes WHERE tenant_id = %(tenant_id)s AND id = %(change_id)s
    RETURNING tenant_id, index_job_id, cardinality(ids) = 0 AS is_scan
)
UPDATE index_jobs j SET failed_count = failed_count + %(failed_count)s,
    processed_count = processed_count + %(failed_count)s,
    total_count = total_count + CASE WHEN is_scan THEN %(failed_count)s ELSE 0 END,
    error = left(concat_ws('; ', nullif(error, ''), nullif(%(error)s, '')), 1000),
    row_error = left(concat_ws('; ', nullif(row_error, ''), nullif(%(row_error)s, '')), 1000)
FROM finished WHERE j.tenant_id = finished.tenant_id AND j.id = finished.index_job_id
"""


async def finish(
    scope: TenantScope, change: Change, *, failed_count: int, error: str = "", row_error: str = ""
) -> None:
    """These rows are read; with an error the job will have failed when it ends. The job must be locked."""
    parameters = {
        "tenant_id": scope.tenant_id,
        "change_id": change.id,
        "failed_count": failed_count,
        "error": error,
        "row_error": row_error,
    }
    await scope.connection.execute(FINISH, parameters)


COUNT = "SELECT count(*) FROM index_job_changes WHERE tenant_id = %(tenant_id)s AND index_job_id = %(index_job_id)s"


async def count(scope: TenantScope, index_job_id: UUID) -> int:
    """How many readings of the job are still to be made."""
    cursor = await scope.connection.execute(
        COUNT, {"tenant_id": scope.tenant_id, "index_job_id": index_job_id}
    )
    return only(await cursor.fetchone())[0]


FORGET = "DELETE FROM index_job_changes WHERE tenant_id = %(tenant_id)s AND index_job_id = %(index_job_id)s"


async def forget(scope: TenantScope, index_job_id: UUID) -> None:
    """What is not read will not be."""
    await scope.connection.execute(FORGET, {"tenant_id": scope.tenant_id, "index_job_id": index_job_id})


# A document that is waited for already, and changes again, is waited for until its last change is indexed.
FOLLOW = """
WITH followed AS (
    INSERT INTO index_job_documents (tenant_id, document_id, index_job_id)
    SELECT tenant_id, id, %(index_job_id)s FROM documents
    WHERE tenant_id = %(tenant_id)s AND source_type = %(source_type)s AND external_id = ANY(%(external_ids)s)
    ORDER BY id
    ON CONFLICT (tenant_id, document_id) DO UPDATE SET outcome = NULL
    RETURNING xmax = 0 AS is_new
)
UPDATE index_jobs SET total_count = total_count + (SELECT count(*) FROM followed WHERE is_new AND %(is_scan)s)
WHERE tenant_id = %(tenant_id)s AND id = %(index_job_id)s
"""


async def follow(
    scope: TenantScope, index_job_id: UUID, source_type: str, external_ids: Sequence[str], *, is_scan: bool
) -> None:
    """The job waits for these documents too, in the transaction that changes them; it must be locked.

    A scan does not know beforehand how many there are, so they raise the total.
    """
    parameters = {
        "tenant_id": scope.tenant_id,
        "index_job_id": index_job_id,
        "source_type": source_type,
        "external_ids": list(external_ids),
        "is_scan": is_scan,
    }
    await scope.connection.execute(FOLLOW, parameters)


# A job that looks at every document anyway goes on where it is; `mode` is the one it had before.
WIDEN = """
UPDATE index_jobs SET mode = %(mode)s, is_walked = mode = 'all' AND is_walked,
    last_document_id = CASE WHEN mode = 'all' THEN last_document_id
        ELSE '00000000-0000-0000-0000-000000000000' END,
    total_count = total_count + CASE WHEN state = 'running' AND mode <> 'all' THEN (
        SELECT count(*) FROM documents d WHERE d.tenant_id = %(tenant_id)s AND NOT d.is_deleted
            AND (%(mode)s <> 'missing' OR d.sync_status <> 'synced')) ELSE 0 END
WHERE tenant_id = %(tenant_id)s AND id = %(index_job_id)s
"""


async def widen(scope: TenantScope, index_job_id: UUID, mode: str) -> None:
    """The job looks at the documents of a mode that asks for more than its own; it must be locked."""
    parameters = {"tenant_id": scope.tenant_id, "index_job_id": index_job_id, "mode": mode}
    await scope.connection.execute(WIDEN, parameters)
