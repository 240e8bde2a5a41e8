"""How many questions a day may bring, and when the next day begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, time, timedelta
from typing import Self

MAX_QUESTIONS_PER_DAY = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Quotas:
    """Questions in a day of UTC; 0 sets no limit, or leaves it to whoever sets the next."""

    questions_per_day: int = 0
    channel_questions_per_day: int = 0
    visitor_questions_per_day: int = 0

    @classmethod
    def from_json(cls, stored: Mapping[str, int]) -> Self:
        """From what `asdict` gave; missing fields get their defaults, unknown ones are left out."""
        return cls(**{one.name: stored.get(one.name, 0) for one in fields(cls)})


def seconds_until_tomorrow(now: datetime) -> float:
    """Until the counts begin anew."""
    tomorrow = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
    return (tomorrow - now).total_seconds()
