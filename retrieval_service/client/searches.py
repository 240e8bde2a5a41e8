"""Searches, summaries and snapshots."""

from __future__ import annotations

from functools import cached_property

from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import search_service_pb2_grpc as search_grpc

from retrieval_service.client.calls import ANSWER_TIMEOUT_SECONDS, WRITE_TIMEOUT_SECONDS, Calls


class SearchCalls(Calls):
    """Searches, summaries and snapshots."""

    @cached_property
    def _search(self) -> search_grpc.SearchServiceStub:
        return search_grpc.SearchServiceStub(self._channel)

    async def search(self, request: search_pb.SearchRequest) -> search_pb.SearchResponse:
        return await self._unary(self._search.Search, request)

    async def summarize_search(
        self, request: search_pb.SummarizeSearchRequest
    ) -> search_pb.SummarizeSearchResponse:
        return await self._unary(
            self._search.SummarizeSearch, request, timeout_seconds=ANSWER_TIMEOUT_SECONDS
        )

    async def create_snapshot(
        self, request: search_pb.CreateSnapshotRequest
    ) -> search_pb.CreateSnapshotResponse:
        return await self._unary(self._search.CreateSnapshot, request, timeout_seconds=ANSWER_TIMEOUT_SECONDS)

    async def get_snapshot(self, request: search_pb.GetSnapshotRequest) -> search_pb.GetSnapshotResponse:
        return await self._unary(self._search.GetSnapshot, request)

    async def resolve_snapshot(
        self, request: search_pb.ResolveSnapshotRequest
    ) -> search_pb.ResolveSnapshotResponse:
        return await self._unary(self._search.ResolveSnapshot, request)

    async def delete_snapshot(
        self, request: search_pb.DeleteSnapshotRequest
    ) -> search_pb.DeleteSnapshotResponse:
        return await self._unary(self._search.DeleteSnapshot, request, timeout_seconds=WRITE_TIMEOUT_SECONDS)
