"""Gives big tenants an index of their own and takes it away from those that shrank; all others are scanned exactly.

Indexes that a crash or a deadlock left half-built, of any table, are built again.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import structlog

from retrieval_service import errors, metrics
from retrieval_service.stores.database import Database
from retrieval_service.stores.schema import inspection
from retrieval_service.stores.tenants import spaces, tenant_spaces

log = structlog.get_logger("kladez.promoting")

HOUSEKEEPING_SECONDS = 60.0
TENANTS_PER_PAGE = 1_000
# An index is kept until its tenant is well below the border, so that it does not come and go.
DEMOTION_SHARE = 0.5
# A deadlock leaves a tenant without its index, so the next try does not wait for a minute to pass.
BUILD_ATTEMPTS = 5
# What REINDEX CONCURRENTLY calls the index that it has not finished, or has replaced.
LEAVINGS = ("_ccnew", "_ccold")
EVERY_SPACE = 0


class Promoter:
    """`own_index_chunks` vectors make a tenant big; called often, looks around once a minute.

    A space that is filled gets its indexes before any search reads it, and one that is kept keeps them.
    """

    def __init__(
        self, database: Database, *, own_index_chunks: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._own_index_chunks = own_index_chunks
        self._clock = clock
        self._next_look = clock()

    async def run_housekeeping(self) -> None:
        if self._clock() < self._next_look:
            return
        self._next_look = self._clock() + HOUSEKEEPING_SECONDS
        await self.promote_and_demote()

    async def promote_and_demote(self) -> None:
        """Builds and drops whatever is due now; a building takes seconds to minutes."""
        async with self._database.owner() as owner:
            for space in await spaces.known(owner):
                # Of several services one does it: to others an index under way would look like a crash's leavings.
                if await spaces.lock_indexes(owner, space.id):
                    await self._look_at(space.id, await spaces.tenant_indexes(owner, space.id))
        await self._mend()

    async def _mend(self) -> None:
        """Tenants' own indexes were looked at before, or are looked at by another worker."""
        async with self._database.owner() as owner:
            if not await spaces.lock_indexes(owner, EVERY_SPACE):
                return
            for name in await inspection.invalid_indexes(owner):
                if name.rstrip("0123456789").endswith(LEAVINGS):
                    await self._drop(name)
                elif not name.startswith(spaces.TENANT_INDEX_PREFIX):
                    await spaces.rebuild_index(owner, name)
                    log.info("index_rebuilt", index=name)

    async def _look_at(self, space_id: int, indexes: dict[str, bool]) -> None:
        async for tenant_id in self._tenants(space_id):
            name = spaces.tenant_index_name(space_id, tenant_id)
            await self._adjust(space_id, tenant_id, name, indexes.pop(name, None))
        for name in indexes:
            await self._drop(name)  # its tenant has left the space

    async def _adjust(self, space_id: int, tenant_id: UUID, name: str, usable: bool | None) -> None:
        """`usable` is None without an index, False for one that a crash left half-built."""
        async with self._database.tenant(tenant_id) as scope:
            count = await spaces.count_vectors(scope, space_id)
        small = count < self._own_index_chunks * DEMOTION_SHARE
        if usable is False or (usable and small):
            await self._drop(name)
        if not usable and count >= self._own_index_chunks:
            await self._build(space_id, tenant_id, name)
            metrics.TENANT_INDEXES.labels("built").inc()
            log.info("tenant_index_built", tenant_id=str(tenant_id), space_id=space_id, chunks=count)

    async def _build(self, space_id: int, tenant_id: UUID, name: str) -> None:
        """Again at once when others were in the way."""
        for attempt in range(1, BUILD_ATTEMPTS + 1):
            try:
                async with self._database.owner() as owner:
                    return await spaces.create_tenant_index(owner, space_id, tenant_id)
            except errors.DatabaseBusy:
                log.warning("tenant_index_interrupted", tenant_id=str(tenant_id), attempt=attempt)
                await self._drop(name)
        raise errors.DatabaseBusy(f"the index of tenant {tenant_id} was interrupted {BUILD_ATTEMPTS} times")

    async def _drop(self, name: str) -> None:
        async with self._database.owner() as owner:
            await spaces.drop_index(owner, name)
        metrics.TENANT_INDEXES.labels("dropped").inc()
        log.info("tenant_index_dropped", index=name)

    async def _tenants(self, space_id: int) -> AsyncIterator[UUID]:
        after = UUID(int=0)
        while page := await self._page(space_id, after):
            for tenant_id in page:
                yield tenant_id
            after = page[-1]

    async def _page(self, space_id: int, after: UUID) -> list[UUID]:
        async with self._database.operator() as operator:
            return await tenant_spaces.tenants_in(operator, space_id, after=after, limit=TENANTS_PER_PAGE)
