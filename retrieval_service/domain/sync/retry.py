"""How long to wait before trying again."""

from __future__ import annotations

FIRST_DELAY_SECONDS = 5.0
GROWTH = 4
LONGEST_DELAY_SECONDS = 300.0
MANY = 10


def delay_seconds(attempts: int) -> float:
    """Grows with every attempt that failed: 5, 20, 80 seconds … up to five minutes."""
    failures = min(max(0, attempts - 1), MANY)
    return min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * GROWTH**failures)
