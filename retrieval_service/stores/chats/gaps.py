"""Questions without a good answer, in groups; whatever a group says of itself is read from the chat log."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from retrieval_service.domain.indexing.spaces import Vector
from retrieval_service.domain.insights.insights import Gap, GapExample, GapStatus
from retrieval_service.stores.database import TenantScope

ROWS_READ_AT_A_TIME = 100


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A tenant with questions to be grouped; `arrivals` grows with each new one."""

    tenant_id: UUID
    arrivals: int


@dataclass(frozen=True, kw_only=True)
class Ungrouped:
    """A question that belongs to no group yet."""

    answer_id: UUID
    question: str
    language: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Leader:
    """The first question of a group; `vector` is None unless it is of the space that was asked for."""

    gap_id: UUID
    question: str
    language: str
    vector: Vector | None


CLAIM = """
UPDATE gap_inbox SET due_at = now() + make_interval(secs => %(pause_seconds)s)
WHERE tenant_id = (
    SELECT tenant_id FROM gap_inbox WHERE due_at <= now() ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING tenant_id, arrivals
"""


async def claim(operator: AsyncConnection, *, pause_seconds: float) -> Waiting | None:
    """A tenant to be served now; after the pause, or when another question comes, it is due again."""
    async with operator.cursor(row_factory=class_row(Waiting)) as cursor:
        await cursor.execute(CLAIM, {"pause_seconds": pause_seconds})
        return await cursor.fetchone()


EMPTY = "DELETE FROM gap_inbox WHERE tenant_id = %(tenant_id)s AND arrivals = %(arrivals)s"


async def empty_inbox(scope: TenantScope, arrivals: int) -> None:
    """Leaves the tenant in the inbox when more questions came meanwhile."""
    await scope.connection.execute(EMPTY, {"tenant_id": scope.tenant_id, "arrivals": arrivals})


# One process groups the questions of a tenant at a time.
LOCK = "SELECT pg_advisory_xact_lock(6172638, hashtext(%(tenant_id)s::uuid::text))"


async def lock(scope: TenantScope) -> None:
    await scope.connection.execute(LOCK, {"tenant_id": scope.tenant_id})


# What perhaps helped is a question for the owner until a customer says that it did.
# A follow-up is grouped, and asked again, as it was understood: "and the warranty?" is one of many questions.
UNGROUPED = """
SELECT id AS answer_id, coalesce(nullif(standalone_question, ''), question) AS question, language
FROM chat_logs
WHERE tenant_id = %(tenant_id)s AND gap_id IS NULL
    AND (finish_reason = 'no_relevant_content' OR rating = -1 OR (finish_reason = 'not_sure' AND rating IS NULL))
ORDER BY created_at, id LIMIT %(limit)s
"""


async def ungrouped(scope: TenantScope, *, limit: int) -> list[Ungrouped]:
    """Oldest first."""
    async with scope.connection.cursor(row_factory=class_row(Ungrouped)) as cursor:
        await cursor.execute(UNGROUPED, {"tenant_id": scope.tenant_id, "limit": limit})
        return await cursor.fetchall()


LEADERS = """
SELECT g.id AS gap_id, l.question, l.language, CASE WHEN g.space_id = %(space_id)s THEN g.vector END AS vector
FROM question_gaps g
CROSS JOIN LATERAL (
    SELECT coalesce(nullif(standalone_question, ''), question) AS question, language FROM chat_logs l
    WHERE l.tenant_id = g.tenant_id AND l.gap_id = g.id ORDER BY l.created_at, l.id LIMIT 1) AS l
WHERE g.tenant_id = %(tenant_id)s ORDER BY g.created_at, g.id
"""


async def leaders(scope: TenantScope, space_id: int) -> list[Leader]:
    """Oldest group first; read portion by portion, for a tenant may have thousands of vectors."""
    parameters = {"tenant_id": scope.tenant_id, "space_id": space_id}
    cursor = await scope.connection.execute(LEADERS, parameters, binary=True)
    found: list[Leader] = []
    while rows := await cursor.fetchmany(ROWS_READ_AT_A_TIME):
        found += [
            Leader(gap_id=gap_id, question=question, language=language, vector=vector and vector.to_numpy())
            for gap_id, question, language, vector in rows
        ]
        await asyncio.sleep(0)
    return found


OPEN = """
INSERT INTO question_gaps (tenant_id, id, created_at)
SELECT tenant_id, %(gap_id)s, created_at FROM chat_logs
WHERE tenant_id = %(tenant_id)s AND id = %(answer_id)s
"""


async def open_gap(scope: TenantScope, gap_id: UUID, answer_id: UUID) -> None:
    """A new group; the answer is still to be put into it."""
    parameters = {"tenant_id": scope.tenant_id, "gap_id": gap_id, "answer_id": answer_id}
    await scope.connection.execute(OPEN, parameters)


# A question that came after its group was resolved opens it again; one that nobody wants to hear of does not.
ASSIGN = """
WITH assigned AS (
    UPDATE chat_logs SET gap_id = %(gap_id)s
    WHERE tenant_id = %(tenant_id)s AND id = %(answer_id)s AND gap_id IS NULL
        AND EXISTS (SELECT FROM question_gaps g WHERE g.tenant_id = %(tenant_id)s AND g.id = %(gap_id)s)
    RETURNING tenant_id, created_at, rated_at
)
UPDATE question_gaps g SET status = 'open', is_answered = false
FROM assigned a
WHERE g.tenant_id = a.tenant_id AND g.id = %(gap_id)s AND g.status = 'resolved'
    AND greatest(a.created_at, a.rated_at) > g.resolved_at
"""


async def assign(scope: TenantScope, gap_id: UUID, answer_id: UUID) -> None:
    parameters = {"tenant_id": scope.tenant_id, "gap_id": gap_id, "answer_id": answer_id}
    await scope.connection.execute(ASSIGN, parameters)


SET_VECTOR = """
UPDATE question_gaps SET space_id = %(space_id)s, vector = %(vector)s
WHERE tenant_id = %(tenant_id)s AND id = %(gap_id)s
"""


async def set_vector(scope: TenantScope, gap_id: UUID, space_id: int, vector: Vector) -> None:
    parameters = {"tenant_id": scope.tenant_id, "gap_id": gap_id, "space_id": space_id, "vector": vector}
    await scope.connection.execute(SET_VECTOR, parameters)


# Questions are erased by their owners' wish; a group that nothing is left of goes, a resolved one may come back.
PRUNE = """
DELETE FROM question_gaps g WHERE g.tenant_id = %(tenant_id)s AND g.status = 'open' AND g.document_id IS NULL
    AND NOT EXISTS (SELECT FROM chat_logs l WHERE l.tenant_id = g.tenant_id AND l.gap_id = g.id)
"""


async def prune(scope: TenantScope) -> None:
    """Removes open groups without any question."""
    await scope.connection.execute(PRUNE, {"tenant_id": scope.tenant_id})


SELECT_PAGE = """
SELECT g.id, g.status, l.question, l.language, c.question_count, c.down_count, c.not_sure_count,
    c.first_asked_at, c.last_asked_at, g.document_id, g.is_answered, g.resolved_at
FROM question_gaps g
JOIN (
    SELECT gap_id, count(*) AS question_count, count(*) FILTER (WHERE rating = -1) AS down_count,
        count(*) FILTER (WHERE finish_reason = 'not_sure') AS not_sure_count,
        min(created_at) AS first_asked_at, max(created_at) AS last_asked_at
    FROM chat_logs
    WHERE tenant_id = %(tenant_id)s AND gap_id IS NOT NULL
        AND (%(gap_id)s::uuid IS NULL OR gap_id = %(gap_id)s)
    GROUP BY gap_id
) AS c ON c.gap_id = g.id
CROSS JOIN LATERAL (
    SELECT coalesce(nullif(standalone_question, ''), question) AS question, language FROM chat_logs l
    WHERE l.tenant_id = g.tenant_id AND l.gap_id = g.id ORDER BY l.created_at, l.id LIMIT 1) AS l
WHERE g.tenant_id = %(tenant_id)s AND (%(status)s = '' OR g.status = %(status)s)
    AND (c.question_count, g.id) < (%(before_count)s, %(before_id)s)
ORDER BY c.question_count DESC, g.id DESC LIMIT %(limit)s
"""
EVERY_COUNT = 2**62
LAST_ID = UUID(int=2**128 - 1)


async def page(scope: TenantScope, *, before: tuple[int, UUID] | None, status: str, limit: int) -> list[Gap]:
    """The most asked first, after the given count and id; "" means any status."""
    return await _gaps(scope, before=before, status=status, gap_id=None, limit=limit)


async def get(scope: TenantScope, gap_id: UUID) -> Gap | None:
    """None also for a group that no question is left of."""
    found = await _gaps(scope, before=None, status="", gap_id=gap_id, limit=1)
    return found[0] if found else None


EXAMPLES = """
SELECT g.id AS gap_id, l.id AS answer_id, l.question, coalesce(s.channel, '') AS channel, l.rating,
    l.rating_reason, l.created_at, l.finish_reason
FROM unnest(%(gap_ids)s::uuid[]) AS g (id)
CROSS JOIN LATERAL (
    SELECT * FROM chat_logs l WHERE l.tenant_id = %(tenant_id)s AND l.gap_id = g.id
    ORDER BY l.created_at DESC, l.id DESC LIMIT %(limit)s) AS l
LEFT JOIN chat_sessions s ON s.tenant_id = l.tenant_id AND s.id = l.session_id
"""


async def examples(scope: TenantScope, gap_ids: Sequence[UUID], *, limit: int) -> list[GapExample]:
    """At most `limit` of each group, newest first."""
    async with scope.connection.cursor(row_factory=class_row(GapExample)) as cursor:
        parameters = {"tenant_id": scope.tenant_id, "gap_ids": list(gap_ids), "limit": limit}
        await cursor.execute(EXAMPLES, parameters)
        return await cursor.fetchall()


SET_DOCUMENT = """
UPDATE question_gaps SET document_id = %(document_id)s WHERE tenant_id = %(tenant_id)s AND id = %(gap_id)s
"""


async def set_document(scope: TenantScope, gap_id: UUID, document_id: UUID) -> None:
    parameters = {"tenant_id": scope.tenant_id, "gap_id": gap_id, "document_id": document_id}
    await scope.connection.execute(SET_DOCUMENT, parameters)


SETTLE = """
UPDATE question_gaps SET status = %(status)s, is_answered = coalesce(%(is_answered)s, is_answered),
    resolved_at = CASE WHEN %(status)s = 'resolved' THEN now() END
WHERE tenant_id = %(tenant_id)s AND id = %(gap_id)s
"""


async def settle(scope: TenantScope, gap_id: UUID, status: GapStatus, *, is_answered: bool | None) -> None:
    """None keeps what asking again said before."""
    parameters = {
        "tenant_id": scope.tenant_id,
        "gap_id": gap_id,
        "status": status,
        "is_answered": is_answered,
    }
    await scope.connection.execute(SETTLE, parameters)


async def _gaps(
    scope: TenantScope, *, before: tuple[int, UUID] | None, status: str, gap_id: UUID | None, limit: int
) -> list[Gap]:
    count, last_id = before or (EVERY_COUNT, LAST_ID)
    async with scope.connection.cursor(row_factory=class_row(Gap)) as cursor:
        parameters = {
            "tenant_id": scope.tenant_id,
            "before_count": count,
            "before_id": last_id,
            "status": status,
            "gap_id": gap_id,
            "limit": limit,
        }
        await cursor.execute(SELECT_PAGE, parameters)
        return await cursor.fetchall()
