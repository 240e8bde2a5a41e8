"""What each tenant used, by UTC day."""

from __future__ import annotations

from dataclasses import asdict

from psycopg.rows import class_row

from retrieval_service.domain.usage import DailyUsage, Usage
from retrieval_service.stores.database import TenantScope

ADD = """
INSERT INTO usage_daily AS u (tenant_id, day, embedded_chunks, embedded_tokens, unchanged_chunks, searches,
    answers, unanswered, input_tokens, output_tokens, cache_saved_tokens, hash_saved_tokens, unpriced_tokens,
    embedding_usd, answering_usd, hash_saved_usd, remote_searches, searching_usd)
VALUES (%(tenant_id)s, (now() AT TIME ZONE 'UTC')::date, %(embedded_chunks)s, %(embedded_tokens)s,
    %(unchanged_chunks)s, %(searches)s, %(answers)s, %(unanswered)s, %(input_tokens)s, %(output_tokens)s,
    %(cache_saved_tokens)s, %(hash_saved_tokens)s, %(unpriced_tokens)s, %(embedding_usd)s, %(answering_usd)s,
    %(hash_saved_usd)s, %(remote_searches)s, %(searching_usd)s)
ON CONFLICT (tenant_id, day) DO UPDATE SET
    embedded_chunks = u.embedded_chunks + excluded.embedded_chunks,
    embedded_tokens = u.embedded_tokens + excluded.embedded_tokens,
    unchanged_chunks = u.unchanged_chunks + excluded.unchanged_chunks,
    searches = u.searches + excluded.searches,
    answers = u.answers + excluded.answers,
    unanswered = u.unanswered + excluded.unanswered,
    input_tokens = u.input_tokens + excluded.input_tokens,
    output_tokens = u.output_tokens + excluded.output_tokens,
    cache_saved_tokens = u.cache_saved_tokens + excluded.cache_saved_tokens,
    hash_saved_tokens = u.hash_saved_tokens + excluded.hash_saved_tokens,
    unpriced_tokens = u.unpriced_tokens + excluded.unpriced_tokens,
    embedding_usd = u.embedding_usd + excluded.embedding_usd,
    answering_usd = u.answering_usd + excluded.answering_usd,
    hash_saved_usd = u.hash_saved_usd + excluded.hash_saved_usd,
    remote_searches = u.remote_searches + excluded.remote_searches,
    searching_usd = u.searching_usd + excluded.searching_usd
"""


async def add(scope: TenantScope, amounts: Usage) -> None:
    """Adds to today."""
    await scope.connection.execute(ADD, {"tenant_id": scope.tenant_id, **asdict(amounts)})


SELECT = """
SELECT day, embedded_chunks, embedded_tokens, unchanged_chunks, searches, answers, unanswered, input_tokens,
    output_tokens, cache_saved_tokens, hash_saved_tokens, unpriced_tokens, embedding_usd, answering_usd,
    hash_saved_usd, remote_searches, searching_usd
FROM usage_daily
WHERE tenant_id = %(tenant_id)s AND day > (now() AT TIME ZONE 'UTC')::date - %(days)s::int
ORDER BY day DESC
"""


async def recent(scope: TenantScope, *, days: int) -> list[DailyUsage]:
    """Newest first; days without any use are missing."""
    async with scope.connection.cursor(row_factory=class_row(DailyUsage)) as cursor:
        await cursor.execute(SELECT, {"tenant_id": scope.tenant_id, "days": days})
        return await cursor.fetchall()
