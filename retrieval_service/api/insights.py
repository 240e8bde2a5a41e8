"""InsightService on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from kladez.v1 import insight_service_pb2 as pb
from kladez.v1 import insight_service_pb2_grpc as pb_grpc

from retrieval_service.api import calls, evaluations, fields, pages
from retrieval_service.api.messages import insight_messages as messages
from retrieval_service.api.messages import usage_messages
from retrieval_service.api.paging import PageTokens, page_size
from retrieval_service.services.documents.reading import Reader
from retrieval_service.services.insights.evaluations import Evaluations
from retrieval_service.services.insights.gap_resolution import Resolver
from retrieval_service.services.insights.reports import Surveyor
from retrieval_service.services.operations.process_agreement import Presences
from retrieval_service.services.usage import Meter, total_of

DEFAULT_DAYS = 7
MAX_DAYS = 92
PAGE = {"default": 20, "largest": 100}
TOP_DAYS = 30
MAX_TOP_DAYS = 366
DEFAULT_TOP = 20
MAX_TOP = 100
CHAT_LOGS = {"default": 50, "largest": 1_000}
GROUPS = {"default": 20, "largest": 100}


class InsightServicer(pb_grpc.InsightServiceServicer):
    """This server's counts are written to the database before they are read."""

    def __init__(
        self,
        reader: Reader,
        meter: Meter,
        surveyor: Surveyor,
        resolver: Resolver,
        recorded: Evaluations,
        presences: Presences,
        page_tokens: PageTokens,
    ) -> None:
        self._reader = reader
        self._meter = meter
        self._surveyor = surveyor
        self._resolver = resolver
        self._recorded = recorded
        self._presences = presences
        self._page_tokens = page_tokens

    async def GetUsage(self, request: pb.GetUsageRequest, context: Any) -> pb.GetUsageResponse:
        days = window(request.days, default=DEFAULT_DAYS, largest=MAX_DAYS)
        await self._meter.flush()
        rows = await self._reader.usage(calls.tenant_id(), days=days)
        figures = await self._surveyor.figures(calls.tenant_id(), days=days)
        response = pb.GetUsageResponse(
            days=[usage_messages.daily_usage(row) for row in rows], total=usage_messages.usage(total_of(rows))
        )
        for row, message in zip(rows, response.days, strict=True):
            if row.day in figures:
                message.MergeFrom(messages.figures(figures[row.day]))
        response.total.MergeFrom(messages.figures(figures[None]))
        return response

    async def ListChatLogs(self, request: pb.ListChatLogsRequest, context: Any) -> pb.ListChatLogsResponse:
        tenant_id, size = calls.tenant_id(), page_size(request.page_size, **CHAT_LOGS)
        read = self._page_tokens.read(request.page_token, request, str(tenant_id))
        before = fields.position(read, fields.END)
        wanted = messages.chat_filter(request.filter)
        rows = await self._surveyor.chat_logs(tenant_id, wanted, before=before, limit=size + 1)
        page = pages.cut(rows, size, lambda row: messages.chat_log(row, with_references=False))
        place = fields.place(page.last.created_at, page.last.id) if page.last else ()
        return pb.ListChatLogsResponse(
            chat_logs=page.items,
            next_page_token=self._page_tokens.write(place, request, str(tenant_id)) if page.last else "",
        )

    async def ExportChatLogs(
        self, request: pb.ExportChatLogsRequest, context: Any
    ) -> AsyncIterator[pb.ExportChatLogsResponse]:
        wanted = messages.chat_filter(request.filter)
        async with aclosing(self._surveyor.export(calls.tenant_id(), wanted)) as rows:
            async for row in rows:
                yield pb.ExportChatLogsResponse(chat_log=messages.chat_log(row, with_references=True))

    async def ListUnanswered(
        self, request: pb.ListUnansweredRequest, context: Any
    ) -> pb.ListUnansweredResponse:
        tenant_id, size = calls.tenant_id(), page_size(request.page_size, **GROUPS)
        read = self._page_tokens.read(request.page_token, request, str(tenant_id))
        before = (int(read[0]), UUID(read[1])) if read else None
        status = messages.status(request.status)
        shown = await self._surveyor.gaps(tenant_id, before=before, status=status, limit=size + 1)
        page = pages.cut(shown, size, messages.shown_group)
        place = (page.last.gap.question_count, str(page.last.gap.id)) if page.last else ()
        return pb.ListUnansweredResponse(
            groups=page.items,
            next_page_token=self._page_tokens.write(place, request, str(tenant_id)) if page.last else "",
        )

    async def ResolveUnanswered(
        self, request: pb.ResolveUnansweredRequest, context: Any
    ) -> pb.ResolveUnansweredResponse:
        group_id = fields.uuid("group_id", request.group_id)
        way = request.WhichOneof("resolution")
        if way is None:
            raise fields.refuse("resolution", "must be faq or ignore")
        if way == "ignore":
            ignored = await self._resolver.ignore(calls.tenant_id(), group_id)
            return pb.ResolveUnansweredResponse(group=messages.group(ignored))
        entry = messages.entry(request.faq)
        return messages.resolution(await self._resolver.resolve(calls.tenant_id(), group_id, entry))

    async def ListTopQuestions(
        self, request: pb.ListTopQuestionsRequest, context: Any
    ) -> pb.ListTopQuestionsResponse:
        days = window(request.days, default=TOP_DAYS, largest=MAX_TOP_DAYS)
        limit = top_count(request.limit)
        found = await self._surveyor.top_questions(calls.tenant_id(), days=days, limit=limit)
        return pb.ListTopQuestionsResponse(questions=[messages.top_question(one) for one in found])

    async def ListTopDocuments(
        self, request: pb.ListTopDocumentsRequest, context: Any
    ) -> pb.ListTopDocumentsResponse:
        days = window(request.days, default=TOP_DAYS, largest=MAX_TOP_DAYS)
        limit = top_count(request.limit)
        found = await self._surveyor.top_documents(calls.tenant_id(), days=days, limit=limit)
        return pb.ListTopDocumentsResponse(documents=[messages.top_document(one) for one in found])

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
        page = pages.cut(rows, size, evaluations.message)
        place = fields.place(page.last.created_at, page.last.id) if page.last else ()
        return pb.ListEvaluationsResponse(
            evaluations=page.items,
            next_page_token=self._page_tokens.write(place, request, str(tenant_id)) if page.last else "",
        )

    async def ListProcesses(self, request: pb.ListProcessesRequest, context: Any) -> pb.ListProcessesResponse:
        return messages.processes(await self._presences.known())


def window(days: int, *, default: int, largest: int) -> int:
    if not 0 <= days <= largest:
        raise fields.refuse("days", f"must be 1-{largest}")
    return days or default


def top_count(limit: int) -> int:
    if not 0 <= limit <= MAX_TOP:
        raise fields.refuse("limit", f"must be 1-{MAX_TOP}")
    return limit or DEFAULT_TOP
