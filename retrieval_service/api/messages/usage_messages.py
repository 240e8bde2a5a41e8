"""Usage as messages of the contract."""

from __future__ import annotations

from kladez.v1 import (
    insight_service_pb2,
)

from retrieval_service.domain.usage import DailyUsage, Usage


def daily_usage(row: DailyUsage) -> insight_service_pb2.DailyUsage:
    day = usage(row)
    day.date = row.day.isoformat()
    return day


def usage(row: Usage) -> insight_service_pb2.DailyUsage:
    """Without a date."""
    return insight_service_pb2.DailyUsage(
        embedded_chunk_count=row.embedded_chunks,
        embedded_token_count=row.embedded_tokens,
        unchanged_chunk_count=row.unchanged_chunks,
        search_count=row.searches,
        answer_count=row.answers,
        unanswered_count=row.unanswered,
        input_token_count=row.input_tokens,
        output_token_count=row.output_tokens,
        cache_saved_token_count=row.cache_saved_tokens,
        hash_saved_token_count=row.hash_saved_tokens,
        unpriced_token_count=row.unpriced_tokens,
        embedding_usd=float(row.embedding_usd),
        answering_usd=float(row.answering_usd),
        hash_saved_usd=float(row.hash_saved_usd),
        remote_search_count=row.remote_searches,
        searching_usd=float(row.searching_usd),
    )
