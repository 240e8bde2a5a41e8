"""Changes single fields of documents, and deletes, queues and purges many documents at once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from retrieval_service import errors
from retrieval_service.domain.documents.documents import MAX_CONTENT_BYTES, Draft
from retrieval_service.domain.documents.stored import DocumentKey, StoredDocument
from retrieval_service.domain.retrieval.filters import Selection
from retrieval_service.services.documents.importing import own_languages, prepare, store, under
from retrieval_service.services.sync.purges import RemotelyPurged, RemotePurger
from retrieval_service.stores.database import Database, TenantScope
from retrieval_service.stores.documents import documents, imports, purges, selections
from retrieval_service.stores.documents.purges import Traces
from retrieval_service.stores.documents.selections import SAMPLE_SIZE

# A worker needs about as long to end what it has indexed.
MOMENT_SECONDS = 0.02

log = structlog.get_logger("kladez.editing")


@dataclass(frozen=True, kw_only=True)
class Affected:
    """How many documents, and some of them."""

    count: int
    sample: Sequence[UUID]


@dataclass(frozen=True, kw_only=True)
class PurgedTable:
    """Rows of a table, or files at the retrieval provider, that were removed and that were found afterwards."""

    name: str
    removed_count: int
    remaining_count: int


@dataclass(frozen=True, kw_only=True)
class Undone:
    """What became of the documents of an import; `skipped` ones changed after it."""

    deleted_count: int
    restored_count: int
    skipped: Sequence[UUID]


class Editor:
    """Documents of one tenant at a time."""

    def __init__(
        self, database: Database, remote: RemotePurger, *, most_bytes: int = MAX_CONTENT_BYTES
    ) -> None:
        """Contents that are longer are refused."""
        self._database = database
        self._remote = remote
        self._most_bytes = most_bytes

    async def update(
        self,
        tenant_id: UUID,
        selector: UUID | DocumentKey,
        *,
        version: int | None,
        given: Draft,
        names: Collection[str],
    ) -> StoredDocument:
        """Takes the named fields from `given`; with a version the document must still be at it."""
        async with self._database.tenant(tenant_id) as scope:
            document = await locked(scope, selector, moves="parent_key" in names)
            if version not in (None, document.version):
                raise errors.Conflict
            changes = {name: getattr(given, name) for name in names}
            wanted = replace(draft_of(document), **changes)
            own = await own_languages(scope)
            [item] = await asyncio.to_thread(prepare, [wanted], own, self._most_bytes)
            if not item.violations:
                [item] = await store(scope, [item])
            if item.violations:
                raise errors.Invalid([under("document", one) for one in item.violations])
            return found(await documents.get(scope, document.id))

    async def count(self, tenant_id: UUID, selection: Selection) -> Affected:
        async with self._database.tenant(tenant_id) as scope:
            selected = await selections.count(scope, selection)
        return Affected(count=selected.count, sample=selected.sample)

    async def delete(self, tenant_id: UUID, selection: Selection) -> Affected:
        async with self._database.tenant(tenant_id) as scope:
            affected = affecting(await selections.delete(scope, selection))
        log.info("documents_deleted", tenant_id=str(tenant_id), documents=affected.count)
        return affected

    async def reindex(self, tenant_id: UUID, selection: Selection) -> Affected:
        async with self._database.tenant(tenant_id) as scope:
            return affecting(await selections.enqueue(scope, selection))

    async def purge(self, tenant_id: UUID, selection: Selection) -> tuple[Affected, list[PurgedTable]]:
        """Removes the documents for good; what is left of them is counted after the removal is committed.

        A retrieval provider comes first: while it holds something, the rows that tell of it stay, deleted.
        """
        if (known := await self._begin_remote_purge(tenant_id, selection)) is not None:
            purged = await self._remote.purge(tenant_id, known)
            selection = Selection(ids=known, deleted_too=True)
        else:
            purged = None
        while (  # noqa: ASYNC110 - a worker may be another process, which gives no event
            gone := await self._remove(tenant_id, selection, is_checked=purged is not None)
        ) is None:
            await asyncio.sleep(MOMENT_SECONDS)
        traces, removed = gone
        async with self._database.tenant(tenant_id) as scope:
            remaining = await purges.remaining(scope, traces)
        log.info(
            "documents_purged", tenant_id=str(tenant_id), rows=removed, remaining=sum(remaining.values())
        )
        receipt = [
            PurgedTable(name=name, removed_count=removed.get(name, 0), remaining_count=remaining[name])
            for name in sorted(remaining)
        ]
        return affecting(traces.document_ids), [*receipt, *remote_lines(purged)]

    async def _remove(
        self, tenant_id: UUID, selection: Selection, *, is_checked: bool
    ) -> tuple[Traces, dict[str, int]] | None:
        """None, and nothing is removed, while a worker ends a job of these documents."""
        async with self._database.tenant(tenant_id) as scope:
            ids = await selections.lock(scope, selection)
            if not await purges.lock_jobs(scope, ids):
                return None
            if is_checked:
                await self._remote.check(scope, ids)
            traces = await purges.traces(scope, ids)
            return traces, await purges.remove(scope, traces)

    async def _begin_remote_purge(self, tenant_id: UUID, selection: Selection) -> list[UUID] | None:
        """The documents, deleted so that no worker sends them any more; None when no provider knows them."""
        async with self._database.tenant(tenant_id) as scope:
            ids = await selections.lock(scope, selection)
            if not ids or not await self._remote.is_concerned(scope, ids):
                return None
            return await selections.delete(scope, selection)

    async def undo_import(self, tenant_id: UUID, import_id: UUID) -> Undone:
        """Done a second time it finds nothing but what it had to leave alone."""
        async with self._database.tenant(tenant_id) as scope:
            if not await imports.exists(scope, import_id):
                raise errors.NotFound("there is no such import")
            await documents.lock_tree(scope)
            done = await imports.lock_items(scope, import_id)
            ours = [one for one in done if one.untouched]
            await imports.undo(scope, import_id, [one.document_id for one in ours])
        deleted_count = sum(one.created for one in ours)
        log.info("import_undone", tenant_id=str(tenant_id), import_id=str(import_id), documents=len(ours))
        return Undone(
            deleted_count=deleted_count,
            restored_count=len(ours) - deleted_count,
            skipped=[one.document_id for one in done if not one.untouched],
        )


async def locked(scope: TenantScope, selector: UUID | DocumentKey, *, moves: bool) -> StoredDocument:
    """As it is once nobody else can change it; `moves` tells that its parent is going to change."""
    if moves:
        await documents.lock_tree(scope)
    seen = found(await documents.get(scope, selector))
    await documents.lock(scope, seen.id)
    return found(await documents.get(scope, seen.id))


def draft_of(document: StoredDocument) -> Draft:
    return Draft(
        source_type=document.source_type,
        external_id=document.external_id,
        title=document.title,
        section=document.section,
        tags=tuple(document.tags),
        content=document.content,
        content_type=document.content_type,
        language=document.language,
        url=document.url,
        metadata=document.metadata,
        parent_key=document.parent_key,
    )


def found(document: StoredDocument | None) -> StoredDocument:
    if document is None:
        raise errors.NotFound("there is no such document")
    return document


def remote_lines(purged: RemotelyPurged | None) -> list[PurgedTable]:
    """The receipt's lines about the retrieval provider; none when it was not concerned."""
    if purged is None:
        return []
    before, after = purged.before, purged.after
    return [
        remote_line("openai files", before.files, after.files),
        remote_line("openai vector store files", before.store_files, after.store_files),
    ]


def remote_line(name: str, before: Set[str], after: Set[str]) -> PurgedTable:
    return PurgedTable(name=name, removed_count=len(before - after), remaining_count=len(after))


def affecting(ids: Sequence[UUID]) -> Affected:
    return Affected(count=len(ids), sample=ids[:SAMPLE_SIZE])
