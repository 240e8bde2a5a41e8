"""Conversations and the chat log: every question, what it was answered with and how the answer ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import kwargs_row

from retrieval_service.domain.answering.answers import Question
from retrieval_service.domain.answering.logged import AnswerOutcome, LoggedAnswer, LoggedTurn
from retrieval_service.domain.answering.session_proofs import SessionProof
from retrieval_service.domain.tenants.quotas import Quotas
from retrieval_service.domain.tenants.tenants import Tenant
from retrieval_service.stores.chats.answer_rows import (
    answer_row,
    citations_column,
    references_column,
    unsupported_column,
)
from retrieval_service.stores.database import TenantScope, only

INSERT_SESSION = """
INSERT INTO chat_sessions (tenant_id, channel, user_key, language, token_hashes)
VALUES (%(tenant_id)s, %(channel)s, %(user_key)s, %(language)s, ARRAY[%(token_hash)s]) RETURNING id
"""


async def open_session(
    scope: TenantScope, *, channel: str, user_key: str, language: str, token_hash: bytes
) -> UUID:
    parameters = {
        "tenant_id": scope.tenant_id,
        "channel": channel,
        "user_key": user_key,
        "language": language,
        "token_hash": token_hash,
    }
    cursor = await scope.connection.execute(INSERT_SESSION, parameters)
    return only(await cursor.fetchone())[0]


SESSION_EXISTS = """
SELECT FROM chat_sessions
WHERE tenant_id = %(tenant_id)s AND id = %(session_id)s
    AND (%(token_hash)s::bytea IS NULL OR %(token_hash)s = ANY (token_hashes))
"""


async def session_exists(scope: TenantScope, proof: SessionProof) -> bool:
    """Whether there is such a session and the proof, where one is needed, is its own."""
    parameters = {
        "tenant_id": scope.tenant_id,
        "session_id": proof.session_id,
        "token_hash": proof.token_hash,
    }
    cursor = await scope.connection.execute(SESSION_EXISTS, parameters)
    return await cursor.fetchone() is not None


HAS_TURN = """
SELECT FROM chat_logs WHERE tenant_id = %(tenant_id)s AND id = %(answer_id)s AND session_id = %(session_id)s
"""


async def has_turn(scope: TenantScope, session_id: UUID, answer_id: UUID) -> bool:
    """Whether the answer is one of the conversation."""
    parameters = {"tenant_id": scope.tenant_id, "session_id": session_id, "answer_id": answer_id}
    cursor = await scope.connection.execute(HAS_TURN, parameters)
    return await cursor.fetchone() is not None


@dataclass(frozen=True, kw_only=True)
class Asker:
    """The customer's pseudonym and the language of their interface, each empty when the channel gave none."""

    user_key: str
    language: str


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """The tenant, deleted or not, who asks, and the id the answer is logged under.

    The asker is None outside of sessions and when there is no such session. The id is None when nothing was logged:
    there is no such tenant or session, or a quota is spent, or the request has an answer, or a writer, or was another
    question. `spent` is the kind of the quota, "" for none. `counted_late` are [day, kind, name] of the counts that
    grew although others had taken the last question meanwhile: `give_back` takes them.
    """

    tenant: Tenant
    asker: Asker | None
    answer_id: UUID | None
    spent: str
    counted_late: Sequence[Sequence[str]] = ()


@dataclass(frozen=True, kw_only=True)
class Counting:
    """What the question counts for: who asks, None for nobody in particular, through which key, and the quotas."""

    visitor: str | None
    key: str
    is_free: bool
    quotas: Quotas


# Nothing is logged for a tenant or a session that is not there. A repeat starts over what was cut off; an answer that
# is finished, or that somebody still writes, is left alone and not counted. Who has spent the own share takes nothing
# from others, so no count grows then. Of several that look at a last question at once, each counts, sees by the row
# itself that it came too late, and has to give back what it counted. The busiest row is locked last.
# A channel is counted for the key it came through, as "key/channel": a key says the names of its channels itself, and
# one that was stolen may say another's. What all keys asked today and yesterday tells how much of the day one of them
# leaves to the others, so keys are counted without a limit of their own.
# Without indentation the driver knows the statement again; one of more than 4,096 bytes it would read anew each time.
_COUNT = """
WITH here AS (
    SELECT t.*, s.id AS session_id, s.channel, s.user_key, s.language AS asked_in, settings -> 'quotas' AS own
    FROM tenants t LEFT JOIN chat_sessions s ON s.tenant_id = t.id AND s.id = %(session_id)s
        AND (%(token_hash)s::bytea IS NULL OR %(token_hash)s = ANY (s.token_hashes))
    WHERE t.id = %(tenant_id)s
),
asked AS (
    SELECT id AS tenant_id, session_id, coalesce(nullif(%(channel)s, ''), channel, '') AS channel,
        (now() AT TIME ZONE 'UTC')::date AS day,
        coalesce(nullif((own ->> 'questions_per_day')::int, 0), %(tenant_most)s) AS tenant_most,
        coalesce(nullif((own ->> 'channel_questions_per_day')::int, 0), %(channel_most)s) AS channel_most,
        coalesce((own ->> 'visitor_questions_per_day')::int, 0) AS own_most
    FROM here WHERE deleted_at IS NULL AND (%(session_id)s::uuid IS NULL OR session_id IS NOT NULL)
        AND NOT EXISTS (
            SELECT FROM chat_logs WHERE tenant_id = %(tenant_id)s AND request_id = %(request_id)s
                AND (status = 'completed' OR (status = 'running' AND lease_until >= now()))
        )
),
keys AS (
    SELECT coalesce(sum(questions) FILTER (WHERE is_own AND q.day = asked.day), 0) AS own,
        greatest(
            sum(questions) FILTER (WHERE NOT is_own AND q.day = asked.day),
            sum(questions) FILTER (WHERE NOT is_own AND q.day < asked.day),
            0
        ) AS others
    FROM asked CROSS JOIN LATERAL (VALUES (asked.day), (asked.day - 1)) lately (day)
        JOIN question_counts q ON (q.tenant_id, q.day, q.kind) = (asked.tenant_id, lately.day, 'key')
        CROSS JOIN LATERAL (SELECT q.name = %(key)s::text) whose (is_own)
),
quotas AS (
    SELECT tenant_id, day, kind, name, most FROM asked, LATERAL (VALUES
        ('visitor', %(visitor)s, CASE
            WHEN own_most > 0 THEN own_most
            WHEN %(visitor_most)s = 0 OR tenant_most = 0 THEN %(visitor_most)s
            ELSE least(%(visitor_most)s, (tenant_most + 9) / 10)
        END),
        ('channel', %(key)s::text || '/' || channel, channel_most),
        ('key', %(key)s::text, CASE WHEN tenant_most > 0 THEN 2147483647 ELSE 0 END),
        ('tenant', '', tenant_most)
    ) each (kind, name, most)
    WHERE most > 0 AND name IS NOT NULL AND NOT %(is_free)s
),
spent AS (
    SELECT kind FROM quotas JOIN question_counts USING (tenant_id, day, kind, name) WHERE questions >= most
    UNION ALL
    SELECT 'channel' FROM asked, keys WHERE tenant_most > 0 AND others > 0 AND NOT %(is_free)s
        AND own >= greatest(
            channel_most, tenant_most - least(tenant_most / 2, greatest((tenant_most + 9) / 10, others * 2))
        )
    ORDER BY kind LIMIT 1
),
counted AS (
    INSERT INTO question_counts AS q (tenant_id, day, kind, name, questions)
    SELECT tenant_id, day, kind, name, 1 FROM quotas WHERE NOT EXISTS (SELECT FROM spent)
    ON CONFLICT (tenant_id, day, kind, name) DO UPDATE SET questions = q.questions + 1
    RETURNING kind, day, name, questions
),
late AS (
    SELECT kind FROM counted JOIN quotas USING (kind) WHERE questions > most ORDER BY kind LIMIT 1
)"""
_LOG = """,
begun AS (
    INSERT INTO chat_logs AS l (tenant_id, id, session_id, request_id, question, language, writer, lease_until,
        channel, request_hash)
    SELECT %(tenant_id)s, %(answer_id)s, %(session_id)s, %(request_id)s, %(question)s, %(language)s, %(writer)s,
        now() + make_interval(secs => %(lease_seconds)s), channel, %(request_hash)s
    FROM asked WHERE NOT EXISTS (SELECT FROM spent) AND NOT EXISTS (SELECT FROM late)
    ON CONFLICT (tenant_id, request_id) DO UPDATE
        SET status = 'running', answer = '', context = '[]', citations = '[]', unsupported = '[]',
            created_at = now(), finished_at = NULL, writer = excluded.writer, lease_until = excluded.lease_until,
            is_cancel_wanted = false, request_hash = excluded.request_hash
        WHERE l.status <> 'completed' AND l.question = excluded.question
            AND coalesce(l.request_hash = excluded.request_hash, true)
            AND l.session_id IS NOT DISTINCT FROM excluded.session_id
            AND (l.status <> 'running' OR l.lease_until < now())
    RETURNING id
)"""
_TELL = """
SELECT id, public_key, name, settings, space_id, version, created_at, updated_at, deleted_at,
    (SELECT id FROM begun) AS answer_id,
    coalesce((SELECT kind FROM spent), (SELECT kind FROM late), '') AS spent,
    (SELECT json_agg(json_build_array(day, kind, name)) FROM counted WHERE EXISTS (SELECT FROM late)) AS counted_late,
    user_key, asked_in
FROM here
"""
BEGIN = " ".join((_COUNT + _LOG + _TELL).split())
# On trial there is nothing to log, so nothing is begun.
COUNT_TRIAL = " ".join((_COUNT + _TELL.replace("(SELECT id FROM begun)", "NULL::uuid")).split())


async def begin(
    scope: TenantScope,
    *,
    answer_id: UUID,
    question: Question,
    counting: Counting,
    writer: UUID,
    lease_seconds: float,
) -> Callable[[], Awaitable[Beginning | None]]:
    """What fetches it, also when the transaction has ended; None when there is no such tenant.

    One statement, because a customer waits for it.
    """
    parameters = {
        **_counted(scope, question, counting),
        "answer_id": answer_id,
        "request_hash": question.request_hash,
        "question": question.text,
        "language": question.language,
        "writer": writer,
        "lease_seconds": lease_seconds,
    }
    cursor = scope.connection.cursor(row_factory=kwargs_row(_beginning))
    await cursor.execute(BEGIN, parameters)
    return cursor.fetchone


async def count_trial(scope: TenantScope, *, question: Question, counting: Counting) -> Beginning | None:
    """Counts the question as `begin` does, and logs nothing; None when there is no such tenant."""
    cursor = scope.connection.cursor(row_factory=kwargs_row(_beginning))
    await cursor.execute(COUNT_TRIAL, _counted(scope, question, counting))
    return await cursor.fetchone()


def _counted(scope: TenantScope, question: Question, counting: Counting) -> dict[str, object]:
    return {
        "tenant_id": scope.tenant_id,
        "session_id": question.session_id,
        "token_hash": question.token_hash,
        "request_id": question.request_id,
        "channel": question.channel,
        "visitor": counting.visitor,
        "key": counting.key,
        "is_free": counting.is_free,
        "tenant_most": counting.quotas.questions_per_day,
        "channel_most": counting.quotas.channel_questions_per_day,
        "visitor_most": counting.quotas.visitor_questions_per_day,
    }


def _beginning(
    *,
    answer_id: UUID | None,
    spent: str,
    counted_late: list[list[str]] | None,
    user_key: str | None,
    asked_in: str | None,
    **tenant: Any,
) -> Beginning:
    return Beginning(
        tenant=Tenant(**tenant),
        asker=None if user_key is None else Asker(user_key=user_key, language=asked_in or ""),
        answer_id=answer_id,
        spent=spent,
        counted_late=counted_late or (),
    )


GIVE_BACK = """
UPDATE question_counts SET questions = questions - 1
WHERE tenant_id = %(tenant_id)s AND day = %(day)s AND kind = %(kind)s AND name = %(name)s
"""


async def give_back(scope: TenantScope, counted_late: Sequence[Sequence[str]]) -> None:
    """In the order in which `begin` locks them."""
    for day, kind, name in counted_late:
        parameters = {"tenant_id": scope.tenant_id, "day": day, "kind": kind, "name": name}
        await scope.connection.execute(GIVE_BACK, parameters)


# A writer that was too slow to say so lives all the same: what was taken for abandoned meanwhile is its own again,
# unless somebody else has begun the answer anew.
KEEP = """
UPDATE chat_logs SET status = 'running', finished_at = NULL,
    answer = %(answer)s, language = %(language)s, context = %(context)s,
    citations = %(citations)s, unsupported = %(unsupported)s, standalone_question = %(standalone_question)s,
    answerer = %(answerer)s, lease_until = now() + make_interval(secs => %(lease_seconds)s)
WHERE tenant_id = %(tenant_id)s AND id = %(answer_id)s AND writer = %(writer)s AND status <> 'completed'
RETURNING is_cancel_wanted
"""


async def keep(
    scope: TenantScope, answer_id: UUID, outcome: AnswerOutcome, *, writer: UUID, lease_seconds: float
) -> bool | None:
    """Stores what is written so far, and that its writer lives; whether it is to be cancelled.

    None when the answer is not this writer's any more.
    """
    parameters = {
        **_parameters(scope, answer_id, outcome),
        "writer": writer,
        "lease_seconds": lease_seconds,
    }
    cursor = await scope.connection.execute(KEEP, parameters)
    row = await cursor.fetchone()
    return row[0] if row else None


# What was wrongly taken for abandoned is finished all the same.
FINISH = """
UPDATE chat_logs SET answer = %(answer)s, language = %(language)s, context = %(context)s,
    citations = %(citations)s, standalone_question = %(standalone_question)s, status = %(status)s,
    finish_reason = %(finish_reason)s, answerer = %(answerer)s, input_tokens = %(input_tokens)s,
    output_tokens = %(output_tokens)s, first_token_ms = %(first_token_ms)s, latency_ms = %(latency_ms)s,
    degraded_reason = %(degraded_reason)s, unsupported = %(unsupported)s, wants_human = %(wants_human)s,
    finished_at = now()
WHERE tenant_id = %(tenant_id)s AND id = %(answer_id)s AND writer = %(writer)s
"""


async def finish(scope: TenantScope, answer_id: UUID, outcome: AnswerOutcome, *, writer: UUID) -> bool:
    """False when the answer is somebody else's by now, or erased."""
    parameters = {**_parameters(scope, answer_id, outcome), "writer": writer}
    cursor = await scope.connection.execute(FINISH, parameters)
    return cursor.rowcount > 0


WANT_CANCEL = """
UPDATE chat_logs SET is_cancel_wanted = true
WHERE tenant_id = %(tenant_id)s AND id = %(answer_id)s AND status = 'running' AND lease_until >= now()
"""


async def want_cancel(scope: TenantScope, answer_id: UUID) -> bool:
    """Asks the answer's writer to stop, wherever it runs; False when nobody writes it."""
    parameters = {"tenant_id": scope.tenant_id, "answer_id": answer_id}
    return (await scope.connection.execute(WANT_CANCEL, parameters)).rowcount > 0


ABANDONED = """
UPDATE chat_logs SET status = CASE WHEN is_cancel_wanted THEN 'cancelled' ELSE 'interrupted' END,
    finished_at = now()
WHERE status = 'running' AND lease_until < now()
"""


async def mark_abandoned(operator: AsyncConnection) -> int:
    """Of all tenants: answers whose writer died are interrupted, what it had stored stays; how many there were."""
    return (await operator.execute(ABANDONED)).rowcount


# What still runs when its lease is over was left behind by a process that died.
SELECT = """
SELECT id, session_id, request_id, question, answer, language, context AS "references", citations,
    finish_reason, answerer, input_tokens, output_tokens, created_at, degraded_reason, standalone_question,
    unsupported, wants_human,
    request_hash,
    CASE WHEN status = 'running' AND lease_until < now() THEN 'interrupted' ELSE status END AS status
FROM chat_logs WHERE tenant_id = %(tenant_id)s AND (id = %(answer_id)s OR request_id = %(request_id)s)
"""


async def get(scope: TenantScope, answer_id: UUID) -> LoggedAnswer | None:
    return await _first(scope, answer_id=answer_id, request_id=None)


async def get_by_request(scope: TenantScope, request_id: UUID) -> LoggedAnswer | None:
    return await _first(scope, answer_id=None, request_id=request_id)


# What was cited is long, and of all that only the titles are asked for. A turn that answered nothing is about nothing,
# unless the customer replies to it.
SELECT_TURNS = """
SELECT question, standalone_question, citations, (
        SELECT coalesce(jsonb_object_agg(cited ->> 'number', cited ->> 'title'), '{}')
        FROM jsonb_array_elements(context) AS cited WHERE cited ->> 'number' IS NOT NULL) AS titles,
    finish_reason = 'not_sure' AND id IS DISTINCT FROM %(in_reply_to)s AS is_offer
FROM chat_logs
WHERE tenant_id = %(tenant_id)s AND session_id = %(session_id)s AND status = 'completed'
    AND (finish_reason NOT IN ('no_relevant_content', 'pleasantry') OR id = %(in_reply_to)s)
ORDER BY (id = %(in_reply_to)s) DESC NULLS LAST, created_at DESC LIMIT %(limit)s
"""


async def recent_turns(
    scope: TenantScope, session_id: UUID, *, in_reply_to: UUID | None = None, limit: int
) -> Callable[[], Awaitable[list[LoggedTurn]]]:
    """What fetches those that answered or offered, newest first, also when the transaction has ended.

    The answer that is replied to comes before all others.
    """
    cursor = scope.connection.cursor(row_factory=answer_row(LoggedTurn))
    parameters = {
        "tenant_id": scope.tenant_id,
        "session_id": session_id,
        "in_reply_to": in_reply_to,
        "limit": limit,
    }
    await cursor.execute(SELECT_TURNS, parameters)
    return cursor.fetchall


def _parameters(scope: TenantScope, answer_id: UUID, outcome: AnswerOutcome) -> dict[str, object]:
    return {
        "tenant_id": scope.tenant_id,
        "answer_id": answer_id,
        "answer": outcome.answer,
        "language": outcome.language,
        "context": references_column(outcome.references),
        "citations": citations_column(outcome.citations),
        "standalone_question": outcome.standalone_question,
        "status": outcome.status,
        "finish_reason": outcome.finish_reason,
        "answerer": outcome.answerer,
        "input_tokens": outcome.input_tokens,
        "output_tokens": outcome.output_tokens,
        "first_token_ms": outcome.first_token_ms,
        "latency_ms": outcome.latency_ms,
        "degraded_reason": outcome.degraded_reason,
        "unsupported": unsupported_column(outcome.unsupported),
        "wants_human": outcome.wants_human,
    }


async def _first(
    scope: TenantScope, *, answer_id: UUID | None, request_id: UUID | None
) -> LoggedAnswer | None:
    async with scope.connection.cursor(row_factory=answer_row(LoggedAnswer)) as cursor:
        parameters = {"tenant_id": scope.tenant_id, "answer_id": answer_id, "request_id": request_id}
        await cursor.execute(SELECT, parameters)
        return await cursor.fetchone()
