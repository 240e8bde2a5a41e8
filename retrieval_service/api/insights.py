"""InsightService on the wire."""

from __future__ import annotations

from typing import Any

from kladez.v1 import insight_service_pb2 as pb
from kladez.v1 import insight_service_pb2_grpc as pb_grpc

from retrieval_service.api import calls, convert, evaluations, fields
from retrieval_service.api.paging import PageTokens, page_size
from retrieval_service.services.evaluating import Evaluations
from retrieval_service.services.metering import Meter, total_of
from retrieval_service.services.reading import Reader

DEFAULT_DAYS = 7
MAX_DAYS = 92
PAGE = {"default": 20, "largest": 100}


class InsightServicer(pb_grpc.InsightServiceServicer):
    """What this server has counted is written before it is read."""

    def __init__(self, reader: Reader, meter: Meter, recorded: Evaluations, page_tokens: PageTokens) -> None:
        self._reader = reader
        self._meter = meter
        self._recorded = recorded
        self._page_tokens = page_tokens

    async def GetUsage(self, request: pb.GetUsageRequest, context: Any) -> pb.GetUsageResponse:
        if not 0 <= request.days <= MAX_DAYS:
            raise fields.refuse("days", f"must be 1-{MAX_DAYS}")
        await self._meter.flush()
        rows = await self._reader.usage(calls.tenant_id(), days=request.days or DEFAULT_DAYS)
        return pb.GetUsageResponse(
            days=[convert.daily_usage(row) for row in rows], total=convert.usage(total_of(rows))
        )

    async def RecordEvaluation(
        self, request: pb.RecordEvaluationRequest, context: Any
    ) -> pb.RecordEvaluationResponse:
        run = evaluations.run(request.evaluation)
        kept = await self._recorded.record(
            calls.tenant_id(), set_name=run.set_name, answerer=run.answerer, figures=run.figures
        )
        return pb.RecordEvaluationResponse(evaluation=evaluations.message(kept))

    async def ListEvaluations(
        self, request: pb.ListEvaluationsRequest, context: Any
    ) -> pb.ListEvaluationsResponse:
        tenant_id, size = calls.tenant_id(), page_size(request.page_size, **PAGE)
        read = self._page_tokens.read(request.page_token, request, str(tenant_id))
        set_name = fields.optional_text("set_name", request.set_name, limit=evaluations.MAX_NAME)
        rows = await self._recorded.page(
            tenant_id, before=fields.position(read, fields.END), set_name=set_name, limit=size + 1
        )
        page, more = rows[:size], len(rows) > size
        place = fields.place(page[-1].created_at, page[-1].id) if more else ()
        return pb.ListEvaluationsResponse(
            evaluations=[evaluations.message(row) for row in page],
            next_page_token=self._page_tokens.write(place, request, str(tenant_id)) if more else "",
        )
