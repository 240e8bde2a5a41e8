"""AnswerService on the wire."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import answer_service_pb2_grpc as pb_grpc

from retrieval_service.api import answer_messages, calls, convert, fields, insight_messages
from retrieval_service.api.paging import PageTokens, page_size
from retrieval_service.domain.answers import AnswerEvent, Question, Started, is_model_away
from retrieval_service.domain.citations import Cited, Delta
from retrieval_service.domain.grounding import Flagged
from retrieval_service.services.answering import Answering
from retrieval_service.services.conversing import Claimant, Conversing
from retrieval_service.services.surveying import Surveyor

MAX_QUESTION = 2_000
MAX_CODE = 64
CODE = re.compile(r"[A-Za-z0-9_-]+")
MAX_REASON = 1_000
PAGE = {"default": 50, "largest": 200}


class AnswerServicer(pb_grpc.AnswerServiceServicer):
    """One service call per method."""

    def __init__(
        self, answering: Answering, conversing: Conversing, surveyor: Surveyor, page_tokens: PageTokens
    ) -> None:
        self._answering = answering
        self._conversing = conversing
        self._surveyor = surveyor
        self._page_tokens = page_tokens

    async def StreamAnswer(
        self, request: pb.StreamAnswerRequest, context: Any
    ) -> AsyncIterator[pb.StreamAnswerResponse]:
        question = Question(
            text=fields.text("question", request.question, limit=MAX_QUESTION),
            session_id=fields.optional_uuid("session_id", request.session_id),
            request_id=fields.optional_uuid("request_id", request.request_id),
            language=fields.language("language", request.language),
            channel=fields.channel("channel", request.channel) if request.channel else "",
            conditions=fields.conditions(request.filter),
            is_trial=request.trial,
        )
        if question.is_trial and (question.session_id or question.request_id):
            raise fields.refuse("trial", "has neither session_id nor request_id")
        sequence = 0
        async with aclosing(self._answering.answer(calls.tenant_id(), question)) as events:
            async for event in events:
                yield response(sequence, event)
                sequence += 1

    async def GetAnswer(self, request: pb.GetAnswerRequest, context: Any) -> pb.GetAnswerResponse:
        row = await self._answering.get(calls.tenant_id(), fields.uuid("answer_id", request.answer_id))
        return pb.GetAnswerResponse(answer=answer_messages.answer(row))

    async def CreateSession(self, request: pb.CreateSessionRequest, context: Any) -> pb.CreateSessionResponse:
        session_id = await self._conversing.open_session(
            calls.tenant_id(),
            channel=fields.channel("channel", request.channel),
            user_key=fields.optional_text("user_key", request.user_key, limit=128),
            language=fields.language("language", request.language),
        )
        return pb.CreateSessionResponse(session_id=str(session_id))

    async def SubmitFeedback(
        self, request: pb.SubmitFeedbackRequest, context: Any
    ) -> pb.SubmitFeedbackResponse:
        await self._surveyor.rate(
            calls.tenant_id(),
            fields.uuid("answer_id", request.answer_id),
            session_id=fields.optional_uuid("session_id", request.session_id),
            rating=insight_messages.rating("rating", request.rating),
            reason=fields.optional_text("reason", request.reason, limit=MAX_REASON),
        )
        return pb.SubmitFeedbackResponse()

    async def CancelAnswer(self, request: pb.CancelAnswerRequest, context: Any) -> pb.CancelAnswerResponse:
        if bool(request.answer_id) == bool(request.request_id):
            raise fields.refuse("answer_id", "exactly one of answer_id and request_id is required")
        row = await self._answering.cancel(
            calls.tenant_id(),
            answer_id=fields.optional_uuid("answer_id", request.answer_id),
            request_id=fields.optional_uuid("request_id", request.request_id),
        )
        return pb.CancelAnswerResponse(answer=answer_messages.answer(row))

    async def ListSessionTurns(
        self, request: pb.ListSessionTurnsRequest, context: Any
    ) -> pb.ListSessionTurnsResponse:
        tenant_id, size = calls.tenant_id(), page_size(request.page_size, **PAGE)
        read = self._page_tokens.read(request.page_token, request, str(tenant_id))
        after = fields.position(read, fields.BEGINNING)
        session_id = fields.uuid("session_id", request.session_id)
        rows = await self._conversing.turns(tenant_id, session_id, after=after, limit=size + 1)
        page, more = rows[:size], len(rows) > size
        place = fields.place(page[-1].created_at, page[-1].id) if more else ()
        return pb.ListSessionTurnsResponse(
            turns=[answer_messages.answer(row) for row in page],
            next_page_token=self._page_tokens.write(place, request, str(tenant_id)) if more else "",
        )

    async def DeleteSession(self, request: pb.DeleteSessionRequest, context: Any) -> pb.DeleteSessionResponse:
        session_id = fields.uuid("session_id", request.session_id)
        erased = await self._conversing.delete_session(calls.tenant_id(), session_id)
        return pb.DeleteSessionResponse(turn_count=erased)

    async def CreateHandoff(self, request: pb.CreateHandoffRequest, context: Any) -> pb.CreateHandoffResponse:
        session_id = fields.uuid("session_id", request.session_id)
        handoff = await self._conversing.create_handoff(calls.tenant_id(), session_id)
        return pb.CreateHandoffResponse(code=handoff.code, expire_time=convert.timestamp(handoff.expires_at))

    async def ClaimHandoff(self, request: pb.ClaimHandoffRequest, context: Any) -> pb.ClaimHandoffResponse:
        claimant = Claimant(
            key_id=calls.caller().key_id,
            tenant_id=calls.caller().tenant_id,
            channel=fields.channel("channel", request.channel),
            user_key=fields.optional_text("user_key", request.user_key, limit=128),
        )
        code = fields.text("code", request.code, limit=MAX_CODE)
        if not CODE.fullmatch(code):
            raise fields.refuse("code", "is not a handoff's code")
        claimed = await self._conversing.claim_handoff(claimant, code)
        return pb.ClaimHandoffResponse(
            session_id=str(claimed.session_id),
            language=claimed.language,
            last_turn=answer_messages.answer(claimed.last_turn) if claimed.last_turn else None,
            public_key=str(claimed.public_key),
        )


def response(sequence: int, event: AnswerEvent) -> pb.StreamAnswerResponse:
    if isinstance(event, Started):
        started = pb.AnswerStarted(
            answer_id=str(event.answer_id),
            session_id=str(event.session_id) if event.session_id else "",
            references=[convert.reference(one) for one in event.references],
        )
        return pb.StreamAnswerResponse(sequence=sequence, started=started)
    if isinstance(event, Delta):
        return pb.StreamAnswerResponse(sequence=sequence, delta=pb.AnswerDelta(text=event.text))
    if isinstance(event, Cited):
        cited = answer_messages.citation(event.start, event.end, event.numbers)
        return pb.StreamAnswerResponse(sequence=sequence, citation=cited)
    if isinstance(event, Flagged):
        flagged = answer_messages.unsupported(event.start, event.end, event.reason)
        return pb.StreamAnswerResponse(sequence=sequence, unsupported=flagged)
    completed = pb.AnswerCompleted(
        finish_reason=answer_messages.FINISH_REASONS[event.answer.finish_reason],
        answer=answer_messages.answer(event.answer),
        degraded=bool(event.answer.degraded_reason),
        degraded_reason=event.answer.degraded_reason,
        model_away=is_model_away(event.answer.degraded_reason),
    )
    return pb.StreamAnswerResponse(sequence=sequence, completed=completed)
