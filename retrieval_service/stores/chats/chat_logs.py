"""The chat log as its tenant reads it: pages, ratings, and figures over many answers."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from retrieval_service.domain.answering.logged import ChatLog
from retrieval_service.domain.answering.session_proofs import SessionProof
from retrieval_service.domain.insights.insights import AskedWording, ChatFilter, Figures, TopDocument
from retrieval_service.stores.chats.answer_rows import answer_row
from retrieval_service.stores.database import TenantScope

# A thumb up takes the question back out of its group, unless nothing was found for it: what perhaps helped has.
RATE = """
UPDATE chat_logs SET rating = %(rating)s, rating_reason = %(reason)s, rated_at = now(),
    gap_id = CASE WHEN %(rating)s = 1 AND finish_reason <> 'no_relevant_content' THEN NULL ELSE gap_id END
WHERE tenant_id = %(tenant_id)s AND id = %(answer_id)s AND session_id IS NOT DISTINCT FROM %(session_id)s
    AND (%(token_hash)s::bytea IS NULL OR EXISTS (
        SELECT FROM chat_sessions s
        WHERE s.tenant_id = %(tenant_id)s AND s.id = %(session_id)s AND %(token_hash)s = ANY (s.token_hashes)))
"""


async def rate(
    scope: TenantScope, answer_id: UUID, *, proof: SessionProof | None, rating: int, reason: str
) -> bool:
    """Replaces an earlier rating; False when the conversation has no such answer, or is not the caller's."""
    parameters = {
        "tenant_id": scope.tenant_id,
        "answer_id": answer_id,
        "session_id": proof.session_id if proof else None,
        "token_hash": proof.token_hash if proof else None,
        "rating": rating,
        "reason": reason,
    }
    cursor = await scope.connection.execute(RATE, parameters)
    return cursor.rowcount > 0


# What still runs when its lease is over was left behind by a process that died.
SELECT_PAGE = """
SELECT l.id, l.session_id, l.channel, l.question, l.answer, l.language, l.context AS "references",
    l.citations, l.finish_reason, l.answerer, l.input_tokens, l.output_tokens, l.first_token_ms, l.latency_ms,
    l.rating, l.rating_reason, l.rated_at, l.created_at, l.finished_at, l.degraded_reason, l.standalone_question,
    l.unsupported, l.wants_human,
    CASE WHEN l.status = 'running' AND l.lease_until < now() THEN 'interrupted'
        ELSE l.status END AS status
FROM chat_logs l
WHERE l.tenant_id = %(tenant_id)s AND (l.created_at, l.id) < (%(before_time)s, %(before_id)s)
    AND (%(since)s::timestamptz IS NULL OR l.created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR l.created_at < %(until)s)
    AND (%(channel)s = '' OR l.channel = %(channel)s)
    AND (%(language)s = '' OR l.language = %(language)s)
    AND (%(rating)s::int IS NULL OR l.rating = %(rating)s)
    AND (%(answered)s::bool IS NULL
        OR (l.status = 'completed'
            AND (l.finish_reason NOT IN ('no_relevant_content', 'not_sure')) = %(answered)s))
    AND (%(finish_reason)s = '' OR l.finish_reason = %(finish_reason)s)
    AND (%(session_id)s::uuid IS NULL OR l.session_id = %(session_id)s)
ORDER BY l.created_at DESC, l.id DESC LIMIT %(limit)s
"""


async def page(
    scope: TenantScope, wanted: ChatFilter, *, before: tuple[datetime, UUID], limit: int
) -> list[ChatLog]:
    """Newest first, before the given creation time and id."""
    async with scope.connection.cursor(row_factory=answer_row(ChatLog)) as cursor:
        parameters = {
            "tenant_id": scope.tenant_id,
            "before_time": before[0],
            "before_id": before[1],
            "limit": limit,
            **asdict(wanted),
        }
        await cursor.execute(SELECT_PAGE, parameters)
        return await cursor.fetchall()


# Percentiles of days cannot be added up: those of the whole period are made from its answers.
FIGURES = """
SELECT (l.created_at AT TIME ZONE 'UTC')::date AS day,
    count(*) FILTER (WHERE l.status = 'completed') AS completed,
    count(*) FILTER (
        WHERE l.status = 'completed' AND l.finish_reason NOT IN ('no_relevant_content', 'not_sure')) AS answered,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY l.latency_ms) FILTER (WHERE l.status = 'completed')
        AS latency_p50_ms,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY l.latency_ms) FILTER (WHERE l.status = 'completed')
        AS latency_p95_ms,
    count(*) FILTER (WHERE l.rating = 1) AS up_count,
    count(*) FILTER (WHERE l.rating = -1) AS down_count,
    count(DISTINCT (s.channel, s.user_key)) FILTER (WHERE s.user_key <> '') AS user_count
FROM chat_logs l
LEFT JOIN chat_sessions s ON s.tenant_id = l.tenant_id AND s.id = l.session_id
WHERE l.tenant_id = %(tenant_id)s
    AND l.created_at >= ((now() AT TIME ZONE 'UTC')::date - %(days)s::int + 1)::timestamp AT TIME ZONE 'UTC'
GROUP BY GROUPING SETS ((day), ())
ORDER BY day DESC NULLS LAST
"""


async def figures(scope: TenantScope, *, days: int) -> list[Figures]:
    """By day, newest first, and last of the whole period; days without any question are missing."""
    async with scope.connection.cursor(row_factory=class_row(Figures)) as cursor:
        await cursor.execute(FIGURES, {"tenant_id": scope.tenant_id, "days": days})
        return await cursor.fetchall()


WORDINGS = """
SELECT (array_agg(question ORDER BY created_at DESC))[1] AS question, language, count(*) AS count,
    count(*) FILTER (WHERE finish_reason IN ('no_relevant_content', 'not_sure')) AS unanswered_count,
    max(created_at) AS last_asked_at
FROM (
    SELECT coalesce(nullif(standalone_question, ''), question) AS question, language, finish_reason, created_at
    FROM chat_logs WHERE tenant_id = %(tenant_id)s AND created_at > now() - make_interval(days => %(days)s)
) AS understood
GROUP BY lower(btrim(regexp_replace(question, '[\\s?!.]+', ' ', 'g'))), language
ORDER BY count(*) DESC, max(created_at) DESC LIMIT %(limit)s
"""


async def wordings(scope: TenantScope, *, days: int, limit: int) -> list[AskedWording]:
    """The most frequent first."""
    async with scope.connection.cursor(row_factory=class_row(AskedWording)) as cursor:
        await cursor.execute(WORDINGS, {"tenant_id": scope.tenant_id, "days": days, "limit": limit})
        return await cursor.fetchall()


TOP_DOCUMENTS = """
WITH cited AS (
    SELECT DISTINCT ON (l.id, r.value ->> 'document_id') l.created_at, l.rating, r.value AS reference
    FROM chat_logs l
    CROSS JOIN LATERAL jsonb_array_elements(l.citations) AS c
    CROSS JOIN LATERAL jsonb_array_elements(c.value -> 2) AS n
    JOIN LATERAL jsonb_array_elements(l.context) AS r ON r.value -> 'number' = n.value
    WHERE l.tenant_id = %(tenant_id)s AND l.created_at > now() - make_interval(days => %(days)s)
    ORDER BY l.id, r.value ->> 'document_id'
),
counted AS (
    SELECT (reference ->> 'document_id')::uuid AS document_id, count(*) AS answer_count,
        count(*) FILTER (WHERE rating = -1) AS down_count, max(created_at) AS last_cited_at,
        (array_agg(reference ORDER BY created_at DESC))[1] AS newest
    FROM cited GROUP BY 1
)
SELECT c.document_id, c.newest ->> 'source_type' AS source_type, c.newest ->> 'external_id' AS external_id,
    coalesce(d.title, c.newest ->> 'title') AS title, d.id IS NULL AS is_deleted, c.answer_count, c.down_count,
    c.last_cited_at
FROM counted c
LEFT JOIN documents d ON d.tenant_id = %(tenant_id)s AND d.id = c.document_id AND NOT d.is_deleted
ORDER BY c.answer_count DESC, c.last_cited_at DESC LIMIT %(limit)s
"""


async def top_documents(scope: TenantScope, *, days: int, limit: int) -> list[TopDocument]:
    """The most cited first; an answer counts once for each document it cites."""
    async with scope.connection.cursor(row_factory=class_row(TopDocument)) as cursor:
        await cursor.execute(TOP_DOCUMENTS, {"tenant_id": scope.tenant_id, "days": days, "limit": limit})
        return await cursor.fetchall()
