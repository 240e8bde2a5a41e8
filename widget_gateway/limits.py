"""Rate limits of sessions, addresses and shops. The time is always an argument, in seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from cachetools import LRUCache

SECONDS_PER_DAY = 86_400
BUCKETS_REMEMBERED = 50_000


class TokenBucket:
    """Allows `capacity` at once, refilled evenly over `period_seconds`."""

    __slots__ = ("_capacity", "_per_second", "_tokens", "_updated")

    def __init__(self, capacity: int, *, period_seconds: float, now: float) -> None:
        self._capacity = float(capacity)
        self._per_second = capacity / period_seconds
        self._tokens = float(capacity)
        self._updated = now

    def take(self, now: float) -> float:
        """0.0 when taken; otherwise the seconds to wait, with nothing taken."""
        self._refill(now)
        if self._tokens < 1:
            return (1 - self._tokens) / self._per_second
        self._tokens -= 1
        return 0.0

    def _refill(self, now: float) -> None:
        elapsed = max(0.0, now - self._updated)
        self._tokens = min(self._capacity, self._tokens + elapsed * self._per_second)
        self._updated = now


class Buckets:
    """One bucket for each key. The least recently used keys are forgotten."""

    def __init__(self, capacity: int, *, period_seconds: float, remembered: int = BUCKETS_REMEMBERED) -> None:
        self._capacity = capacity
        self._period_seconds = period_seconds
        self._buckets: LRUCache[Hashable, TokenBucket] = LRUCache(remembered)

    def take(self, key: Hashable, now: float) -> float:
        """As `TokenBucket.take`."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = TokenBucket(self._capacity, period_seconds=self._period_seconds, now=now)
            self._buckets[key] = bucket
        return bucket.take(now)


class DailyQuota:
    """Counts by key and UTC day. Here the time is Unix time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._day = -1
        self._used: Counter[Hashable] = Counter()

    def take(self, key: Hashable, unix_time: float) -> float:
        """0.0 when taken; otherwise the seconds until the next day."""
        self._turn_to(int(unix_time // SECONDS_PER_DAY))
        if self._used[key] >= self._limit:
            return SECONDS_PER_DAY - unix_time % SECONDS_PER_DAY
        self._used[key] += 1
        return 0.0

    def give_back(self, key: Hashable, unix_time: float) -> None:
        """Reverses `take`, except for what was taken on another day."""
        self._turn_to(int(unix_time // SECONDS_PER_DAY))
        if self._used[key] > 0:
            self._used[key] -= 1

    def _turn_to(self, day: int) -> None:
        if day != self._day:
            self._day = day
            self._used.clear()


class Seats:
    """Counts what each key holds at the same time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken: Counter[Hashable] = Counter()

    def take(self, key: Hashable) -> bool:
        if self._taken[key] >= self._limit:
            return False
        self._taken[key] += 1
        return True

    def leave(self, key: Hashable) -> None:
        self._taken[key] -= 1
        if self._taken[key] <= 0:
            del self._taken[key]

    def __len__(self) -> int:
        return self._taken.total()
