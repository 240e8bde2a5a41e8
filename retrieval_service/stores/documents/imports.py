"""Where each import stands, so that a broken connection goes on after the last stored document, and what it did."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from retrieval_service.domain.documents.documents import Draft, content_hash
from retrieval_service.domain.documents.stored import DocumentKey, Progress
from retrieval_service.errors import Conflict, Violation
from retrieval_service.stores.database import TenantScope, only
from retrieval_service.stores.documents.documents import are_long

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


# The earlier state of what is going to change; a document that the import changed before keeps its first one.
REMEMBER = """
WITH changing AS MATERIALIZED (
    SELECT d.* FROM jsonb_to_recordset(%(rows)s) AS r(source_type text, external_id text, content_hash text)
    JOIN documents d ON d.tenant_id = %(tenant_id)s AND d.source_type = r.source_type
        AND d.external_id = r.external_id
    WHERE d.content_hash IS DISTINCT FROM decode(r.content_hash, 'hex') OR d.is_deleted
    ORDER BY d.source_type, d.external_id FOR UPDATE OF d
)
INSERT INTO import_items (tenant_id, import_id, document_id, version, previous)
SELECT tenant_id, %(import_id)s, id, version, jsonb_build_object(
    'parent_id', parent_id, 'title', title, 'section', section, 'tags', tags, 'content', content,
    'content_type', content_type, 'language', language, 'url', url, 'metadata', metadata,
    'content_hash', encode(content_hash, 'hex'), 'is_deleted', is_deleted)
FROM changing
ON CONFLICT (tenant_id, import_id, document_id) DO NOTHING
"""


async def remember(scope: TenantScope, import_id: UUID, drafts: Sequence[Draft]) -> None:
    """To be called right before the drafts are stored, in the same transaction."""
    rows = await asyncio.to_thread(_hashed, drafts) if are_long(drafts) else _hashed(drafts)
    parameters = {"tenant_id": scope.tenant_id, "import_id": import_id, "rows": Jsonb(rows)}
    await scope.connection.execute(REMEMBER, parameters)


def _hashed(drafts: Sequence[Draft]) -> list[dict[str, str]]:
    return [{**asdict(draft.key), "content_hash": content_hash(draft).hex()} for draft in drafts]


NOTE = """
INSERT INTO import_items (tenant_id, import_id, document_id, version)
SELECT d.tenant_id, %(import_id)s, d.id, d.version
FROM jsonb_to_recordset(%(keys)s) AS k(source_type text, external_id text)
JOIN documents d ON d.tenant_id = %(tenant_id)s AND d.source_type = k.source_type
    AND d.external_id = k.external_id
ON CONFLICT (tenant_id, import_id, document_id) DO UPDATE SET version = excluded.version
"""


async def note(scope: TenantScope, import_id: UUID, keys: Iterable[DocumentKey]) -> None:
    """To be called right after the documents with these keys were made or changed, in the same transaction."""
    named = Jsonb([asdict(key) for key in keys])
    await scope.connection.execute(
        NOTE, {"tenant_id": scope.tenant_id, "import_id": import_id, "keys": named}
    )


RECORD_PROBLEMS = """
INSERT INTO import_problems (tenant_id, import_id, sequence, violations)
SELECT %(tenant_id)s, %(import_id)s, p.sequence, p.violations
FROM unnest(%(sequences)s::bigint[], %(violations)s::text[]) AS p (sequence, violations)
ON CONFLICT (tenant_id, import_id, sequence) DO UPDATE SET violations = excluded.violations
"""


async def record_problems(
    scope: TenantScope, import_id: UUID, problems: Mapping[int, Sequence[Violation]]
) -> None:
    """Why documents were refused, by their sequence numbers; in the transaction that stored the others."""
    parameters = {
        "tenant_id": scope.tenant_id,
        "import_id": import_id,
        "sequences": list(problems),
        "violations": [_told(violations) for violations in problems.values()],
    }
    await scope.connection.execute(RECORD_PROBLEMS, parameters)


SELECT_PROBLEMS = """
SELECT sequence, violations FROM import_problems
WHERE tenant_id = %(tenant_id)s AND import_id = %(import_id)s AND sequence > %(after)s
ORDER BY sequence LIMIT %(limit)s
"""


async def problems(
    scope: TenantScope, import_id: UUID, *, after: int, limit: int
) -> list[tuple[int, list[Violation]]]:
    """In the order of the sequence numbers; -1 is before all."""
    parameters = {"tenant_id": scope.tenant_id, "import_id": import_id, "after": after, "limit": limit}
    cursor = await scope.connection.execute(SELECT_PROBLEMS, parameters)
    return [
        (sequence, [Violation(*one) for one in json.loads(told)])
        for sequence, told in await cursor.fetchall()
    ]


def _told(violations: Sequence[Violation]) -> str:
    """In ASCII, which carries every character that may be what is wrong."""
    return json.dumps([[one.field, one.description] for one in violations])


EXISTS = "SELECT EXISTS (SELECT FROM imports WHERE tenant_id = %(tenant_id)s AND id = %(import_id)s)"


async def exists(scope: TenantScope, import_id: UUID) -> bool:
    cursor = await scope.connection.execute(EXISTS, {"tenant_id": scope.tenant_id, "import_id": import_id})
    return only(await cursor.fetchone())[0]


@dataclass(frozen=True, kw_only=True)
class Done:
    """A document that an import made or changed; `untouched` when nobody changed it since."""

    document_id: UUID
    created: bool
    untouched: bool


LOCK_ITEMS = """
SELECT i.document_id, i.previous IS NULL AS created, i.version = d.version AS untouched
FROM import_items i JOIN documents d ON d.tenant_id = i.tenant_id AND d.id = i.document_id
WHERE i.tenant_id = %(tenant_id)s AND i.import_id = %(import_id)s
ORDER BY d.source_type, d.external_id FOR UPDATE OF d
"""


async def lock_items(scope: TenantScope, import_id: UUID) -> list[Done]:
    """What the import did; nobody changes these documents until the transaction ends."""
    async with scope.connection.cursor(row_factory=class_row(Done)) as cursor:
        await cursor.execute(LOCK_ITEMS, {"tenant_id": scope.tenant_id, "import_id": import_id})
        return await cursor.fetchall()


DELETE_CREATED = """
UPDATE documents d SET is_deleted = true FROM import_items i
WHERE i.tenant_id = %(tenant_id)s AND i.import_id = %(import_id)s AND i.previous IS NULL
    AND d.tenant_id = i.tenant_id AND d.id = i.document_id AND d.id = ANY(%(ids)s)
"""

# A parent that was purged meanwhile is not brought back.
RESTORE_CHANGED = """
UPDATE documents d SET title = p.title, section = p.section, tags = p.tags, content = p.content,
    content_type = p.content_type, language = p.language, url = p.url, metadata = p.metadata,
    content_hash = decode(p.content_hash, 'hex'), is_deleted = p.is_deleted,
    parent_id = (SELECT up.id FROM documents up WHERE up.tenant_id = d.tenant_id AND up.id = p.parent_id)
FROM import_items i, jsonb_to_record(i.previous) AS p(parent_id uuid, title text, section text, tags text[],
    content text, content_type text, language text, url text, metadata jsonb, content_hash text,
    is_deleted boolean)
WHERE i.tenant_id = %(tenant_id)s AND i.import_id = %(import_id)s AND i.previous IS NOT NULL
    AND d.tenant_id = i.tenant_id AND d.id = i.document_id AND d.id = ANY(%(ids)s)
"""

FORGET = """
DELETE FROM import_items
WHERE tenant_id = %(tenant_id)s AND import_id = %(import_id)s AND document_id = ANY(%(ids)s)
"""


async def undo(scope: TenantScope, import_id: UUID, document_ids: Sequence[UUID]) -> None:
    """Deletes what the import made, restores what it changed, and forgets that it did.

    Raises `Conflict` when documents were moved since in a way that leaves no room for an earlier parent.
    """
    parameters = {"tenant_id": scope.tenant_id, "import_id": import_id, "ids": list(document_ids)}
    try:
        for statement in (DELETE_CREATED, RESTORE_CHANGED, FORGET):
            await scope.connection.execute(statement, parameters)
    except psycopg.errors.CheckViolation as error:
        raise Conflict(f"an earlier parent is impossible now: {error.diag.message_primary}") from error
