"""Compares what the retrieval provider holds of a tenant with the documents, and brings both back into step.

Files of documents are sent and removed by the workers alone, one document at a time: mending corrects our own books
and queues. So nothing that is on its way is touched, however many workers there are.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from retrieval_service import errors
from retrieval_service.domain.sync.drift import Comparison, Kind, Mend
from retrieval_service.providers.ports import RetrievalBackend
from retrieval_service.services.sync.drift_detection import Books, Comparer, Look, Sighting, by_document
from retrieval_service.services.sync.vector_stores import StoreKeeper
from retrieval_service.stores.database import Database, TenantScope
from retrieval_service.stores.sync import document_files, document_states, remote_documents, sync_log
from retrieval_service.stores.sync.document_files import LEFTOVER, PRIMARY, DocumentFile
from retrieval_service.stores.sync.sync_log import Entry

# So many documents are locked at a time.
PORTION = 100
MAX_LOGGED_IDS = 100
REPAIR = "repair"


@dataclass(frozen=True, kw_only=True)
class DriftReport:
    """What differed; how many documents were queued for it, and how many files taken out of the store at once."""

    comparison: Comparison
    queued_count: int = 0
    removed_count: int = 0


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a repair saw, and the documents it queued."""

    looked: Look
    queued: Sequence[UUID]


class Mender:
    """Without a backend every call raises `errors.BackendMissing`."""

    def __init__(self, database: Database, backend: RetrievalBackend | None) -> None:
        self._database = database
        self._backend = backend

    @property
    def has_backend(self) -> bool:
        return self._backend is not None

    async def look(self, tenant_id: UUID) -> DriftReport:
        """Writes nothing anywhere."""
        return DriftReport(comparison=(await self._look(tenant_id)).comparison)

    async def sightings(self, tenant_ids: Sequence[UUID]) -> dict[UUID, Sighting]:
        """Lists the whole project's uploads once for all of them; left out is who is not mirrored any more.

        The books are read first, so that whatever is sent or removed after the listing shows as a change.
        """
        comparer = Comparer(self._database, self._given())
        books: dict[UUID, Books] = {}
        for tenant_id in tenant_ids:
            with suppress(errors.NotMirrored):
                books[tenant_id] = await comparer.books(tenant_id)
        # Shared whole: of a foreign file in a tenant's store nothing but this listing tells whose it is.
        uploads = await self._given().list_uploads() if books else ()
        return {tenant_id: Sighting(books=page, uploads=uploads) for tenant_id, page in books.items()}

    async def repair(
        self, tenant_id: UUID, *, request_id: str = "", seen: Sighting | None = None
    ) -> DriftReport:
        """The differences found; they are gone once the workers have done what was queued."""
        begun = time.monotonic()
        looked = await self._look(tenant_id, seen)
        if not looked.comparison.findings:
            return DriftReport(comparison=looked.comparison)
        done = Done(looked=looked, queued=await self._correct(tenant_id, looked))
        try:
            await self._act(tenant_id, looked)
        except (errors.ProviderUnavailable, errors.ProviderRefused) as error:
            await self._record(tenant_id, _entry(done, request_id, begun, error=str(error)))
            raise
        await self._record(tenant_id, _entry(done, request_id, begun))
        return DriftReport(
            comparison=looked.comparison,
            queued_count=len(done.queued),
            removed_count=len(looked.comparison.strangers),
        )

    async def tenants(self) -> list[UUID]:
        """Those whose documents are kept at the provider."""
        async with self._database.operator() as operator:
            return await document_states.mirrored_tenants(operator)

    async def _look(self, tenant_id: UUID, seen: Sighting | None = None) -> Look:
        comparer = Comparer(self._database, self._given())
        return await (comparer.look_on(tenant_id, seen) if seen else comparer.look(tenant_id))

    async def _correct(self, tenant_id: UUID, looked: Look) -> list[UUID]:
        """The documents that were queued."""
        mends, queued = looked.comparison.mends, []
        for start in range(0, len(mends), PORTION):
            async with self._database.tenant(tenant_id) as scope:
                queued += await _corrected(scope, looked, mends[start : start + PORTION])
        return queued

    async def _act(self, tenant_id: UUID, looked: Look) -> None:
        """What is nobody's document leaves the store, not the provider: the file belongs to somebody else."""
        backend = self._given()
        for file_id in looked.comparison.strangers:
            await backend.detach(looked.books.store_id, file_id)
        if looked.comparison.of(Kind.STORE_GONE):
            await StoreKeeper(self._database, backend).is_lost(tenant_id, looked.books.store_id)

    async def _record(self, tenant_id: UUID, entry: Entry) -> None:
        async with self._database.tenant(tenant_id) as scope:
            await sync_log.record(scope, entry)

    def _given(self) -> RetrievalBackend:
        if self._backend is None:
            raise errors.BackendMissing
        return self._backend


async def _corrected(scope: TenantScope, looked: Look, mends: Sequence[Mend]) -> list[UUID]:
    """Writes into our books what is true, and queues the documents; those that have changed since are left alone."""
    ids = [mend.document_id for mend in mends]
    now = await _page(scope, ids)
    current = [mend for mend in mends if _is_current(mend.document_id, looked.books, now)]
    for mend in current:
        await _write(scope, looked, mend)
    queued = [mend.document_id for mend in current]
    await remote_documents.enqueue(scope, queued)
    return queued


async def _page(scope: TenantScope, ids: Sequence[UUID]) -> Books:
    """What our books say of these documents, which nobody changes until the transaction ends."""
    locked = await document_states.lock(scope, ids)
    return Books(
        store_id="",
        is_adopted=False,
        standings={one.document_id: one for one in locked},
        files=by_document(await document_files.of_documents(scope, ids)),
        on_their_way=frozenset(await document_states.on_their_way(scope)),
    )


async def _write(scope: TenantScope, looked: Look, mend: Mend) -> None:
    await document_files.forget(scope, list(mend.forgotten))
    standing = looked.books.standings.get(mend.document_id)
    if standing is None or standing.is_unsettled:
        # The worker looks for all files of such a document, and may take one of them: none must be swept away.
        return
    known = {file.file_id: file for file in looked.books.files.get(mend.document_id, ())}
    # A file that has to go must not stand for the document any more, and `add_leftovers` changes no role.
    await document_files.forget(scope, list(mend.doomed))
    if mend.keep:
        await document_files.set_primary(scope, _primary(looked, mend, known.get(mend.keep)))
    doomed = [_leftover(looked, mend, file_id) for file_id in sorted(mend.doomed)]
    await document_files.add_leftovers(scope, doomed)


def _primary(looked: Look, mend: Mend, file: DocumentFile | None) -> DocumentFile:
    """What is not right gets no digest, so that a worker sees that it has to be sent."""
    copy = looked.copies[mend.document_id]
    return DocumentFile(
        file_id=mend.keep,
        document_id=mend.document_id,
        store_id=looked.books.store_id,
        role=PRIMARY,
        version=looked.books.standings[mend.document_id].version,
        content_digest=copy.content_digest if mend.is_content_right else "",
        attributes_digest=copy.attributes_digest if mend.are_attributes_right else "",
        byte_count=file.byte_count if file else copy.byte_count,
        created_at=datetime.now(UTC),
    )


def _leftover(looked: Look, mend: Mend, file_id: str) -> DocumentFile:
    return DocumentFile(
        file_id=file_id,
        document_id=mend.document_id,
        store_id=looked.books.store_id,
        role=LEFTOVER,
        version=0,
        content_digest="",
        attributes_digest="",
        byte_count=0,
        created_at=datetime.now(UTC),
    )


def _is_current(document_id: UUID, then: Books, now: Books) -> bool:
    return document_id not in now.on_their_way and then.page_of(document_id) == now.page_of(document_id)


def _entry(done: Done, request_id: str, begun: float, *, error: str = "") -> Entry:
    """Of many ids the first are named."""
    return Entry(
        actor=REPAIR,
        action="repair_drift",
        outcome="failed" if error else "done",
        store_id=done.looked.books.store_id,
        document_ids=done.queued[:MAX_LOGGED_IDS],
        file_ids=done.looked.comparison.strangers[:MAX_LOGGED_IDS],
        duration_ms=round((time.monotonic() - begun) * 1000),
        error=error,
        request_id=request_id,
    )
