"""SourceService on the wire."""

from __future__ import annotations

from typing import Any

from kladez.v1 import source_service_pb2 as pb
from kladez.v1 import source_service_pb2_grpc as pb_grpc

from retrieval_service.api import calls, fields, pages
from retrieval_service.api.messages import common_messages
from retrieval_service.api.paging import PageTokens, page_size
from retrieval_service.domain.documents.source_rows import RenderedRow
from retrieval_service.domain.documents.sources import MAX_NAME, DeclaredSource, Source
from retrieval_service.services.sources.declarations import Declarer
from retrieval_service.services.sources.scans import MAX_IDS, SourceReport, Sourcing

MAX_ID = 256


class SourceServicer(pb_grpc.SourceServiceServicer):
    """One service call per method."""

    def __init__(self, declarer: Declarer, sourcing: Sourcing, page_tokens: PageTokens) -> None:
        self._declarer = declarer
        self._sourcing = sourcing
        self._page_tokens = page_tokens

    async def UpsertSource(self, request: pb.UpsertSourceRequest, context: Any) -> pb.UpsertSourceResponse:
        declared = await self._declarer.upsert(
            calls.tenant_id(),
            source(request.source),
            version=fields.version("source.etag", request.source.etag),
            strangers_write=request.source.strangers_write,
        )
        return pb.UpsertSourceResponse(source=message(declared))

    async def GetSource(self, request: pb.GetSourceRequest, context: Any) -> pb.GetSourceResponse:
        declared = await self._declarer.get(calls.tenant_id(), name_of(request))
        return pb.GetSourceResponse(source=message(declared))

    async def ListSources(self, request: pb.ListSourcesRequest, context: Any) -> pb.ListSourcesResponse:
        tenant_id = calls.tenant_id()
        size = page_size(request.page_size, default=50, largest=500)
        after = self._page_tokens.read(request.page_token, request, str(tenant_id)) or [""]
        found = await self._declarer.page(tenant_id, after=after[0], limit=size + 1)
        page = pages.cut(found, size, message)
        place = [page.last.source.name] if page.last else []
        return pb.ListSourcesResponse(
            sources=page.items,
            next_page_token=self._page_tokens.write(place, request, str(tenant_id)) if page.last else "",
        )

    async def DeleteSource(self, request: pb.DeleteSourceRequest, context: Any) -> pb.DeleteSourceResponse:
        version = fields.version("etag", request.etag)
        await self._declarer.delete(calls.tenant_id(), name_of(request), version=version)
        return pb.DeleteSourceResponse()

    async def TestSource(self, request: pb.TestSourceRequest, context: Any) -> pb.TestSourceResponse:
        trial = await self._declarer.test(calls.tenant_id(), name_of(request))
        return pb.TestSourceResponse(rows=[rendered(row) for row in trial.rows], warnings=trial.warnings)

    async def SyncSource(self, request: pb.SyncSourceRequest, context: Any) -> pb.SyncSourceResponse:
        tenant_id, name, ids = calls.tenant_id(), name_of(request), ids_of(request)
        if ids:
            return synced(await self._sourcing.sync_ids(tenant_id, name, ids))
        return synced(await self._sourcing.sync(tenant_id, name, every_row=request.every_row))


def name_of(
    request: pb.GetSourceRequest | pb.DeleteSourceRequest | pb.TestSourceRequest | pb.SyncSourceRequest,
) -> str:
    return fields.text("name", request.name, limit=MAX_NAME)


def ids_of(request: pb.SyncSourceRequest) -> list[str]:
    if len(request.ids) > MAX_IDS:
        raise fields.refuse("ids", f"must be at most {MAX_IDS:,}, are {len(request.ids):,}")
    if request.ids and request.every_row:
        raise fields.refuse("every_row", "goes without ids only")
    return [fields.text("ids", one, limit=MAX_ID) for one in request.ids]


def source(declared: pb.Source) -> Source:
    return Source(
        name=declared.name,
        dsn_variable=declared.dsn_variable,
        source_type=declared.source_type,
        ids_query=declared.ids_query,
        all_query=declared.all_query,
        id_column=declared.id_column,
        updated_at_column=declared.updated_at_column,
        title_template=declared.title_template,
        text_template=declared.text_template,
        url_template=declared.url_template,
        language=declared.language,
        section_column=declared.section_column,
        tags_column=declared.tags_column,
        metadata_columns=dict(declared.metadata_columns),
    )


def message(declared: DeclaredSource) -> pb.Source:
    source = declared.source
    return pb.Source(
        name=source.name,
        dsn_variable=source.dsn_variable,
        source_type=source.source_type,
        ids_query=source.ids_query,
        all_query=source.all_query,
        id_column=source.id_column,
        updated_at_column=source.updated_at_column,
        title_template=source.title_template,
        text_template=source.text_template,
        url_template=source.url_template,
        language=source.language,
        section_column=source.section_column,
        tags_column=source.tags_column,
        metadata_columns=source.metadata_columns,
        last_sync_time=common_messages.timestamp(declared.last_sync_at),
        last_error=declared.last_error,
        create_time=common_messages.timestamp(declared.created_at),
        etag=str(declared.version),
    )


def rendered(row: RenderedRow) -> pb.RenderedRow:
    if row.draft is None:
        first = row.violations[0]
        return pb.RenderedRow(external_id=row.external_id, error=f"{first.field}: {first.description}")
    return pb.RenderedRow(
        external_id=row.external_id, title=row.draft.title, text=row.draft.content, url=row.draft.url
    )


def synced(report: SourceReport) -> pb.SyncSourceResponse:
    return pb.SyncSourceResponse(
        read_count=report.read_count,
        created_count=report.created_count,
        updated_count=report.updated_count,
        unchanged_count=report.unchanged_count,
        deleted_count=report.deleted_count,
        failed_count=report.failed_count,
        errors=[
            pb.SourceRowError(
                external_id=row.external_id,
                field=row.violations[0].field,
                description=row.violations[0].description,
            )
            for row in report.failed
        ],
    )
