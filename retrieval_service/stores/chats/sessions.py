"""Conversations as a whole: their turns, and their end."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection

from retrieval_service.domain.answering.logged import LoggedAnswer
from retrieval_service.stores.chats.answer_rows import answer_row
from retrieval_service.stores.database import TenantScope

SELECT_TURNS = """
SELECT id, session_id, request_id, question, answer, language, context AS "references", citations,
    finish_reason, answerer, input_tokens, output_tokens, created_at, degraded_reason, standalone_question,
    unsupported, wants_human,
    CASE WHEN status = 'running' AND lease_until < now() THEN 'interrupted' ELSE status END AS status
FROM chat_logs
WHERE tenant_id = %(tenant_id)s AND session_id = %(session_id)s
    AND (created_at, id) > (%(after_time)s, %(after_id)s)
ORDER BY created_at, id LIMIT %(limit)s
"""


async def turns(
    scope: TenantScope, session_id: UUID, *, after: tuple[datetime, UUID], limit: int
) -> list[LoggedAnswer]:
    """Oldest first, after the given creation time and id."""
    async with scope.connection.cursor(row_factory=answer_row(LoggedAnswer)) as cursor:
        parameters = {
            "tenant_id": scope.tenant_id,
            "session_id": session_id,
            "after_time": after[0],
            "after_id": after[1],
            "limit": limit,
        }
        await cursor.execute(SELECT_TURNS, parameters)
        return await cursor.fetchall()


SELECT_LAST_TURN = """
SELECT id, session_id, request_id, question, answer, language, context AS "references", citations,
    finish_reason, answerer, input_tokens, output_tokens, created_at, degraded_reason, standalone_question,
    unsupported, wants_human,
    CASE WHEN status = 'running' AND lease_until < now() THEN 'interrupted' ELSE status END AS status
FROM chat_logs
WHERE tenant_id = %(tenant_id)s AND session_id = %(session_id)s
ORDER BY created_at DESC, id DESC LIMIT 1
"""


async def last_turn(scope: TenantScope, session_id: UUID) -> LoggedAnswer | None:
    async with scope.connection.cursor(row_factory=answer_row(LoggedAnswer)) as cursor:
        await cursor.execute(SELECT_LAST_TURN, {"tenant_id": scope.tenant_id, "session_id": session_id})
        return await cursor.fetchone()


SELECT_LANGUAGE = "SELECT language FROM chat_sessions WHERE tenant_id = %(tenant_id)s AND id = %(session_id)s"


async def language(scope: TenantScope, session_id: UUID) -> str:
    """Of the interface; "" when it was never said."""
    parameters = {"tenant_id": scope.tenant_id, "session_id": session_id}
    row = await (await scope.connection.execute(SELECT_LANGUAGE, parameters)).fetchone()
    return row[0] if row else ""


# The newest are kept: a conversation is hardly ever taken along so often.
ADD_PROOF = """
UPDATE chat_sessions
SET token_hashes = (token_hashes || %(token_hash)s::bytea)[greatest(1, cardinality(token_hashes) - 8):]
WHERE tenant_id = %(tenant_id)s AND id = %(session_id)s
"""


async def add_proof(scope: TenantScope, session_id: UUID, token_hash: bytes) -> None:
    """One more token that proves the session."""
    parameters = {"tenant_id": scope.tenant_id, "session_id": session_id, "token_hash": token_hash}
    await scope.connection.execute(ADD_PROOF, parameters)


# Turns and handoffs go with their session. The lock keeps a turn from being added meanwhile and left uncounted.
DELETE = """
WITH session AS (
    SELECT id FROM chat_sessions WHERE tenant_id = %(tenant_id)s AND id = %(session_id)s FOR UPDATE
),
erased AS (
    DELETE FROM chat_sessions s USING session
    WHERE s.tenant_id = %(tenant_id)s AND s.id = session.id RETURNING s.id
)
SELECT (SELECT count(*) FROM chat_logs l WHERE l.tenant_id = %(tenant_id)s AND l.session_id = erased.id)
FROM erased
"""


async def delete(scope: TenantScope, session_id: UUID) -> int | None:
    """How many turns went with it; None when there is no such session."""
    parameters = {"tenant_id": scope.tenant_id, "session_id": session_id}
    row = await (await scope.connection.execute(DELETE, parameters)).fetchone()
    return row[0] if row else None


SELECT_RETENTIONS = """
SELECT id, (settings ->> 'chat_retention_days')::int FROM tenants
WHERE (settings ->> 'chat_retention_days')::int > 0
"""


async def retentions(operator: AsyncConnection) -> list[tuple[UUID, int]]:
    """Tenants, deleted ones too, that keep chats for so many days only."""
    return await (await operator.execute(SELECT_RETENTIONS)).fetchall()


FORGET_TURNS = """
DELETE FROM chat_logs WHERE tenant_id = %(tenant_id)s AND created_at < now() - make_interval(days => %(days)s)
"""
FORGET_SESSIONS = """
DELETE FROM chat_sessions s
WHERE tenant_id = %(tenant_id)s AND created_at < now() - make_interval(days => %(days)s)
    AND NOT EXISTS (SELECT FROM chat_logs l WHERE l.tenant_id = s.tenant_id AND l.session_id = s.id)
"""


async def forget_old(scope: TenantScope, *, days: int) -> int:
    """Turns that are older, and sessions that are older and have none left; how many rows went."""
    parameters = {"tenant_id": scope.tenant_id, "days": days}
    forgotten = (await scope.connection.execute(FORGET_TURNS, parameters)).rowcount
    return forgotten + (await scope.connection.execute(FORGET_SESSIONS, parameters)).rowcount
