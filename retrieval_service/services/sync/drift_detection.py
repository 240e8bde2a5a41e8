"""Looks at what the retrieval provider holds of a tenant, and at what our own books say, and compares."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from retrieval_service import errors
from retrieval_service.domain.sync import drift
from retrieval_service.domain.sync.drift import Comparison, Known, Local, Remote, Wanted
from retrieval_service.domain.sync.remote_documents import (
    attributes_digest,
    content_digest,
    content_of,
    remote_document,
)
from retrieval_service.domain.sync.remote_files import Original, RemoteDocument, StoreFile, UploadedFile
from retrieval_service.providers.ports import RetrievalBackend
from retrieval_service.stores.database import Database
from retrieval_service.stores.queue import backlog
from retrieval_service.stores.sync import document_files, document_states, remote_documents, vector_store_ids
from retrieval_service.stores.sync.document_files import PRIMARY, DocumentFile
from retrieval_service.stores.sync.document_states import Standing

# So many texts are read at a time.
PORTION = 100
# Workers sweep away what has to go; after this time it is told of.
SWEEPING_TIME = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A document as the provider should hold it, and the digests by which a worker tells that it does."""

    wanted: Wanted
    content_digest: str
    attributes_digest: str
    byte_count: int


@dataclass(frozen=True, kw_only=True)
class Books:
    """What we say of a tenant at one moment; `files` are by document."""

    store_id: str
    is_adopted: bool
    standings: Mapping[UUID, Standing]
    files: Mapping[UUID, Sequence[DocumentFile]]
    on_their_way: frozenset[UUID]

    def page_of(self, document_id: UUID) -> tuple[Standing | None, Sequence[DocumentFile]]:
        """All that is said of one document."""
        return self.standings.get(document_id), self.files.get(document_id, ())


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A tenant's books, and the uploads that were listed after they were read."""

    books: Books
    uploads: Sequence[UploadedFile]


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one comparison rests on."""

    books: Books
    copies: Mapping[UUID, Copy]
    comparison: Comparison


class Comparer:
    """One tenant at a time; writes nothing anywhere."""

    def __init__(self, database: Database, backend: RetrievalBackend) -> None:
        self._database = database
        self._backend = backend

    async def look(self, tenant_id: UUID) -> Look:
        """Documents of which the books change while the provider is asked are left for the next look."""
        before = await self.books(tenant_id)
        uploads = await self._backend.list_uploads()
        return await self.look_on(tenant_id, Sighting(books=before, uploads=uploads))

    async def look_on(self, tenant_id: UUID, seen: Sighting) -> Look:
        """Goes on from a sighting: whatever the books say differently by now is left for the next look."""
        remote = Remote(store=await self._listed(seen.books.store_id), uploads=seen.uploads)
        after = await self.books(tenant_id)
        unsettled = _unsettled(seen.books, after)
        copies = await self._copies(tenant_id, after, unsettled)
        local = Local(
            tenant_id=tenant_id,
            document_ids=after.standings.keys(),
            unsettled_ids=unsettled,
            wanted={document_id: copy.wanted for document_id, copy in copies.items()},
            is_store_shared=after.is_adopted,
            known=[_known(file, datetime.now(UTC)) for files in after.files.values() for file in files],
        )
        comparison = await asyncio.to_thread(drift.compare, remote, local)
        return Look(books=after, copies=copies, comparison=comparison)

    async def _listed(self, store_id: str) -> Sequence[StoreFile] | None:
        """None for a store that is gone; one that was never made holds nothing."""
        if not store_id:
            return ()
        return await self._backend.list_files(store_id) if await self._backend.has_store(store_id) else None

    async def books(self, tenant_id: UUID) -> Books:
        """Raises `errors.NotMirrored` for a tenant whose documents are kept here alone."""
        async with self._database.snapshot(tenant_id) as scope:
            if not await backlog.is_mirrored(scope):
                raise errors.NotMirrored
            return Books(
                store_id=await vector_store_ids.get(scope) or "",
                is_adopted=await vector_store_ids.is_adopted(scope),
                standings={one.document_id: one for one in await document_states.everything(scope)},
                files=by_document(await document_files.everything(scope)),
                on_their_way=frozenset(await document_states.on_their_way(scope)),
            )

    async def _copies(self, tenant_id: UUID, books: Books, unsettled: frozenset[UUID]) -> dict[UUID, Copy]:
        """Of living documents with a text that nobody works on."""
        ids = [
            one.document_id
            for one in books.standings.values()
            if not one.is_deleted and one.document_id not in unsettled
        ]
        copies: dict[UUID, Copy] = {}
        for start in range(0, len(ids), PORTION):
            async with self._database.tenant(tenant_id) as scope:
                originals = await remote_documents.read(scope, ids[start : start + PORTION])
            copies |= await asyncio.to_thread(self._made, originals, books)
        return copies

    def _made(self, originals: Sequence[Original], books: Books) -> dict[UUID, Copy]:
        drafted = ((original.id, remote_document(original)) for original in originals)
        return {
            document_id: self._copy(document, books.standings[document_id])
            for document_id, document in drafted
            if document
        }

    def _copy(self, document: RemoteDocument, standing: Standing) -> Copy:
        form = self._backend.form_of(document)
        wanted = Wanted(revision=form.revision, attributes=form.attributes, is_given_up=standing.is_given_up)
        return Copy(
            wanted=wanted,
            content_digest=content_digest(document),
            attributes_digest=attributes_digest(document),
            byte_count=len(content_of(document)),
        )


def by_document(files: Iterable[DocumentFile]) -> dict[UUID, list[DocumentFile]]:
    found: dict[UUID, list[DocumentFile]] = {}
    for file in files:
        found.setdefault(file.document_id, []).append(file)
    return found


def _unsettled(before: Books, after: Books) -> frozenset[UUID]:
    """Documents on their way, and those of which the books changed in between."""
    everybody = {*before.standings, *after.standings, *before.files, *after.files}
    changed = {one for one in everybody if before.page_of(one) != after.page_of(one)}
    return before.on_their_way | after.on_their_way | changed


def _known(file: DocumentFile, now: datetime) -> Known:
    return Known(
        file_id=file.file_id,
        document_id=file.document_id,
        is_primary=file.role == PRIMARY,
        is_overdue=now - file.created_at > SWEEPING_TIME,
    )
