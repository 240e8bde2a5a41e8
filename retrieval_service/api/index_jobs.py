"""IndexJobService on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from kladez.v1 import index_job_service_pb2 as pb
from kladez.v1 import index_job_service_pb2_grpc as pb_grpc

from retrieval_service.api import calls, fields, pages
from retrieval_service.api.messages import index_job_messages
from retrieval_service.api.paging import PageTokens, page_size
from retrieval_service.api.sources import MAX_ID
from retrieval_service.domain.indexing.index_jobs import ChangedRows, IndexMode
from retrieval_service.services.indexing.index_jobs import Reindexer
from retrieval_service.services.sources.scans import MAX_IDS

MAX_SOURCES = 100
PAGE = {"default": 20, "largest": 100}


class IndexJobServicer(pb_grpc.IndexJobServiceServicer):
    """One service call per method."""

    def __init__(self, reindexer: Reindexer, page_tokens: PageTokens) -> None:
        self._reindexer = reindexer
        self._page_tokens = page_tokens

    async def CreateIndexJob(
        self, request: pb.CreateIndexJobRequest, context: Any
    ) -> pb.CreateIndexJobResponse:
        wanted, changed = mode(request.scope), changed_rows(request.scope.changed)
        job, joined = await self._reindexer.start(calls.tenant_id(), wanted, changed)
        return pb.CreateIndexJobResponse(index_job=index_job_messages.index_job(job), joined=joined)

    async def GetIndexJob(self, request: pb.GetIndexJobRequest, context: Any) -> pb.GetIndexJobResponse:
        index_job_id = fields.uuid("index_job_id", request.index_job_id)
        job = await self._reindexer.get(calls.tenant_id(), index_job_id)
        return pb.GetIndexJobResponse(index_job=index_job_messages.index_job(job))

    async def ListIndexJobs(self, request: pb.ListIndexJobsRequest, context: Any) -> pb.ListIndexJobsResponse:
        tenant_id, size = calls.tenant_id(), page_size(request.page_size, **PAGE)
        read = self._page_tokens.read(request.page_token, request, str(tenant_id))
        before = fields.position(read, fields.END)
        rows = await self._reindexer.page(tenant_id, before=before, limit=size + 1)
        page = pages.cut(rows, size, index_job_messages.index_job)
        place = fields.place(page.last.created_at, page.last.id) if page.last else ()
        return pb.ListIndexJobsResponse(
            index_jobs=page.items,
            next_page_token=self._page_tokens.write(place, request, str(tenant_id)) if page.last else "",
        )

    async def CancelIndexJob(
        self, request: pb.CancelIndexJobRequest, context: Any
    ) -> pb.CancelIndexJobResponse:
        index_job_id = fields.uuid("index_job_id", request.index_job_id)
        job = await self._reindexer.cancel(calls.tenant_id(), index_job_id)
        return pb.CancelIndexJobResponse(index_job=index_job_messages.index_job(job))

    async def WatchIndexJob(
        self, request: pb.WatchIndexJobRequest, context: Any
    ) -> AsyncIterator[pb.WatchIndexJobResponse]:
        index_job_id = fields.uuid("index_job_id", request.index_job_id)
        async with aclosing(self._reindexer.watch(calls.tenant_id(), index_job_id)) as jobs:
            async for job in jobs:
                yield pb.WatchIndexJobResponse(index_job=index_job_messages.index_job(job))


def mode(scope: pb.IndexScope) -> IndexMode:
    chosen = scope.WhichOneof("scope")
    if chosen is None:
        raise fields.refuse("scope", "must be one of missing, changed, all and rebuild")
    if chosen == "changed" and not scope.changed.sources:
        raise fields.refuse("scope.changed.sources", "is required")
    return IndexMode(chosen)


def changed_rows(changed: pb.IndexChanged) -> list[ChangedRows]:
    if len(changed.sources) > MAX_SOURCES:
        raise fields.refuse("scope.changed.sources", f"must be at most {MAX_SOURCES}")
    return [
        ChangedRows(source=name, ids=ids(f"scope.changed.sources[{name}].ids", changed.sources[name].ids))
        for name in sorted(changed.sources)
    ]


def ids(field: str, given: Sequence[str]) -> tuple[str, ...]:
    if len(given) > MAX_IDS:
        raise fields.refuse(field, f"must be at most {MAX_IDS:,}, are {len(given):,}")
    return tuple(fields.text(field, one, limit=MAX_ID) for one in given)
