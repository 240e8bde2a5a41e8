"""SearchService on the wire."""

from __future__ import annotations

import re
from typing import Any

from kladez.v1 import search_service_pb2 as pb
from kladez.v1 import search_service_pb2_grpc as pb_grpc

from retrieval_service.api import calls, fields, pages, summaries
from retrieval_service.api.messages import search_messages, tenant_messages
from retrieval_service.api.paging import PageTokens, page_size
from retrieval_service.domain.summaries.summaries import Flavour
from retrieval_service.domain.usage import Usage
from retrieval_service.services.retrieval.retriever import Retriever
from retrieval_service.services.retrieval.search import LEAST_DEPTH, Query
from retrieval_service.services.summaries.snapshots import Snapshotting
from retrieval_service.services.summaries.summaries import Summarizing
from retrieval_service.services.usage import Meter

MAX_READER_KEY = 128
MAX_TOKEN = 128
TOKEN = re.compile(r"[A-Za-z0-9_-]{16,}")


class SearchServicer(pb_grpc.SearchServiceServicer):
    """All pages of a search take the same number of candidates, so that they do not overlap."""

    def __init__(
        self,
        retriever: Retriever,
        summarizing: Summarizing,
        snapshotting: Snapshotting,
        meter: Meter,
        page_tokens: PageTokens,
    ) -> None:
        self._retriever = retriever
        self._summarizing = summarizing
        self._snapshotting = snapshotting
        self._meter = meter
        self._page_tokens = page_tokens

    async def Search(self, request: pb.SearchRequest, context: Any) -> pb.SearchResponse:
        tenant_id = calls.tenant_id()
        with fields.collected() as check:
            size = check(page_size, request.page_size, default=30, largest=100)
            read = check(self._page_tokens.read, request.page_token, request, str(tenant_id))
            text = check(fields.text, "query", request.query, limit=summaries.MAX_QUERY)
            conditions = check(fields.conditions, request.filter)
            least = check(min_score, request)
        offset, depth = read or (0, max(LEAST_DEPTH, 2 * size))
        query = Query(
            text=text,
            mode=search_messages.MODES[request.mode],
            conditions=conditions,
            min_score=least,
            limit=size,
            offset=offset,
            depth=depth,
        )
        found = await self._retriever.search(tenant_id, query)
        self._meter.count(tenant_id, Usage(searches=1))
        page = pages.cut(found.hits, size, search_messages.hit)
        has_more = found.has_more or page.last is not None
        place = (offset + len(page.items), depth)
        return pb.SearchResponse(
            hits=page.items,
            next_page_token=self._page_tokens.write(place, request, str(tenant_id)) if has_more else "",
            degraded=bool(found.degraded_reason),
            degraded_reason=found.degraded_reason,
            mode=search_messages.MODE_NUMBERS[found.mode],
            language=found.language,
            backend=tenant_messages.BACKEND_NUMBERS[found.backend],
        )

    async def SummarizeSearch(
        self, request: pb.SummarizeSearchRequest, context: Any
    ) -> pb.SummarizeSearchResponse:
        flavour = summaries.FLAVOURS.get(request.flavour, Flavour.WEB)
        summarized = await self._summarizing.summarize(calls.tenant_id(), summaries.wanted(request, flavour))
        return summaries.response(summarized)

    async def CreateSnapshot(
        self, request: pb.CreateSnapshotRequest, context: Any
    ) -> pb.CreateSnapshotResponse:
        with fields.collected() as check:
            wanted = check(summaries.wanted, request, Flavour.WEB)
            reader_key = check(fields.text, "reader_key", request.reader_key, limit=MAX_READER_KEY)
            valid_days = check(summaries.valid_days, request)
        kept, token = await self._snapshotting.create(
            calls.tenant_id(), wanted, reader_key=reader_key, valid_days=valid_days
        )
        return pb.CreateSnapshotResponse(snapshot=summaries.snapshot(kept), token=token)

    async def GetSnapshot(self, request: pb.GetSnapshotRequest, context: Any) -> pb.GetSnapshotResponse:
        kept = await self._snapshotting.get(
            calls.tenant_id(), fields.uuid("snapshot_id", request.snapshot_id)
        )
        return pb.GetSnapshotResponse(snapshot=summaries.snapshot(kept))

    async def ResolveSnapshot(
        self, request: pb.ResolveSnapshotRequest, context: Any
    ) -> pb.ResolveSnapshotResponse:
        token = fields.text("token", request.token, limit=MAX_TOKEN)
        if not TOKEN.fullmatch(token):
            raise fields.refuse("token", "is not a snapshot's token")
        caller = calls.current().caller
        kept = await self._snapshotting.resolve(token, asked_by=caller and caller.tenant_id)
        return pb.ResolveSnapshotResponse(snapshot=summaries.snapshot(kept))

    async def DeleteSnapshot(
        self, request: pb.DeleteSnapshotRequest, context: Any
    ) -> pb.DeleteSnapshotResponse:
        snapshot_id = fields.uuid("snapshot_id", request.snapshot_id)
        await self._snapshotting.delete(calls.tenant_id(), snapshot_id)
        return pb.DeleteSnapshotResponse()


def min_score(request: pb.SearchRequest) -> float:
    if not 0 <= request.min_score <= 1:
        raise fields.refuse("min_score", "must be in [0, 1]")
    return request.min_score
