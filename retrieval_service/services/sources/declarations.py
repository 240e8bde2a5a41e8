"""Declares tables of other databases as sources, and tries a declaration out before anything is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from retrieval_service import errors
from retrieval_service.domain.documents import source_templates
from retrieval_service.domain.documents.source_rows import RenderedRow, RowRenderer, text_of
from retrieval_service.domain.documents.sources import DeclaredSource, Source, check
from retrieval_service.domain.tenants.settings import TenantSettings, check_settings
from retrieval_service.services.sources.addresses import SourceAddresses
from retrieval_service.stores.database import Database
from retrieval_service.stores.sources import sources
from retrieval_service.stores.sources.source_rows import SourceReader
from retrieval_service.stores.tenants import tenants

SAMPLE_ROWS = 5


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What the first rows become, and what will be slow or missing."""

    rows: Sequence[RenderedRow]
    warnings: Sequence[str]


class Declarer:
    """The API has checked who may declare and who may only look."""

    def __init__(self, database: Database, addresses: SourceAddresses) -> None:
        self._database = database
        self._addresses = addresses

    async def upsert(
        self, tenant_id: UUID, source: Source, *, version: int | None = None, strangers_write: bool = False
    ) -> DeclaredSource:
        """Creates the source, or replaces all of it but its type; then every row is read again.

        With a version the declaration must still be at it: raises `Conflict`.
        """
        violations = list(check(source, variable_prefix=self._addresses.prefix))
        if violations:
            raise errors.Invalid(violations)
        if strangers_write:
            await self._distrust(tenant_id, source.source_type)
        async with self._database.tenant(tenant_id) as scope:
            if version is not None and await sources.lock(scope, source.name) != version:
                raise errors.Conflict
            declared = await sources.upsert(scope, source)
        if declared is None:
            raise errors.Invalid([errors.Violation("source.source_type", "cannot be changed")])
        return declared

    async def _distrust(self, tenant_id: UUID, source_type: str) -> None:
        """Before the first row is read, and for good: the documents outlive the source."""
        async with self._database.operator() as operator:
            tenant = await tenants.get(operator, tenant_id)
            if tenant is None:
                raise errors.NotFound("there is no such tenant")
            settings = TenantSettings.from_json(tenant.settings)
            if source_type in settings.untrusted_source_types:
                return
            untrusted = (*settings.untrusted_source_types, source_type)
            settings = replace(settings, untrusted_source_types=untrusted)
            if any(check_settings(settings)):
                reason = "needs room in the tenant's untrusted_source_types, and no such type in trusted_source_types"
                raise errors.Invalid([errors.Violation("source.strangers_write", reason)])
            version, stored = tenant.version, settings.as_json()
            if not await tenants.update(
                operator, tenant_id, version=version, name=tenant.name, settings=stored
            ):
                raise errors.Conflict

    async def get(self, tenant_id: UUID, name: str) -> DeclaredSource:
        async with self._database.tenant(tenant_id) as scope:
            return found(await sources.get(scope, name))

    async def page(self, tenant_id: UUID, *, after: str, limit: int) -> list[DeclaredSource]:
        async with self._database.tenant(tenant_id) as scope:
            return await sources.page(scope, after=after, limit=limit)

    async def delete(self, tenant_id: UUID, name: str, *, version: int | None = None) -> None:
        """The documents that were made of it stay. With a version it must still be at it: raises `Conflict`."""
        async with self._database.tenant(tenant_id) as scope:
            if version not in (None, await sources.lock(scope, name)):
                raise errors.Conflict
            if not await sources.delete(scope, name):
                raise errors.NotFound("there is no such source")

    async def test(self, tenant_id: UUID, name: str) -> Trial:
        """Reads a few rows and stores nothing."""
        source = (await self.get(tenant_id, name)).source
        async with self._addresses.reader(source) as reader:
            rows = await reader.sample(SAMPLE_ROWS)
            warnings = [
                *missing(source, list(rows[0]) if rows else None),
                *await slow(source, reader),
                *await unfollowed(source, reader),
            ]
            ids = [text_of(row.get(source.id_column)) for row in rows]
            answered = [text_of(row.get(source.id_column)) for row in await reader.by_ids(ids)]
        if sorted(ids) != sorted(answered):
            warnings.append("ids_query: does not give back the rows whose ids it is asked for")
        rendered = await asyncio.to_thread(lambda: RowRenderer(source).render(rows))
        return Trial(rows=rendered, warnings=warnings)


def found(declared: DeclaredSource | None) -> DeclaredSource:
    if declared is None:
        raise errors.NotFound("there is no such source")
    return declared


def missing(source: Source, columns: Sequence[str] | None) -> Iterator[str]:
    """What is named and not there; of a table without rows nothing can be said."""
    if columns is None:
        yield "all_query: returns no row"
        return
    named = [(field, {column}) for field, column in source.columns().items()]
    named += [(field, source_templates.columns_of(text)) for field, text in source.templates().items()]
    for field, wanted in named:
        for column in sorted(wanted - set(columns)):
            yield f"{field}: the rows have no column {column}"


async def unfollowed(source: Source, reader: SourceReader) -> list[str]:
    """Tables of a join whose changes do not show in the column that tells of changes."""
    column = source.updated_at_column
    tables = await reader.tables() if column else []
    if len(tables) < 2 or await reader.is_computed(column):
        return []
    return [
        f"{column}: comes from one of the tables {', '.join(tables)}; a change in another one is noticed only when "
        f"whole rows are compared. Let it be GREATEST(...) of the columns of all of them."
    ]


async def slow(source: Source, reader: SourceReader) -> list[str]:
    """What will take long in a big table."""
    keys = [column for column in (source.id_column, source.updated_at_column) if column]
    warnings = [
        f"{column}: no index begins with this column, so every sync reads the whole table"
        for column in await reader.unindexed(keys)
    ]
    if not source.uses_any():
        warnings.append("ids_query: compares no column with = ANY(%(ids)s), which an index could serve")
    if not source.updated_at_column:
        warnings.append("updated_at_column: is empty, so every sync without ids reads all rows")
    return warnings
