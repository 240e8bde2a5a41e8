"""SearchService on the wire."""

from __future__ import annotations

from typing import Any

from kladez.v1 import search_service_pb2 as pb
from kladez.v1 import search_service_pb2_grpc as pb_grpc

from retrieval_service.api import calls, convert, fields
from retrieval_service.api.paging import PageTokens, page_size
from retrieval_service.domain.records import Usage
from retrieval_service.services.metering import Meter
from retrieval_service.services.retrieving import Retriever
from retrieval_service.services.searching import LEAST_DEPTH, Query

MAX_QUERY = 2_000


class SearchServicer(pb_grpc.SearchServiceServicer):
    """All pages of a listing take the same number of candidates, so that they do not overlap."""

    def __init__(self, retriever: Retriever, meter: Meter, page_tokens: PageTokens) -> None:
        self._retriever = retriever
        self._meter = meter
        self._page_tokens = page_tokens

    async def Search(self, request: pb.SearchRequest, context: Any) -> pb.SearchResponse:
        tenant_id = calls.tenant_id()
        size = page_size(request.page_size, default=30, largest=100)
        read = self._page_tokens.read(request.page_token, request, str(tenant_id))
        offset, depth = read or (0, max(LEAST_DEPTH, 2 * size))
        query = Query(
            text=fields.text("query", request.query, limit=MAX_QUERY),
            mode=convert.MODES.get(request.mode, convert.MODES[pb.SEARCH_MODE_UNSPECIFIED]),
            conditions=fields.conditions(request.filter),
            min_score=min_score(request),
            limit=size,
            offset=offset,
            depth=depth,
        )
        found = await self._retriever.search(tenant_id, query)
        self._meter.count(tenant_id, Usage(searches=1))
        place = (offset + size, depth)
        return pb.SearchResponse(
            hits=[convert.hit(one) for one in found.hits],
            next_page_token=self._page_tokens.write(place, request, str(tenant_id)) if found.has_more else "",
            degraded=bool(found.degraded_reason),
            degraded_reason=found.degraded_reason,
            mode=convert.MODE_NUMBERS[found.mode],
            language=found.language,
            backend=convert.BACKEND_NUMBERS[found.backend],
        )


def min_score(request: pb.SearchRequest) -> float:
    if not 0 <= request.min_score <= 1:
        raise fields.refuse("min_score", "must be in [0, 1]")
    return request.min_score
