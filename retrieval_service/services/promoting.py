"""Gives big tenants an index of their own and takes it away from those that shrank; all others are scanned exactly."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from uuid import UUID

import structlog

from retrieval_service.domain.records import Tenant
from retrieval_service.stores import spaces, tenants
from retrieval_service.stores.database import Database

log = structlog.get_logger("kladez.promoting")

LOOK_AROUND_SECONDS = 60.0
TENANTS_PER_PAGE = 1_000
# An index is kept until its tenant is well below the border, so that it does not come and go.
DEMOTION_SHARE = 0.5


class Promoter:
    """`own_index_chunks` vectors make a tenant big; called often, looks around once a minute."""

    def __init__(
        self,
        database: Database,
        *,
        space_id: int,
        own_index_chunks: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._space_id = space_id
        self._own_index_chunks = own_index_chunks
        self._clock = clock
        self._next_look = clock()

    async def look_around(self) -> None:
        if self._clock() < self._next_look:
            return
        self._next_look = self._clock() + LOOK_AROUND_SECONDS
        await self.promote_and_demote()

    async def promote_and_demote(self) -> None:
        """Builds and drops whatever is due now; a building takes seconds to minutes.

        Of several services one does it: to the others an index under way would look like a crash's leavings.
        """
        async with self._database.owner() as owner:
            if not await spaces.lock_indexes(owner, self._space_id):
                return
            indexes = await spaces.tenant_indexes(owner, self._space_id)
            async for tenant_id in self._tenants():
                name = spaces.tenant_index_name(self._space_id, tenant_id)
                await self._adjust(tenant_id, name, indexes.get(name))

    async def _adjust(self, tenant_id: UUID, name: str, usable: bool | None) -> None:
        """`usable` is None without an index, False for one that a crash left half-built."""
        async with self._database.tenant(tenant_id) as scope:
            count = await spaces.count_vectors(scope, self._space_id)
        small = count < self._own_index_chunks * DEMOTION_SHARE
        if usable is False or (usable and small):
            async with self._database.owner() as owner:
                await spaces.drop_index(owner, name)
            log.info("tenant_index_dropped", tenant_id=str(tenant_id), chunks=count)
        if not usable and count >= self._own_index_chunks:
            async with self._database.owner() as owner:
                await spaces.create_tenant_index(owner, self._space_id, tenant_id)
            log.info("tenant_index_built", tenant_id=str(tenant_id), chunks=count)

    async def _tenants(self) -> AsyncIterator[UUID]:
        after = (datetime.min.replace(tzinfo=UTC), UUID(int=0))
        while page := await self._page(after):
            for tenant in page:
                yield tenant.id
            after = (page[-1].created_at, page[-1].id)

    async def _page(self, after: tuple[datetime, UUID]) -> list[Tenant]:
        async with self._database.operator() as operator:
            return await tenants.page(operator, after=after, deleted_too=False, limit=TENANTS_PER_PAGE)
