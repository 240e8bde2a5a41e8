"""How much of something a minute allows, kept for a bounded number of keys; the time is always an argument."""

from __future__ import annotations

from collections.abc import Hashable

from cachetools import LRUCache

MINUTE_SECONDS = 60.0
REMEMBERED = 10_000


class TokenBucket:
    """A minute's amount at once, refilled evenly. One that gives its last may owe: large things pass, and cost."""

    __slots__ = ("_capacity", "_tokens", "_updated")

    def __init__(self, per_minute: float, now: float) -> None:
        self._capacity = per_minute
        self._tokens = per_minute
        self._updated = now

    def take(self, amount: float, now: float) -> float:
        """0.0 when taken; otherwise the seconds until there is any again, and nothing is taken."""
        elapsed = max(0.0, now - self._updated)
        self._tokens = min(self._capacity, self._tokens + elapsed * self._capacity / MINUTE_SECONDS)
        self._updated = now
        if self._tokens < min(1.0, amount):
            return (1.0 - self._tokens) * MINUTE_SECONDS / self._capacity
        self._tokens -= amount
        return 0.0

    def give_back(self, amount: float) -> None:
        """As if it had not been taken."""
        self._tokens = min(self._capacity, self._tokens + amount)


class Rate:
    """A bucket for each key; those used longest ago are forgotten. A rate of 0 sets no limit."""

    def __init__(self, per_minute: float, *, remembered: int = REMEMBERED) -> None:
        self._per_minute = per_minute
        self._buckets: LRUCache[Hashable, TokenBucket] = LRUCache(remembered)

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: Hashable, amount: float, now: float) -> float:
        """As `TokenBucket.take`."""
        if not self._per_minute:
            return 0.0
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._per_minute, now)
        return bucket.take(amount, now)

    def give_back(self, key: Hashable, amount: float) -> None:
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.give_back(amount)
