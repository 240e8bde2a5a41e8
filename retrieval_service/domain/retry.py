"""How long to wait before trying again."""

from __future__ import annotations

FIRST_DELAY_SECONDS = 2.0
LONGEST_DELAY_SECONDS = 300.0


def delay_seconds(attempts: int) -> float:
    """Doubles with every attempt that failed: 2, 4, 8 … up to five minutes."""
    return min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** max(0, attempts - 1))
