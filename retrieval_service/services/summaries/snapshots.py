"""Keeps a search with its summary for a reader who comes back by a link, until the next one or until it expires."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import structlog

from retrieval_service import errors
from retrieval_service.domain.summaries.snapshots import NewSnapshot, Snapshot, SnapshotHit
from retrieval_service.domain.summaries.summaries import Flavour
from retrieval_service.services.summaries.summaries import Request, Summarized, Summarizing
from retrieval_service.services.tenants.authentication import hash_secret
from retrieval_service.stores.chats import snapshots
from retrieval_service.stores.database import Database, TenantScope

log = structlog.get_logger("kladez.snapshotting")

TOKEN_BYTES = 24
HOUSEKEEPING_SECONDS = 60.0
NOT_FOUND = "there is no such snapshot, or it has expired"


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A snapshot and its hits."""

    snapshot: Snapshot
    hits: Sequence[SnapshotHit]


class Snapshotting:
    """`clock` is monotonic, in seconds."""

    def __init__(
        self, database: Database, summarizing: Summarizing, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._summarizing = summarizing
        self._clock = clock
        self._next_look = clock()

    async def create(
        self, tenant_id: UUID, request: Request, *, reader_key: str, valid_days: int
    ) -> tuple[Kept, str]:
        """The snapshot and the token that opens it, which nobody can read again."""
        summarized = await self._summarizing.summarize(tenant_id, replace(request, flavour=Flavour.WEB))
        token = secrets.token_urlsafe(TOKEN_BYTES)
        snapshot = NewSnapshot(
            id=uuid4(),
            reader_key=reader_key,
            token_hash=hash_secret(token),
            query=request.query.text,
            language=summarized.language,
            summary=summarized.html,
            summarizer=summarized.summarizer,
            valid_days=valid_days,
        )
        async with self._database.tenant(tenant_id) as scope:
            await snapshots.replace(scope, snapshot, kept_hits(summarized))
            # Here and not afterwards: the reader's next one may take its place as soon as this is committed.
            return await kept(scope, snapshot.id), token

    async def get(self, tenant_id: UUID, snapshot_id: UUID) -> Kept:
        async with self._database.snapshot(tenant_id) as scope:
            return await kept(scope, snapshot_id)

    async def resolve(self, token: str, *, asked_by: UUID | None) -> Kept:
        """`asked_by` is the tenant the caller acts for, who is told nothing of others; None is told of all."""
        async with self._database.operator() as operator:
            owner = await snapshots.owner_of(operator, hash_secret(token))
        if owner is None or asked_by not in (None, owner[0]):
            raise errors.NotFound(NOT_FOUND)
        return await self.get(*owner)

    async def delete(self, tenant_id: UUID, snapshot_id: UUID) -> None:
        async with self._database.tenant(tenant_id) as scope:
            if not await snapshots.delete(scope, snapshot_id):
                raise errors.NotFound(NOT_FOUND)

    async def run_housekeeping(self) -> None:
        """Called often, removes once a minute what has expired."""
        if self._clock() < self._next_look:
            return
        self._next_look = self._clock() + HOUSEKEEPING_SECONDS
        async with self._database.operator() as operator:
            pruned = await snapshots.prune(operator)
        if pruned:
            log.info("snapshots_pruned", snapshots=pruned)


async def kept(scope: TenantScope, snapshot_id: UUID) -> Kept:
    snapshot = await snapshots.get(scope, snapshot_id)
    if snapshot is None:
        raise errors.NotFound(NOT_FOUND)
    return Kept(snapshot=snapshot, hits=await snapshots.hits(scope, snapshot_id))


def kept_hits(summarized: Summarized) -> list[SnapshotHit]:
    return [
        SnapshotHit(
            number=one.number,
            document_id=hit.passage.document_id,
            chunk_id=hit.passage.chunk_id,
            source_type=one.source_type,
            external_id=one.external_id,
            title=one.title,
            section=hit.passage.section,
            url=one.url,
            snippet=one.snippet,
            score=one.score,
        )
        for one, hit in zip(summarized.references, summarized.hits, strict=True)
    ]
