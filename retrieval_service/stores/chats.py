"""Conversations and the chat log: every question, what it was answered with and how the answer ended."""

from __future__ import annotations

from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from retrieval_service.domain.records import AnswerOutcome, LoggedAnswer
from retrieval_service.stores.database import TenantScope, only

INSERT_SESSION = """
INSERT INTO chat_sessions (tenant_id, channel, user_key, language)
VALUES (%(tenant_id)s, %(channel)s, %(user_key)s, %(language)s) RETURNING id
"""


async def open_session(scope: TenantScope, *, channel: str, user_key: str, language: str) -> UUID:
    parameters = {
        "tenant_id": scope.tenant_id,
        "channel": channel,
        "user_key": user_key,
        "language": language,
    }
    cursor = await scope.connection.execute(INSERT_SESSION, parameters)
    return only(await cursor.fetchone())[0]


SESSION_EXISTS = "SELECT FROM chat_sessions WHERE tenant_id = %(tenant_id)s AND id = %(session_id)s"


async def session_exists(scope: TenantScope, session_id: UUID) -> bool:
    parameters = {"tenant_id": scope.tenant_id, "session_id": session_id}
    cursor = await scope.connection.execute(SESSION_EXISTS, parameters)
    return await cursor.fetchone() is not None


SELECT_USER_KEY = "SELECT user_key FROM chat_sessions WHERE tenant_id = %(tenant_id)s AND id = %(session_id)s"


async def user_key(scope: TenantScope, session_id: UUID) -> str:
    """The customer's pseudonym; empty when the channel gave none, or there is no such session."""
    parameters = {"tenant_id": scope.tenant_id, "session_id": session_id}
    cursor = await scope.connection.execute(SELECT_USER_KEY, parameters)
    row = await cursor.fetchone()
    return row[0] if row else ""


# A repeat after a failure starts the same answer over; a finished one is never touched.
BEGIN = """
INSERT INTO chat_logs AS l (tenant_id, id, session_id, request_id, question, language)
VALUES (%(tenant_id)s, %(answer_id)s, %(session_id)s, %(request_id)s, %(question)s, %(language)s)
ON CONFLICT (tenant_id, request_id) DO UPDATE
    SET status = 'running', answer = '', context = '[]', citations = '[]', unsupported = '[]',
        created_at = now()
    WHERE l.status <> 'completed'
RETURNING id
"""


async def begin(
    scope: TenantScope,
    *,
    answer_id: UUID,
    session_id: UUID | None,
    request_id: UUID | None,
    question: str,
    language: str,
) -> UUID | None:
    """The id the answer is logged under; None when the request was answered before."""
    parameters = {
        "tenant_id": scope.tenant_id,
        "answer_id": answer_id,
        "session_id": session_id,
        "request_id": request_id,
        "question": question,
        "language": language,
    }
    cursor = await scope.connection.execute(BEGIN, parameters)
    row = await cursor.fetchone()
    return row[0] if row else None


FINISH = """
UPDATE chat_logs SET answer = %(answer)s, language = %(language)s, context = %(context)s,
    citations = %(citations)s, status = %(status)s, finish_reason = %(finish_reason)s,
    answerer = %(answerer)s, input_tokens = %(input_tokens)s, output_tokens = %(output_tokens)s,
    first_token_ms = %(first_token_ms)s, latency_ms = %(latency_ms)s,
    degraded_reason = %(degraded_reason)s, unsupported = %(unsupported)s, finished_at = now()
WHERE tenant_id = %(tenant_id)s AND id = %(answer_id)s
"""


async def finish(scope: TenantScope, answer_id: UUID, outcome: AnswerOutcome) -> None:
    parameters = {
        "tenant_id": scope.tenant_id,
        "answer_id": answer_id,
        "answer": outcome.answer,
        "language": outcome.language,
        "context": Jsonb(list(outcome.context)),
        "citations": Jsonb(list(outcome.citations)),
        "status": outcome.status,
        "finish_reason": outcome.finish_reason,
        "answerer": outcome.answerer,
        "input_tokens": outcome.input_tokens,
        "output_tokens": outcome.output_tokens,
        "first_token_ms": outcome.first_token_ms,
        "latency_ms": outcome.latency_ms,
        "degraded_reason": outcome.degraded_reason,
        "unsupported": Jsonb(list(outcome.unsupported)),
    }
    await scope.connection.execute(FINISH, parameters)


# Nobody writes an answer for five minutes: what still runs then was left behind by a process that died.
SELECT = """
SELECT id, session_id, request_id, question, answer, language, context, citations, finish_reason, answerer,
    input_tokens, output_tokens, created_at, degraded_reason, unsupported,
    CASE WHEN status = 'running' AND created_at < now() - interval '5 minutes' THEN 'interrupted' ELSE status END
        AS status
FROM chat_logs WHERE tenant_id = %(tenant_id)s AND (id = %(answer_id)s OR request_id = %(request_id)s)
"""


async def get(scope: TenantScope, answer_id: UUID) -> LoggedAnswer | None:
    return await _first(scope, answer_id=answer_id, request_id=None)


async def get_by_request(scope: TenantScope, request_id: UUID) -> LoggedAnswer | None:
    return await _first(scope, answer_id=None, request_id=request_id)


SELECT_TURNS = """
SELECT question, answer FROM (
    SELECT question, answer, created_at FROM chat_logs
    WHERE tenant_id = %(tenant_id)s AND session_id = %(session_id)s AND status = 'completed'
    ORDER BY created_at DESC LIMIT %(limit)s
) AS recent ORDER BY created_at
"""


async def recent_turns(scope: TenantScope, session_id: UUID, *, limit: int) -> list[tuple[str, str]]:
    """Questions and answers, oldest first."""
    parameters = {"tenant_id": scope.tenant_id, "session_id": session_id, "limit": limit}
    cursor = await scope.connection.execute(SELECT_TURNS, parameters)
    return [(question, answer) for question, answer in await cursor.fetchall()]


async def _first(
    scope: TenantScope, *, answer_id: UUID | None, request_id: UUID | None
) -> LoggedAnswer | None:
    async with scope.connection.cursor(row_factory=class_row(LoggedAnswer)) as cursor:
        parameters = {"tenant_id": scope.tenant_id, "answer_id": answer_id, "request_id": request_id}
        await cursor.execute(SELECT, parameters)
        return await cursor.fetchone()
