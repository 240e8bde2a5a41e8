"""Locks by tenant, so that tenants take turns: one is kept for as long as anybody holds it or waits for it."""

from __future__ import annotations

import asyncio
from uuid import UUID
from weakref import WeakValueDictionary


class TenantLocks:
    """Of one event loop."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    def of(self, tenant_id: UUID) -> asyncio.Lock:
        return self._locks.setdefault(tenant_id, asyncio.Lock())
