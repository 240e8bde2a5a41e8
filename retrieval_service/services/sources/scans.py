"""Brings documents up to date with the rows of their source: what changed is stored, what is gone is deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

import structlog

from retrieval_service import errors
from retrieval_service.domain.documents.documents import Draft
from retrieval_service.domain.documents.source_rows import RenderedRow, Row, RowRenderer, text_of
from retrieval_service.domain.documents.sources import DeclaredSource
from retrieval_service.errors import Violation
from retrieval_service.services.documents.importing import Item, Outcome, own_languages, prepare, store
from retrieval_service.services.sources.addresses import SourceAddresses
from retrieval_service.services.sources.declarations import found
from retrieval_service.services.sources.tracker import Tracker
from retrieval_service.stores.database import Database
from retrieval_service.stores.sources import sources
from retrieval_service.stores.sources.source_rows import BATCH_ROWS, FINGERPRINT, SourceReader

log = structlog.get_logger("kladez.sourcing")

MAX_IDS = 10_000
MAX_ROW_ERRORS = 100
IDS_PER_PAGE = 5_000
# What is committed is indexed while the next is written, and while it is written nobody else moves its index job on.
ROWS_IN_A_TRANSACTION = 100
# A transaction may commit a row long after it wrote its time into it.
OVERLAP = timedelta(minutes=10)
# Of rows that were read by their ids: the query for ids may write its columns in another order.
EMPTY: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class FailedRow:
    """A row that could not be stored, and why."""

    external_id: str
    violations: Sequence[Violation]


@dataclass(kw_only=True)
class SourceReport:
    """Grows while a source is read; `failed` holds the first rows only."""

    read_count: int = 0
    created_count: int = 0
    updated_count: int = 0
    unchanged_count: int = 0
    deleted_count: int = 0
    failed_count: int = 0
    failed: list[FailedRow] = field(default_factory=list)

    def add(self, items: Sequence[Item]) -> None:
        outcomes = [item.outcome for item in items]
        self.created_count += outcomes.count(Outcome.CREATED)
        self.updated_count += outcomes.count(Outcome.UPDATED)
        self.unchanged_count += outcomes.count(Outcome.UNCHANGED)
        for item in items:
            if item.violations:
                self.add_failed(item.draft.external_id, item.violations)

    def add_failed(self, external_id: str, violations: Sequence[Violation]) -> None:
        self.failed_count += 1
        if len(self.failed) < MAX_ROW_ERRORS:
            self.failed.append(FailedRow(external_id=external_id, violations=violations))

    @property
    def problem(self) -> str:
        """In words for people, "" when every row was stored."""
        if not self.failed:
            return ""
        first = self.failed[0]
        reasons = ", ".join(f"{one.field}: {one.description}" for one in first.violations)
        return (
            f"{self.failed_count} of {self.read_count} rows failed, the first {first.external_id}: {reasons}"
        )


class Sourcing:
    """Reads with one connection of the source's database, and writes batch by batch with ours."""

    def __init__(self, database: Database, addresses: SourceAddresses) -> None:
        self._database = database
        self._addresses = addresses

    async def sync_ids(
        self, tenant_id: UUID, name: str, ids: Sequence[str], *, index_job_id: UUID | None = None
    ) -> SourceReport:
        """Reads just these rows; those that are gone are deleted here too.

        The index job, if any, follows what changes; raises `IndexJobEnded` when it does so no longer.
        """
        if len(ids) > MAX_IDS:
            raise errors.Invalid([Violation("ids", f"must be at most {MAX_IDS:,}, are {len(ids):,}")])
        declared = await self._declared(tenant_id, name)
        tracker = Tracker(index_job_id=index_job_id, is_scan=False)
        run = SourceRun(self._database, tenant_id, declared, tracker)
        try:
            async with self._addresses.reader(declared.source) as reader:
                await run.take_ids(reader, list(dict.fromkeys(ids)))
        except errors.KladezError as error:
            await self._record(tenant_id, declared, read_at=None, error=str(error))
            raise
        await self._record(tenant_id, declared, read_at=None, error=run.report.problem)
        return run.report

    async def sync(
        self, tenant_id: UUID, name: str, *, every_row: bool = False, index_job_id: UUID | None = None
    ) -> SourceReport:
        """Reads the rows that changed since the last time, or every row, and deletes what is gone.

        The index job, if any, follows what changes; raises `IndexJobEnded` when it does so no longer, and
        `Conflict` when the source is being read already.
        """
        declared = await self._declared(tenant_id, name)
        async with self._database.owner() as owner:
            if not await sources.lock_scan(owner, tenant_id, name):
                raise errors.Conflict(f"source {name} is being read already")
            tracker = Tracker(index_job_id=index_job_id, is_scan=True)
            run = SourceRun(self._database, tenant_id, declared, tracker)
            return await self._scan(tenant_id, declared, run, every_row=every_row)

    async def _scan(
        self, tenant_id: UUID, declared: DeclaredSource, run: SourceRun, *, every_row: bool
    ) -> SourceReport:
        try:
            async with self._addresses.reader(declared.source) as reader:
                read_at = await reader.moment()
                await run.take_rows(reader, None if every_row else since(declared))
        except errors.KladezError as error:
            await self._record(tenant_id, declared, read_at=None, error=str(error))
            raise
        await self._record(tenant_id, declared, read_at=read_at, error=run.report.problem)
        log.info("source_synced", tenant_id=str(tenant_id), source=declared.source.name, **counts(run.report))
        return run.report

    async def _declared(self, tenant_id: UUID, name: str) -> DeclaredSource:
        async with self._database.tenant(tenant_id) as scope:
            return found(await sources.get(scope, name))

    async def _record(
        self, tenant_id: UUID, declared: DeclaredSource, *, read_at: datetime | None, error: str
    ) -> None:
        async with self._database.tenant(tenant_id) as scope:
            await sources.record_sync(scope, declared, read_at=read_at, error=error)


class SourceRun:
    """One reading of one source, and what has become of its rows so far."""

    def __init__(
        self, database: Database, tenant_id: UUID, declared: DeclaredSource, tracker: Tracker
    ) -> None:
        self.report = SourceReport()
        self._database = database
        self._tracker = tracker
        self._tenant_id = tenant_id
        self._source = declared.source
        self._renderer = RowRenderer(declared.source)

    async def take_ids(self, reader: SourceReader, ids: Sequence[str]) -> None:
        started_at = await self._moment()
        for start in range(0, len(ids), BATCH_ROWS):
            wanted = ids[start : start + BATCH_ROWS]
            rows, refused = await self._read(reader, wanted)
            seen = refused | await self._take(rows)
            await self._delete([one for one in wanted if one not in seen], started_at)

    async def _read(self, reader: SourceReader, ids: Sequence[str]) -> tuple[list[Row], set[str]]:
        """The rows, and the ids that the source cannot read: one of them fails none of the others."""
        try:
            return list(await reader.by_ids(ids)), set()
        except errors.SourceIdsRefused as error:
            if len(ids) == 1:
                self.report.read_count += 1
                self.report.add_failed(ids[0], [Violation("id", str(error))])
                return [], set(ids)
        middle = len(ids) // 2
        rows, refused = await self._read(reader, ids[:middle])
        more_rows, more_refused = await self._read(reader, ids[middle:])
        return rows + more_rows, refused | more_refused

    async def take_rows(self, reader: SourceReader, since: datetime | None) -> None:
        """What is gone is known only once all ids were read; a source that breaks deletes nothing."""
        started_at = await self._moment()
        seen: set[str] = set()
        async for rows in reader.rows(since):
            seen |= await self._take_fingerprinted(rows)
        if since is not None:
            seen |= await self._take_others(reader, seen)
        await self._delete_all_but(seen, started_at)

    async def _take_others(self, reader: SourceReader, seen: Set[str]) -> set[str]:
        """Rows that changed without a new moment: by another table of their join, or by hand; returns all ids."""
        everything: set[str] = set()
        changed: dict[str, int] = {}
        async for page in reader.fingerprints():
            everything.update(page)
            changed |= await self._changed({one: page[one] for one in page if one not in seen})
        ids = list(changed)
        for start in range(0, len(ids), BATCH_ROWS):
            rows, _ = await self._read(reader, ids[start : start + BATCH_ROWS])
            await self._take(rows, changed)
        return everything

    async def _changed(self, fingerprints: Mapping[str, int]) -> dict[str, int]:
        async with self._database.tenant(self._tenant_id) as scope:
            known = await sources.unchanged(scope, self._source.source_type, fingerprints)
        return {one: fingerprint for one, fingerprint in fingerprints.items() if one not in known}

    async def _take_fingerprinted(self, rows: Sequence[dict[str, Any]]) -> set[str]:
        fingerprints = {text_of(row.get(self._source.id_column)): row.pop(FINGERPRINT) for row in rows}
        return await self._take(rows, fingerprints)

    async def _take(self, rows: Sequence[Row], fingerprints: Mapping[str, int] = EMPTY) -> set[str]:
        """Stores a batch; returns the ids of its rows, also of those that failed."""
        rendered = await asyncio.to_thread(self._renderer.render, rows)
        self.report.read_count += len(rows)
        for row in rendered:
            if row.draft is None:
                self.report.add_failed(row.external_id, row.violations)
        await self._store(rendered, fingerprints)
        return {row.external_id for row in rendered}

    async def _store(self, rendered: Sequence[RenderedRow], fingerprints: Mapping[str, int]) -> None:
        drafts = [row.draft for row in rendered if row.draft is not None]
        for start in range(0, len(drafts), ROWS_IN_A_TRANSACTION):
            self.report.add(await self._write(drafts[start : start + ROWS_IN_A_TRANSACTION], fingerprints))

    async def _write(self, drafts: Sequence[Draft], fingerprints: Mapping[str, int]) -> list[Item]:
        async with self._database.tenant(self._tenant_id) as scope:
            own = await own_languages(scope)
        prepared = await asyncio.to_thread(prepare, drafts, own)
        async with self._database.tenant(self._tenant_id) as scope:
            await self._tracker.hold(scope)
            items = await store(scope, prepared)
            await self._tracker.follow(scope, self._source.source_type, changed_ids(items))
            if known := fingerprints_of(items, fingerprints):
                await sources.remember(scope, self._source.source_type, known)
        return items

    async def _delete_all_but(self, seen: Set[str], started_at: datetime) -> None:
        """Rows that were written while we read are not known to be gone."""
        after = ""
        while page := await self._document_ids(after, started_at):
            await self._delete([one for one in page if one not in seen], started_at)
            after = page[-1]

    async def _document_ids(self, after: str, started_at: datetime) -> list[str]:
        async with self._database.tenant(self._tenant_id) as scope:
            return await sources.document_ids(
                scope, self._source.source_type, after=after, unchanged_since=started_at, limit=IDS_PER_PAGE
            )

    async def _delete(self, gone: Sequence[str], started_at: datetime) -> None:
        if not gone:
            return
        async with self._database.tenant(self._tenant_id) as scope:
            await self._tracker.hold(scope)
            deleted = await sources.delete_documents(
                scope, self._source.source_type, gone, unchanged_since=started_at
            )
            await self._tracker.follow(scope, self._source.source_type, deleted)
        self.report.deleted_count += len(deleted)

    async def _moment(self) -> datetime:
        async with self._database.tenant(self._tenant_id) as scope:
            return await sources.moment(scope)


def changed_ids(items: Sequence[Item]) -> list[str]:
    return [item.draft.external_id for item in items if item.outcome in (Outcome.CREATED, Outcome.UPDATED)]


def fingerprints_of(items: Sequence[Item], fingerprints: Mapping[str, int]) -> dict[str, int]:
    """Of the rows that were stored; one that failed is looked at again the next time."""
    stored = {item.draft.external_id for item in items if item.outcome is not None}
    return {one: fingerprint for one, fingerprint in fingerprints.items() if one in stored}


def since(declared: DeclaredSource) -> datetime | None:
    """The moment from which changes are read; None when only all rows will do."""
    if not declared.source.updated_at_column or declared.last_sync_at is None:
        return None
    return declared.last_sync_at - OVERLAP


def counts(report: SourceReport) -> dict[str, int]:
    """By name, for a log line."""
    return {name: value for name, value in vars(report).items() if isinstance(value, int)}
