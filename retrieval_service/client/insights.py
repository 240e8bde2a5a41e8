"""What a tenant used, what was asked, and how good the answers are."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from functools import cached_property

from kladez.v1 import insight_service_pb2 as insights_pb
from kladez.v1 import insight_service_pb2_grpc as insights_grpc

from retrieval_service.client.calls import WRITE_TIMEOUT_SECONDS, Calls
from retrieval_service.client.failures import streamed

EXPORT_TIMEOUT_SECONDS = 3605.0
# Indexing one document and answering one question.
RESOLVE_TIMEOUT_SECONDS = 125.0


class InsightCalls(Calls):
    """What a tenant used, what was asked, and how good the answers are."""

    @cached_property
    def _insights(self) -> insights_grpc.InsightServiceStub:
        return insights_grpc.InsightServiceStub(self._channel)

    async def get_usage(self, request: insights_pb.GetUsageRequest) -> insights_pb.GetUsageResponse:
        return await self._unary(self._insights.GetUsage, request)

    async def record_evaluation(
        self, request: insights_pb.RecordEvaluationRequest
    ) -> insights_pb.RecordEvaluationResponse:
        return await self._unary(
            self._insights.RecordEvaluation, request, timeout_seconds=WRITE_TIMEOUT_SECONDS
        )

    async def list_evaluations(
        self, request: insights_pb.ListEvaluationsRequest
    ) -> insights_pb.ListEvaluationsResponse:
        return await self._unary(self._insights.ListEvaluations, request)

    async def list_chat_logs(
        self, request: insights_pb.ListChatLogsRequest
    ) -> insights_pb.ListChatLogsResponse:
        return await self._unary(self._insights.ListChatLogs, request)

    async def export_chat_logs(
        self, request: insights_pb.ExportChatLogsRequest
    ) -> AsyncGenerator[insights_pb.ExportChatLogsResponse, None]:
        """Every chat log that the filter lets through, newest first."""
        call = self._insights.ExportChatLogs(request, metadata=self._metadata, timeout=EXPORT_TIMEOUT_SECONDS)
        async with contextlib.aclosing(streamed(call)) as rows:
            async for row in rows:
                yield row

    async def list_unanswered(
        self, request: insights_pb.ListUnansweredRequest
    ) -> insights_pb.ListUnansweredResponse:
        return await self._unary(self._insights.ListUnanswered, request)

    async def resolve_unanswered(
        self, request: insights_pb.ResolveUnansweredRequest
    ) -> insights_pb.ResolveUnansweredResponse:
        return await self._unary(
            self._insights.ResolveUnanswered, request, timeout_seconds=RESOLVE_TIMEOUT_SECONDS
        )

    async def list_top_questions(
        self, request: insights_pb.ListTopQuestionsRequest
    ) -> insights_pb.ListTopQuestionsResponse:
        return await self._unary(self._insights.ListTopQuestions, request)

    async def list_top_documents(
        self, request: insights_pb.ListTopDocumentsRequest
    ) -> insights_pb.ListTopDocumentsResponse:
        return await self._unary(self._insights.ListTopDocuments, request)

    async def list_processes(
        self, request: insights_pb.ListProcessesRequest
    ) -> insights_pb.ListProcessesResponse:
        return await self._unary(self._insights.ListProcesses, request)
