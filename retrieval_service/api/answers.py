"""AnswerService on the wire."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import answer_service_pb2_grpc as pb_grpc

from retrieval_service import errors
from retrieval_service.api import calls, fields, pages
from retrieval_service.api.access import proofs
from retrieval_service.api.access.policies import OPERATOR
from retrieval_service.api.messages import answer_messages, common_messages, insight_messages, search_messages
from retrieval_service.api.paging import PageTokens, page_size
from retrieval_service.domain.answering.answers import (
    AnswerEvent,
    Completed,
    Question,
    Started,
    is_model_away,
)
from retrieval_service.domain.answering.citations import Cited, Delta
from retrieval_service.domain.answering.grounding import Flagged
from retrieval_service.domain.answering.logged import LoggedAnswer
from retrieval_service.domain.answering.session_proofs import SessionProof
from retrieval_service.services.answering.answers import Answering
from retrieval_service.services.answering.conversations import Claimant, Conversing
from retrieval_service.services.insights.reports import Surveyor

MAX_QUESTION = 2_000
MAX_CODE = 64
MAX_USER_KEY = 128
MAX_VISITOR = 64
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
        question = asked(request)
        is_for_customers, sequence = proofs.are_needed(), 0
        async with aclosing(self._answering.answer(calls.tenant_id(), question)) as events:
            async for event in events:
                message = await told(sequence, event)
                if is_for_customers:
                    answer_messages.shorten_snippets(message.started.references)
                    answer_messages.shorten_snippets(message.completed.answer.references)
                yield message
                sequence += 1

    async def GetAnswer(self, request: pb.GetAnswerRequest, context: Any) -> pb.GetAnswerResponse:
        row = await self._answering.get(calls.tenant_id(), fields.uuid("answer_id", request.answer_id))
        return pb.GetAnswerResponse(answer=answer_messages.answer(row))

    async def CreateSession(self, request: pb.CreateSessionRequest, context: Any) -> pb.CreateSessionResponse:
        with fields.collected() as check:
            channel = check(fields.channel, "channel", request.channel)
            user_key = check(fields.optional_text, "user_key", request.user_key, limit=MAX_USER_KEY)
            language = check(fields.language, "language", request.language)
        opened = await self._conversing.open_session(
            calls.tenant_id(), channel=channel, user_key=user_key, language=language
        )
        return pb.CreateSessionResponse(session_id=str(opened.session_id), session_token=opened.session_token)

    async def SubmitFeedback(
        self, request: pb.SubmitFeedbackRequest, context: Any
    ) -> pb.SubmitFeedbackResponse:
        with fields.collected() as check:
            answer_id = check(fields.uuid, "answer_id", request.answer_id)
            proof = check(proofs.optional_session_proof, request.session_id, request.session_token)
            rating = check(insight_messages.rating, "rating", request.rating)
            reason = check(fields.optional_text, "reason", request.reason, limit=MAX_REASON)
        await self._surveyor.rate(calls.tenant_id(), answer_id, proof=proof, rating=rating, reason=reason)
        return pb.SubmitFeedbackResponse()

    async def CancelAnswer(self, request: pb.CancelAnswerRequest, context: Any) -> pb.CancelAnswerResponse:
        if bool(request.answer_id) == bool(request.request_id):
            raise fields.refuse("answer_id", "exactly one of answer_id and request_id is required")
        with fields.collected() as check:
            answer_id = check(fields.optional_uuid, "answer_id", request.answer_id)
            request_id = check(fields.optional_uuid, "request_id", request.request_id)
            proof = check(proofs.optional_session_proof, request.session_id, request.session_token)
        row = await self._answering.cancel(
            calls.tenant_id(), answer_id=answer_id, request_id=request_id, proof=proof
        )
        return pb.CancelAnswerResponse(answer=shown_answer(row))

    async def ListSessionTurns(
        self, request: pb.ListSessionTurnsRequest, context: Any
    ) -> pb.ListSessionTurnsResponse:
        tenant_id, size = calls.tenant_id(), page_size(request.page_size, **PAGE)
        read = self._page_tokens.read(request.page_token, request, str(tenant_id))
        after = fields.position(read, fields.BEGINNING)
        session_id = fields.uuid("session_id", request.session_id)
        rows = await self._conversing.turns(tenant_id, session_id, after=after, limit=size + 1)
        page = pages.cut(rows, size, answer_messages.answer)
        place = fields.place(page.last.created_at, page.last.id) if page.last else ()
        return pb.ListSessionTurnsResponse(
            turns=page.items,
            next_page_token=self._page_tokens.write(place, request, str(tenant_id)) if page.last else "",
        )

    async def DeleteSession(self, request: pb.DeleteSessionRequest, context: Any) -> pb.DeleteSessionResponse:
        session_id = fields.uuid("session_id", request.session_id)
        erased = await self._conversing.delete_session(calls.tenant_id(), session_id)
        return pb.DeleteSessionResponse(turn_count=erased)

    async def CreateHandoff(self, request: pb.CreateHandoffRequest, context: Any) -> pb.CreateHandoffResponse:
        proof = proofs.session_proof(request.session_id, request.session_token)
        handoff = await self._conversing.create_handoff(calls.tenant_id(), proof)
        return pb.CreateHandoffResponse(
            code=handoff.code, expire_time=common_messages.timestamp(handoff.expires_at)
        )

    async def ClaimHandoff(self, request: pb.ClaimHandoffRequest, context: Any) -> pb.ClaimHandoffResponse:
        with fields.collected() as check:
            channel = check(fields.channel, "channel", request.channel)
            user_key = check(fields.optional_text, "user_key", request.user_key, limit=MAX_USER_KEY)
            code = check(handoff_code, "code", request.code)
        caller = calls.caller()
        claimant = Claimant(
            key_id=caller.key_id, tenant_id=caller.tenant_id, channel=channel, user_key=user_key
        )
        claimed = await self._conversing.claim_handoff(claimant, code)
        return pb.ClaimHandoffResponse(
            session_id=str(claimed.session_id),
            session_token=claimed.session_token,
            language=claimed.language,
            last_turn=shown_answer(claimed.last_turn) if claimed.last_turn else None,
            public_key=str(claimed.public_key),
        )


def asked(request: pb.StreamAnswerRequest) -> Question:
    """Raises `NotAllowed` for fields that need `tenant:read`."""
    if proofs.are_needed():
        refuse_to_channels(request)
    with fields.collected() as check:
        text = check(fields.text, "question", request.question, limit=MAX_QUESTION)
        proof = check(customers_proof, request)
        request_id = check(fields.optional_uuid, "request_id", request.request_id)
        language = check(fields.language, "language", request.language)
        channel = check(fields.channel, "channel", request.channel) if request.channel else ""
        conditions = check(fields.conditions, request.filter)
        visitor = check(fields.optional_text, "visitor", request.visitor, limit=MAX_VISITOR)
        in_reply_to = check(fields.optional_uuid, "in_reply_to", request.in_reply_to)
    if request.trial and (proof or request_id):
        raise fields.refuse("trial", "has neither session_id nor request_id")
    if in_reply_to and proof is None:
        raise fields.refuse("in_reply_to", "needs the session_id of its conversation")
    return Question(
        text=text,
        session_id=proof.session_id if proof else None,
        token_hash=proof.token_hash if proof else None,
        request_id=request_id,
        language=language,
        channel=channel,
        conditions=conditions,
        is_trial=request.trial,
        is_exempt=request.trial and OPERATOR in calls.caller().scopes,
        visitor=visitor if visitor or proofs.are_needed() else None,
        key_id=calls.caller().key_id,
        in_reply_to=in_reply_to,
    )


def customers_proof(request: pb.StreamAnswerRequest) -> SessionProof | None:
    return proofs.optional_session_proof(request.session_id, request.session_token)


def refuse_to_channels(request: pb.StreamAnswerRequest) -> None:
    """Refuses filters, which would reveal hidden metadata, and trials, which are in no log."""
    if request.HasField("filter"):
        raise errors.NotAllowed("filter: needs the scope tenant:read")
    if request.trial:
        raise errors.NotAllowed("trial: needs the scope tenant:read")


def handoff_code(field: str, value: str) -> str:
    code = fields.text(field, value, limit=MAX_CODE)
    if not CODE.fullmatch(code):
        raise fields.refuse(field, "is not a handoff's code")
    return code


def shown_answer(row: LoggedAnswer) -> pb.Answer:
    """The parts of the answer that the caller may see."""
    answer = answer_messages.answer(row)
    if proofs.are_needed():
        answer_messages.shorten_snippets(answer.references)
    return answer


async def told(sequence: int, event: AnswerEvent) -> pb.StreamAnswerResponse:
    """Converted in a thread: an answer may have thousands of ranges."""
    if isinstance(event, Completed):
        return await asyncio.to_thread(response, sequence, event)
    return response(sequence, event)


def response(sequence: int, event: AnswerEvent) -> pb.StreamAnswerResponse:
    if isinstance(event, Started):
        started = pb.AnswerStarted(
            answer_id=str(event.answer_id),
            session_id=str(event.session_id) if event.session_id else "",
            references=[search_messages.reference(one) for one in event.references],
        )
        return pb.StreamAnswerResponse(sequence=sequence, started=started)
    if isinstance(event, Delta):
        return pb.StreamAnswerResponse(sequence=sequence, delta=pb.AnswerDelta(text=event.text))
    if isinstance(event, Cited):
        cited = answer_messages.citation(event)
        return pb.StreamAnswerResponse(sequence=sequence, citation=cited)
    if isinstance(event, Flagged):
        flagged = answer_messages.unsupported(event)
        return pb.StreamAnswerResponse(sequence=sequence, unsupported=flagged)
    completed = pb.AnswerCompleted(
        finish_reason=answer_messages.FINISH_REASONS[event.answer.finish_reason],
        answer=answer_messages.answer(event.answer),
        degraded=bool(event.answer.degraded_reason),
        degraded_reason=event.answer.degraded_reason,
        model_away=is_model_away(event.answer.degraded_reason),
    )
    return pb.StreamAnswerResponse(sequence=sequence, completed=completed)
