"""Answers and the conversations they belong to."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from functools import cached_property

from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import answer_service_pb2_grpc as answers_grpc

from retrieval_service.client.calls import ANSWER_TIMEOUT_SECONDS, Calls
from retrieval_service.client.failures import streamed


class AnswerCalls(Calls):
    """Answers and the conversations they belong to."""

    @cached_property
    def _answers(self) -> answers_grpc.AnswerServiceStub:
        return answers_grpc.AnswerServiceStub(self._channel)

    async def stream_answer(
        self, request: answers_pb.StreamAnswerRequest, *, timeout_seconds: float = ANSWER_TIMEOUT_SECONDS
    ) -> AsyncGenerator[answers_pb.StreamAnswerResponse, None]:
        """The events of one answer; who closes the generator stops listening, and the answer is written on."""
        call = self._answers.StreamAnswer(request, metadata=self._metadata, timeout=timeout_seconds)
        async with contextlib.aclosing(streamed(call)) as events:
            async for event in events:
                yield event

    async def get_answer(self, request: answers_pb.GetAnswerRequest) -> answers_pb.GetAnswerResponse:
        return await self._unary(self._answers.GetAnswer, request)

    async def create_session(
        self, request: answers_pb.CreateSessionRequest
    ) -> answers_pb.CreateSessionResponse:
        return await self._unary(self._answers.CreateSession, request)

    async def cancel_answer(self, request: answers_pb.CancelAnswerRequest) -> answers_pb.CancelAnswerResponse:
        return await self._unary(self._answers.CancelAnswer, request)

    async def list_session_turns(
        self, request: answers_pb.ListSessionTurnsRequest
    ) -> answers_pb.ListSessionTurnsResponse:
        return await self._unary(self._answers.ListSessionTurns, request)

    async def delete_session(
        self, request: answers_pb.DeleteSessionRequest
    ) -> answers_pb.DeleteSessionResponse:
        return await self._unary(self._answers.DeleteSession, request)

    async def create_handoff(
        self, request: answers_pb.CreateHandoffRequest
    ) -> answers_pb.CreateHandoffResponse:
        return await self._unary(self._answers.CreateHandoff, request)

    async def claim_handoff(self, request: answers_pb.ClaimHandoffRequest) -> answers_pb.ClaimHandoffResponse:
        return await self._unary(self._answers.ClaimHandoff, request)

    async def submit_feedback(
        self, request: answers_pb.SubmitFeedbackRequest
    ) -> answers_pb.SubmitFeedbackResponse:
        return await self._unary(self._answers.SubmitFeedback, request)
