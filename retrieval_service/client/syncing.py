"""The queue, and the copy at a retrieval provider."""

from __future__ import annotations

from functools import cached_property

from kladez.v1 import sync_service_pb2 as sync_pb
from kladez.v1 import sync_service_pb2_grpc as sync_grpc

from retrieval_service.client.calls import MANY_TIMEOUT_SECONDS, Calls

DRIFT_TIMEOUT_SECONDS = 3605.0


class SyncCalls(Calls):
    """The queue, and the copy at a retrieval provider."""

    @cached_property
    def _sync(self) -> sync_grpc.SyncServiceStub:
        return sync_grpc.SyncServiceStub(self._channel)

    async def get_sync_status(self, request: sync_pb.GetSyncStatusRequest) -> sync_pb.GetSyncStatusResponse:
        return await self._unary(self._sync.GetSyncStatus, request)

    async def sync_now(self, request: sync_pb.SyncNowRequest) -> sync_pb.SyncNowResponse:
        return await self._unary(self._sync.SyncNow, request, timeout_seconds=MANY_TIMEOUT_SECONDS)

    async def list_sync_jobs(self, request: sync_pb.ListSyncJobsRequest) -> sync_pb.ListSyncJobsResponse:
        return await self._unary(self._sync.ListSyncJobs, request)

    async def retry_sync_jobs(self, request: sync_pb.RetrySyncJobsRequest) -> sync_pb.RetrySyncJobsResponse:
        return await self._unary(self._sync.RetrySyncJobs, request, timeout_seconds=MANY_TIMEOUT_SECONDS)

    async def list_sync_log(self, request: sync_pb.ListSyncLogRequest) -> sync_pb.ListSyncLogResponse:
        return await self._unary(self._sync.ListSyncLog, request)

    async def repair_drift(self, request: sync_pb.RepairDriftRequest) -> sync_pb.RepairDriftResponse:
        return await self._unary(self._sync.RepairDrift, request, timeout_seconds=DRIFT_TIMEOUT_SECONDS)

    async def set_backend(self, request: sync_pb.SetBackendRequest) -> sync_pb.SetBackendResponse:
        return await self._unary(self._sync.SetBackend, request)

    async def get_backend_comparison(
        self, request: sync_pb.GetBackendComparisonRequest
    ) -> sync_pb.GetBackendComparisonResponse:
        return await self._unary(self._sync.GetBackendComparison, request)
