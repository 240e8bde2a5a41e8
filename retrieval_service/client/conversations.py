"""A customer's conversation with the service, as a mouth holds it: opened at need, and anew when it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

import structlog
from kladez.v1 import answer_service_pb2 as answers_pb

from retrieval_service.client.calls import ANSWER_TIMEOUT_SECONDS
from retrieval_service.client.connecting import Client
from retrieval_service.client.failures import CallFailed

# The customer waits for the end of an answer that is stopped.
CANCEL_SECONDS = 5.0
ANSWER_CANCELLED = "ANSWER_CANCELLED"
_GONE = "NOT_FOUND"
_CUT_OFF = (answers_pb.ANSWER_STATUS_INTERRUPTED, answers_pb.ANSWER_STATUS_CANCELLED)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionProof:
    """The id of a session of the service and the token that proves it; both are "" before the first question."""

    session_id: str = ""
    session_token: str = ""


NO_SESSION = SessionProof()
Opened = Callable[[SessionProof], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class ChannelQuestion:
    """What is asked; a repeat of `request_id` replays the stored answer.

    `visitor` is a keyed hash of who asks, by which the service counts their questions.
    """

    text: str
    request_id: str
    visitor: str = ""


class ServiceSession:
    """The service's session of one conversation; `opened` is told of each one that is made."""

    __slots__ = ("_channel", "_client", "_language", "_opened", "_opening", "_user_key", "proof")

    def __init__(
        self,
        client: Client,
        *,
        channel: str,
        user_key: str,
        language: str,
        opened: Opened,
        proof: SessionProof = NO_SESSION,
    ) -> None:
        self._client = client
        self._channel = channel
        self._user_key = user_key
        self._language = language
        self._opened = opened
        self._opening = asyncio.Lock()
        self.proof = proof

    def adopt(self, proof: SessionProof) -> None:
        """A customer's token may know the session when this process does not."""
        if not self.proof.session_id:
            self.proof = proof

    async def ask(
        self, question: ChannelQuestion, *, timeout_seconds: float = ANSWER_TIMEOUT_SECONDS
    ) -> AsyncGenerator[answers_pb.StreamAnswerResponse, None]:
        """The events of the answer; raises `CallFailed`. Whoever closes it stops listening, and no more.

        The service may have purged the session: the question is then asked again in a new one, if no event came.
        """
        proof = await self._open()
        has_begun = False
        try:
            async with aclosing(self._stream(question, proof, timeout_seconds)) as events:
                async for event in events:
                    has_begun = True
                    yield event
        except CallFailed as failure:
            if failure.code != _GONE or has_begun:
                raise
        else:
            return
        self._forget(proof)
        async with aclosing(self._stream(question, await self._open(), timeout_seconds)) as events:
            async for event in events:
                yield event

    async def cancel(self, request_id: str) -> None:
        """Stops the model; an answer that has not begun, or has ended, needs no stopping. Failures are logged."""
        if not self.proof.session_id:
            return
        request = answers_pb.CancelAnswerRequest(
            request_id=request_id,
            session_id=self.proof.session_id,
            session_token=self.proof.session_token,
        )
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await self._client.cancel_answer(request)
        except CallFailed as failure:
            if failure.code != _GONE:
                log_failure("answer_not_cancelled", failure)
        except TimeoutError:
            _log.warning("answer_not_cancelled", code="TIMEOUT", request_id=request_id)

    def _stream(
        self, question: ChannelQuestion, proof: SessionProof, timeout_seconds: float
    ) -> AsyncGenerator[answers_pb.StreamAnswerResponse, None]:
        request = answers_pb.StreamAnswerRequest(
            question=question.text,
            session_id=proof.session_id,
            session_token=proof.session_token,
            request_id=question.request_id,
            channel=self._channel,
            visitor=question.visitor,
        )
        return self._client.stream_answer(request, timeout_seconds=timeout_seconds)

    async def _open(self) -> SessionProof:
        """Several questions at once open one session."""
        async with self._opening:
            if not self.proof.session_id:
                request = answers_pb.CreateSessionRequest(
                    channel=self._channel, user_key=self._user_key, language=self._language
                )
                made = await self._client.create_session(request)
                self.proof = SessionProof(session_id=made.session_id, session_token=made.session_token)
                await self._opened(self.proof)
            return self.proof

    def _forget(self, proof: SessionProof) -> None:
        """Another question may have opened a new one already."""
        if self.proof == proof:
            self.proof = NO_SESSION


def is_cut_off(completed: answers_pb.AnswerCompleted) -> bool:
    """Whether a replayed answer is one that ended before its end: the process that wrote it died, or it was stopped."""
    return completed.answer.status in _CUT_OFF


def rateable_id(completed: answers_pb.AnswerCompleted) -> str:
    """The id under which the answer can be rated; "" for one that is not whole and for small talk."""
    is_small_talk = completed.finish_reason == answers_pb.FINISH_REASON_PLEASANTRY
    return "" if is_small_talk or is_cut_off(completed) else completed.answer.answer_id


def log_failure(event: str, failure: CallFailed) -> None:
    """A warning, except for what the customer stopped."""
    if failure.reason != ANSWER_CANCELLED:
        _log.warning(event, code=failure.code, reason=failure.reason, service_request_id=failure.request_id)
