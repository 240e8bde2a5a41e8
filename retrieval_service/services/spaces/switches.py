"""Moves a tenant from one embedding space to another, and back for as long as the old one is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from retrieval_service import errors
from retrieval_service.domain.indexing.calibration import KnownSpace
from retrieval_service.domain.indexing.index_jobs import BYTES_PER_TOKEN
from retrieval_service.domain.indexing.spaces import Estimate, Scale, TenantSpace
from retrieval_service.services.indexing.embedders import Embedders
from retrieval_service.stores.database import Database
from retrieval_service.stores.index import chunks, vectors
from retrieval_service.stores.tenants import spaces, tenant_spaces
from retrieval_service.stores.tenants.tenant_spaces import Due

log = structlog.get_logger("kladez.switching")

DEFAULT_KEEP_DAYS = 7
# A space whose searches miss more than one neighbour in twenty is not flipped to.
LEAST_RECALL = 0.95
VECTORS_PER_DELETE = 5_000


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A space of the installation, and what the tenant has in it: `held` is None for nothing.

    `scale` is the one that searches go by, None where nothing was measured yet, and where its model was measured and
    `reads_nothing`; `languages` are those that the model reads, none for all.
    """

    space: KnownSpace
    scale: Scale | None
    languages: frozenset[str]
    is_open: bool
    is_home: bool
    held: TenantSpace | None
    reads_nothing: bool = False


class Switcher:
    """What an operator may do with a tenant's spaces; a space is named by its key."""

    def __init__(self, database: Database, embedders: Embedders) -> None:
        self._database = database
        self._embedders = embedders

    async def standings(self, tenant_id: UUID) -> list[Standing]:
        """Every space of the installation, by age."""
        async with self._database.tenant(tenant_id) as scope:
            known = await spaces.known(scope.connection)
            held = {one.space_id: one for one in await tenant_spaces.of_tenant(scope)}
        return [self._standing(space, held.get(space.id)) for space in known]

    def _standing(self, space: KnownSpace, held: TenantSpace | None) -> Standing:
        searched, measured = self._embedders.space(space.id), space.calibration
        as_read = searched or measured
        return Standing(
            space=space,
            scale=as_read.scale if as_read else None,
            languages=as_read.languages if as_read else frozenset(),
            is_open=searched is not None,
            is_home=space.id == self._embedders.home_id,
            held=held,
            reads_nothing=measured is not None and as_read is not None and as_read.scale is None,
        )

    async def standing(self, tenant_id: UUID, key: str) -> Standing:
        """The one space that has this key; without a key, the only open one that is not active."""
        known = await self.standings(tenant_id)
        named = [one for one in known if one.space.key == key] if key else others(known)
        if not named:
            raise errors.NotFound("no such embedding space; KLADEZ_NEXT_EMBEDDER opens a second one")
        return named[0]

    async def estimate(self, tenant_id: UUID, key: str) -> tuple[Standing, Estimate]:
        """What filling the space would take now; texts that its model cannot read are counted too."""
        standing = await self.standing(tenant_id, key)
        async with self._database.tenant(tenant_id) as scope:
            missing = await vectors.missing(scope, standing.space.id)
        tokens = -(-missing.byte_count // BYTES_PER_TOKEN)
        dollars = self._embedders.dollars(standing.space.provider, standing.space.model, tokens)
        return standing, Estimate(chunk_count=missing.chunk_count, token_count=tokens, dollars=dollars)

    async def start(self, tenant_id: UUID, key: str) -> Standing:
        """Begins to fill the space, in the background; one that is being filled goes on."""
        standing = await self.standing(tenant_id, key)
        require_open(standing)
        if standing.held is not None and standing.held.state == "dropping":
            raise errors.SpaceNotReady("the space is being dropped; repeat in a moment")
        if standing.held is None or standing.held.state == "kept":
            await self.begin(tenant_id, standing.space.id, is_automatic=False)
        return await self.standing(tenant_id, standing.space.key)

    async def begin(self, tenant_id: UUID, space_id: int, *, is_automatic: bool) -> None:
        async with self._database.tenant(tenant_id) as scope:
            total = await chunks.count(scope)
        async with self._database.operator() as operator:
            await tenant_spaces.lock(operator, tenant_id)
            await tenant_spaces.start(operator, tenant_id, space_id, total=total, is_automatic=is_automatic)
        log.info("switch_started", tenant_id=str(tenant_id), space_id=space_id, chunks=total)

    async def flip(self, tenant_id: UUID, key: str, *, keep_days: int, force: bool) -> Standing:
        """Searches read the space from now on; the one they read before is kept up to date for `keep_days`."""
        standing = await self.standing(tenant_id, key)
        require_open(standing)
        if not force:
            require_proof(standing)
        if not is_active(standing):
            await self._flip(tenant_id, standing.space.id, keep_days=keep_days)
        return await self.standing(tenant_id, standing.space.key)

    async def flip_when_ready(self, tenant_id: UUID, space_id: int) -> None:
        """For a switch that the configuration asked for: nobody is there to verify it."""
        async with self._database.tenant(tenant_id) as scope:
            held = {one.space_id: one for one in await tenant_spaces.of_tenant(scope)}.get(space_id)
        if held and held.is_complete and held.is_automatic and held.state != "active":
            await self._flip(tenant_id, space_id, keep_days=DEFAULT_KEEP_DAYS)

    async def drop(self, tenant_id: UUID, key: str) -> None:
        """Forgets the tenant's vectors in a space that is not active, be it half filled or kept."""
        standing = await self.standing(tenant_id, key)
        if standing.held is None:
            raise errors.NotFound("the tenant has no vectors in this space")
        if is_active(standing):
            raise errors.SpaceNotReady("searches read this space; flip to another one first")
        await self._drop(Due(tenant_id=tenant_id, space_id=standing.space.id))

    async def drop_outlived(self) -> None:
        """Forgets spaces that were kept long enough, and ends what a crash left half-dropped."""
        async with self._database.operator() as operator:
            outlived = await tenant_spaces.outlived(operator)
        for due in outlived:
            await self._drop(due)

    async def _flip(self, tenant_id: UUID, space_id: int, *, keep_days: int) -> None:
        async with self._database.operator() as operator:
            await tenant_spaces.lock(operator, tenant_id)
            flipped = await tenant_spaces.flip(operator, tenant_id, space_id, keep_days=keep_days)
        if not flipped:
            raise errors.SpaceNotReady("the space is being dropped; repeat in a moment")
        log.info("space_flipped", tenant_id=str(tenant_id), space_id=space_id)

    async def _drop(self, due: Due) -> None:
        async with self._database.operator() as operator:
            await tenant_spaces.lock(operator, due.tenant_id)
            marked = await tenant_spaces.mark_dropping(operator, due.tenant_id, due.space_id)
        if not marked:
            return
        while await self._delete_some(due):
            pass
        async with self._database.tenant(due.tenant_id) as scope:
            await tenant_spaces.forget(scope, due.space_id)
        log.info("space_dropped", tenant_id=str(due.tenant_id), space_id=due.space_id)

    async def _delete_some(self, due: Due) -> int:
        async with self._database.tenant(due.tenant_id) as scope:
            return await vectors.delete(scope, due.space_id, limit=VECTORS_PER_DELETE)


async def adopt(database: Database, embedders: Embedders, switcher: Switcher) -> None:
    """Tenants without a space get the configured one; those of a model that is not configured begin to move to it."""
    async with database.operator() as operator:
        standings = await tenant_spaces.active_of_all(operator)
    for one in standings:
        if not one.space_id:
            await _adopt_homeless(database, one.tenant_id, embedders.home_id)
        elif not embedders.is_configured(one.space_id):
            log_leaving(one, is_open=embedders.get(one.space_id) is not None)
            await _leave(database, switcher, one, embedders.home_id)


async def _adopt_homeless(database: Database, tenant_id: UUID, home_id: int) -> None:
    async with database.operator() as operator:
        await tenant_spaces.lock(operator, tenant_id)
        await tenant_spaces.flip(operator, tenant_id, home_id, keep_days=DEFAULT_KEEP_DAYS)


async def _leave(database: Database, switcher: Switcher, active: Due, home_id: int) -> None:
    """Goes on with a switch that has begun."""
    async with database.tenant(active.tenant_id) as scope:
        held = {one.space_id: one for one in await tenant_spaces.of_tenant(scope)}.get(home_id)
    if held is None or not (held.is_automatic and held.state == "filling"):
        await switcher.begin(active.tenant_id, home_id, is_automatic=True)


def log_leaving(active: Due, *, is_open: bool) -> None:
    """A model that is not open can embed no question until the tenant has moved."""
    if is_open:
        log.info("space_left", tenant_id=str(active.tenant_id), space_id=active.space_id)
    else:
        log.warning("space_has_no_embedder", tenant_id=str(active.tenant_id), space_id=active.space_id)


def others(known: Sequence[Standing]) -> list[Standing]:
    """The open spaces that are not active, the one being moved to first."""
    open_ones = [one for one in known if one.is_open and not is_active(one)]
    return sorted(open_ones, key=lambda one: one.held is None)


def is_active(standing: Standing) -> bool:
    return standing.held is not None and standing.held.state == "active"


def require_open(standing: Standing) -> None:
    if not standing.is_open:
        raise errors.SpaceNotReady(f"no embedder is configured for {standing.space.key}")


def require_proof(standing: Standing) -> None:
    """A space that was active once needs no second trial."""
    held = standing.held
    if held is None or not held.is_complete:
        raise errors.SpaceNotReady("the space is not filled yet; start the switch and wait for it")
    if held.state == "ready" and held.recall is None:
        raise errors.SpaceNotReady("the space is not verified yet")
    if held.state == "ready" and held.recall is not None and held.recall < LEAST_RECALL:
        raise errors.SpaceNotReady(f"recall is {held.recall:.3f}, below {LEAST_RECALL}")
