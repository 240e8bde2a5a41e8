"""What a tenant used: tokens, questions and money by day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Amounts to add, or amounts of one day; dollars at the prices of the moment of use.

    `remote_searches` were made at the retrieval provider, for searches, for answers and to compare.
    `cache_saved_tokens` are of questions asked again, `hash_saved_tokens` of chunks that had not changed.
    `unpriced_tokens` were used or saved at a price that nobody has told, and are in no sum of dollars.
    """

    embedded_chunks: int = 0
    embedded_tokens: int = 0
    unchanged_chunks: int = 0
    searches: int = 0
    remote_searches: int = 0
    answers: int = 0
    unanswered: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_saved_tokens: int = 0
    hash_saved_tokens: int = 0
    unpriced_tokens: int = 0
    embedding_usd: Decimal = Decimal(0)
    answering_usd: Decimal = Decimal(0)
    hash_saved_usd: Decimal = Decimal(0)
    searching_usd: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class DailyUsage(Usage):
    """Amounts of one day."""

    day: date
