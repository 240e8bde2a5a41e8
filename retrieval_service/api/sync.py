"""SyncService on the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from google.protobuf import duration_pb2
from kladez.v1 import sync_service_pb2 as pb
from kladez.v1 import sync_service_pb2_grpc as pb_grpc

from retrieval_service.api import backends, calls
from retrieval_service.services.comparing import Comparer
from retrieval_service.services.reading import Reader
from retrieval_service.services.switching_backends import Switcher


class SyncServicer(pb_grpc.SyncServiceServicer):
    """One service call per method."""

    def __init__(self, reader: Reader, switcher: Switcher, comparer: Comparer) -> None:
        self._reader = reader
        self._switcher = switcher
        self._comparer = comparer

    async def GetSyncStatus(self, request: pb.GetSyncStatusRequest, context: Any) -> pb.GetSyncStatusResponse:
        status = await self._reader.sync_status(calls.tenant_id())
        return pb.GetSyncStatusResponse(
            pending_count=status.documents.get("pending", 0),
            processing_count=status.documents.get("processing", 0),
            synced_count=status.documents.get("synced", 0),
            error_count=status.documents.get("error", 0),
            chunk_count=status.chunk_count,
            oldest_pending_age=age(status.oldest_pending),
        )

    async def SetBackend(self, request: pb.SetBackendRequest, context: Any) -> pb.SetBackendResponse:
        switched = await self._switcher.switch(
            calls.tenant_id(),
            choice=backends.choice(request),
            shadow_share=backends.shadow_share(request),
        )
        return backends.switched(switched)

    async def GetBackendComparison(
        self, request: pb.GetBackendComparisonRequest, context: Any
    ) -> pb.GetBackendComparisonResponse:
        return backends.comparison(
            await self._comparer.report(calls.tenant_id(), days=backends.days(request))
        )


def age(since: datetime | None) -> duration_pb2.Duration | None:
    if since is None:
        return None
    duration = duration_pb2.Duration()
    duration.FromTimedelta(datetime.now(UTC) - since)
    return duration
