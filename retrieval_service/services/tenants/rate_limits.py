"""Holds each key, and each tenant however many keys it has, to so many requests and bytes a minute."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from retrieval_service import errors
from retrieval_service.domain.tenants.rates import Rate
from retrieval_service.services.tenants.authentication import Caller


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Of a minute; 0 sets no limit."""

    key_requests: int = 0
    key_bytes: int = 0
    tenant_requests: int = 0
    tenant_bytes: int = 0


class Limiter:
    """In the memory of one server; `clock` is monotonic, in seconds."""

    def __init__(self, rates: Rates, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = rates
        self._clock = clock
        self._key_requests = Rate(rates.key_requests)
        self._key_bytes = Rate(rates.key_bytes)
        self._tenant_requests = TenantsRate(rates.tenant_requests, limit="requests")
        self._tenant_bytes = TenantsRate(rates.tenant_bytes, limit="bytes")

    def count_request(self, caller: Caller) -> None:
        """Of the key alone: the tenant may not be known to exist yet. Raises `RateLimited`."""
        wait = self._key_requests.take(caller.key_id, 1, self._clock())
        refuse_if(wait, limit="requests", of="key", per_minute=self._rates.key_requests)

    def count_tenants_request(self, caller: Caller) -> None:
        """Raises `RateLimited`."""
        self._tenant_requests.take(caller, 1, self._clock())

    def count_bytes(self, caller: Caller, byte_count: int) -> None:
        """Raises `RateLimited`."""
        now = self._clock()
        wait = self._key_bytes.take(caller.key_id, byte_count, now)
        refuse_if(wait, limit="bytes", of="key", per_minute=self._rates.key_bytes)
        if caller.tenant_id is not None:
            self._tenant_bytes.take(caller, byte_count, now)


class TenantsRate:
    """What a tenant's own keys may send together, and half of that each: a stolen one leaves the others their half.

    What a key of many tenants does for one of them is counted beside what that tenant's own keys do: who steals such
    a key takes nothing from a tenant's own programs.
    """

    def __init__(self, per_minute: int, *, limit: str) -> None:
        self._per_minute = per_minute
        self._limit = limit
        self._half = -(-per_minute // 2)
        self._of_tenants = Rate(per_minute)
        self._of_keys = Rate(self._half)

    def take(self, caller: Caller, amount: int, now: float) -> None:
        """Raises `RateLimited`; what the tenant's rate refuses is not counted for the key."""
        if caller.is_tenants_own:
            wait = self._of_keys.take(caller.key_id, amount, now)
            refuse_if(wait, limit=self._limit, of="key", per_minute=self._half)
        wait = self._of_tenants.take(share_of(caller), amount, now)
        if wait and caller.is_tenants_own:
            self._of_keys.give_back(caller.key_id, amount)
        refuse_if(wait, limit=self._limit, of="tenant", per_minute=self._per_minute)


def share_of(caller: Caller) -> Hashable:
    return (caller.tenant_id, None if caller.is_tenants_own else caller.key_id)


def refuse_if(wait_seconds: float, *, limit: str, of: str, per_minute: int) -> None:
    if wait_seconds:
        raise errors.RateLimited(
            f"this {of} may send {per_minute:,} {limit} a minute",
            retry_after_seconds=wait_seconds,
            limit=limit,
            of=of,
        )
