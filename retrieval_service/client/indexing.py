"""Index jobs, SQL sources and embedding spaces."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from functools import cached_property

from kladez.v1 import index_job_service_pb2 as index_jobs_pb
from kladez.v1 import index_job_service_pb2_grpc as index_jobs_grpc
from kladez.v1 import source_service_pb2 as sources_pb
from kladez.v1 import source_service_pb2_grpc as sources_grpc
from kladez.v1 import space_service_pb2 as spaces_pb
from kladez.v1 import space_service_pb2_grpc as spaces_grpc

from retrieval_service.client.calls import MANY_TIMEOUT_SECONDS, WRITE_TIMEOUT_SECONDS, Calls
from retrieval_service.client.failures import streamed

SOURCE_TIMEOUT_SECONDS = 3605.0
WATCH_TIMEOUT_SECONDS = 86_405.0


class IndexCalls(Calls):
    """Index jobs, SQL sources and embedding spaces."""

    @cached_property
    def _index_jobs(self) -> index_jobs_grpc.IndexJobServiceStub:
        return index_jobs_grpc.IndexJobServiceStub(self._channel)

    @cached_property
    def _sources(self) -> sources_grpc.SourceServiceStub:
        return sources_grpc.SourceServiceStub(self._channel)

    @cached_property
    def _spaces(self) -> spaces_grpc.SpaceServiceStub:
        return spaces_grpc.SpaceServiceStub(self._channel)

    async def create_index_job(
        self, request: index_jobs_pb.CreateIndexJobRequest
    ) -> index_jobs_pb.CreateIndexJobResponse:
        return await self._unary(
            self._index_jobs.CreateIndexJob, request, timeout_seconds=WRITE_TIMEOUT_SECONDS
        )

    async def get_index_job(
        self, request: index_jobs_pb.GetIndexJobRequest
    ) -> index_jobs_pb.GetIndexJobResponse:
        return await self._unary(self._index_jobs.GetIndexJob, request)

    async def list_index_jobs(
        self, request: index_jobs_pb.ListIndexJobsRequest
    ) -> index_jobs_pb.ListIndexJobsResponse:
        return await self._unary(self._index_jobs.ListIndexJobs, request)

    async def cancel_index_job(
        self, request: index_jobs_pb.CancelIndexJobRequest
    ) -> index_jobs_pb.CancelIndexJobResponse:
        return await self._unary(
            self._index_jobs.CancelIndexJob, request, timeout_seconds=WRITE_TIMEOUT_SECONDS
        )

    async def watch_index_job(
        self, request: index_jobs_pb.WatchIndexJobRequest
    ) -> AsyncGenerator[index_jobs_pb.WatchIndexJobResponse, None]:
        """The job as it goes on; the generator ends with a final state, and closing it leaves the job alone."""
        call = self._index_jobs.WatchIndexJob(request, metadata=self._metadata, timeout=WATCH_TIMEOUT_SECONDS)
        async with contextlib.aclosing(streamed(call)) as events:
            async for event in events:
                yield event

    async def upsert_source(self, request: sources_pb.UpsertSourceRequest) -> sources_pb.UpsertSourceResponse:
        return await self._unary(self._sources.UpsertSource, request)

    async def get_source(self, request: sources_pb.GetSourceRequest) -> sources_pb.GetSourceResponse:
        return await self._unary(self._sources.GetSource, request)

    async def list_sources(self, request: sources_pb.ListSourcesRequest) -> sources_pb.ListSourcesResponse:
        return await self._unary(self._sources.ListSources, request)

    async def delete_source(self, request: sources_pb.DeleteSourceRequest) -> sources_pb.DeleteSourceResponse:
        return await self._unary(self._sources.DeleteSource, request)

    async def test_source(self, request: sources_pb.TestSourceRequest) -> sources_pb.TestSourceResponse:
        return await self._unary(self._sources.TestSource, request, timeout_seconds=WRITE_TIMEOUT_SECONDS)

    async def sync_source(self, request: sources_pb.SyncSourceRequest) -> sources_pb.SyncSourceResponse:
        return await self._unary(self._sources.SyncSource, request, timeout_seconds=SOURCE_TIMEOUT_SECONDS)

    async def list_spaces(self, request: spaces_pb.ListSpacesRequest) -> spaces_pb.ListSpacesResponse:
        return await self._unary(self._spaces.ListSpaces, request)

    async def estimate_switch(
        self, request: spaces_pb.EstimateSwitchRequest
    ) -> spaces_pb.EstimateSwitchResponse:
        return await self._unary(self._spaces.EstimateSwitch, request, timeout_seconds=MANY_TIMEOUT_SECONDS)

    async def start_switch(self, request: spaces_pb.StartSwitchRequest) -> spaces_pb.StartSwitchResponse:
        return await self._unary(self._spaces.StartSwitch, request)

    async def verify_switch(self, request: spaces_pb.VerifySwitchRequest) -> spaces_pb.VerifySwitchResponse:
        return await self._unary(self._spaces.VerifySwitch, request, timeout_seconds=MANY_TIMEOUT_SECONDS)

    async def flip_space(self, request: spaces_pb.FlipSpaceRequest) -> spaces_pb.FlipSpaceResponse:
        return await self._unary(self._spaces.FlipSpace, request)

    async def drop_space(self, request: spaces_pb.DropSpaceRequest) -> spaces_pb.DropSpaceResponse:
        return await self._unary(self._spaces.DropSpace, request, timeout_seconds=MANY_TIMEOUT_SECONDS)
