"""InsightService on the wire."""

from __future__ import annotations

from typing import Any

from kladez.v1 import insight_service_pb2 as pb
from kladez.v1 import insight_service_pb2_grpc as pb_grpc

from retrieval_service.api import calls, convert, fields
from retrieval_service.services.metering import Meter, total_of
from retrieval_service.services.reading import Reader

DEFAULT_DAYS = 7
MAX_DAYS = 92


class InsightServicer(pb_grpc.InsightServiceServicer):
    """What this server has counted is written before it is read."""

    def __init__(self, reader: Reader, meter: Meter) -> None:
        self._reader = reader
        self._meter = meter

    async def GetUsage(self, request: pb.GetUsageRequest, context: Any) -> pb.GetUsageResponse:
        if not 0 <= request.days <= MAX_DAYS:
            raise fields.refuse("days", f"must be 1-{MAX_DAYS}")
        await self._meter.flush()
        rows = await self._reader.usage(calls.tenant_id(), days=request.days or DEFAULT_DAYS)
        return pb.GetUsageResponse(
            days=[convert.daily_usage(row) for row in rows], total=convert.usage(total_of(rows))
        )
