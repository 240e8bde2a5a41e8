"""One answer as a job: asked from the service, told to whoever listens, ended honestly when it fails."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

import structlog
from kladez.v1.answer_service_pb2 import (
    AnswerCompleted,
    AnswerStatus,
    CancelAnswerRequest,
    Citation,
    CreateSessionRequest,
    FinishReason,
    Rating,
    StreamAnswerRequest,
    StreamAnswerResponse,
    SubmitFeedbackRequest,
    UnsupportedRange,
)
from kladez.v1.common_pb2 import Reference

from retrieval_service.client import CallFailed, Client
from widget_gateway.access import NO_CONVERSATION, ServiceProof
from widget_gateway.frames import Ask, Feedback, Rated
from widget_gateway.session import PLEASANTRY, Attribution, Conversation, Doubt, Event, Source

CHANNEL = "widget"
SNIPPET_CHARACTERS = 240
# The visitor waits for the end of an answer that is stopped.
CANCEL_SECONDS = 5.0

# What a visitor is told, by gRPC status; everything else is our own mistake.
CODES = {
    "RESOURCE_EXHAUSTED": "rate_limited",
    "UNAVAILABLE": "unavailable",
    "DEADLINE_EXCEEDED": "unavailable",
    "CANCELLED": "unavailable",
    "ABORTED": "unavailable",
    "INVALID_ARGUMENT": "invalid",
}
CANCELLED = "ANSWER_CANCELLED"
# The questions of a day are used up: the service's reason, and what a visitor is told.
QUOTA_SPENT = "QUOTA_SPENT"
QUOTA = "quota_spent"
CUT_OFF = (AnswerStatus.ANSWER_STATUS_INTERRUPTED, AnswerStatus.ANSWER_STATUS_CANCELLED)
FINISH_REASONS = {
    FinishReason.FINISH_REASON_LENGTH: "length",
    FinishReason.FINISH_REASON_NO_RELEVANT_CONTENT: "no_relevant_content",
    FinishReason.FINISH_REASON_NOT_SURE: "not_sure",
    FinishReason.FINISH_REASON_POLICY: "policy",
    FinishReason.FINISH_REASON_PLEASANTRY: PLEASANTRY,
}

# Whole, and made of quoted sentences because the model is away.
QUOTED = "quoted"
# The customer asked for a person, and the text names the contact.
HUMAN = "human"

RATINGS = {1: Rating.RATING_UP, -1: Rating.RATING_DOWN}

Tell = Callable[[Event | None], Awaitable[None]]

_REQUEST_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "kladez:widget-question")
_log = structlog.get_logger(__name__)


def request_id(tenant_id: str, session_id: str, ask_id: str) -> str:
    """The same for the same question on every gateway, so that the service replays what it has stored."""
    return str(uuid.uuid5(_REQUEST_IDS, "/".join((tenant_id, session_id, ask_id))))


class ServiceSession:
    """The service's conversation and its token, made at the first question."""

    __slots__ = ("_client", "_creating", "_language", "_user_key", "proof")

    def __init__(
        self, client: Client, *, user_key: str, language: str, proof: ServiceProof = NO_CONVERSATION
    ) -> None:
        self._client = client
        self._creating = asyncio.Lock()
        self._user_key = user_key
        self._language = language
        self.proof = proof

    async def open(self) -> ServiceProof:
        """Raises `CallFailed`."""
        async with self._creating:
            if not self.proof.session_id:
                self.proof = await self._create()
        return self.proof

    async def _create(self) -> ServiceProof:
        request = CreateSessionRequest(channel=CHANNEL, user_key=self._user_key, language=self._language)
        opened = await self._client.create_session(request)
        return ServiceProof(session_id=opened.session_id, session_token=opened.session_token)

    def adopt(self, proof: ServiceProof) -> None:
        """A token may know the session when this process does not."""
        if not self.proof.session_id:
            self.proof = proof

    def forget(self, proof: ServiceProof) -> None:
        """The service does not have this one any more."""
        if self.proof == proof:
            self.proof = NO_CONVERSATION


@dataclass(frozen=True, kw_only=True)
class FeedbackJob:
    """Tells the service whether an answer helped, and then the readers that it knows."""

    client: Client
    proof: ServiceProof
    feedback: Feedback
    tell: Callable[[Rated], Awaitable[None]]

    async def run(self) -> None:
        """What could not be told stays unsaid: the widget goes on showing its buttons."""
        request = SubmitFeedbackRequest(
            answer_id=self.feedback.answer_id,
            session_id=self.proof.session_id,
            session_token=self.proof.session_token,
            rating=RATINGS[self.feedback.value],
            reason=self.feedback.reason,
        )
        try:
            await self.client.submit_feedback(request)
        except CallFailed as failure:
            log_failure("feedback_failed", failure)
        else:
            await self.tell(Rated(ask_id=self.feedback.ask_id, value=self.feedback.value))


@dataclass(frozen=True, kw_only=True)
class AnswerJob:
    """Writes one answer into the conversation; `opened` is called when the service session is known.

    `visitor` is a keyed hash of where the question comes from.
    """

    client: Client
    conversation: Conversation
    service_session: ServiceSession
    ask: Ask
    visitor: str
    request_id: str
    timeout_seconds: float
    tell: Tell
    opened: Callable[[], Awaitable[None]]

    async def run(self) -> None:
        """Every way but cancellation leaves the answer ended and its readers told."""
        try:
            async with asyncio.timeout(self.timeout_seconds):
                await self._relay_in_session()
        except CallFailed as failure:
            log_failure("answer_failed", failure)
            await self._fail(code_of(failure), failure.retry_after_seconds)
        except TimeoutError:
            _log.warning("answer_timed_out", request_id=self.request_id)
            await self._fail("unavailable")
        except Exception:
            await self._fail("internal")
            raise

    async def _relay_in_session(self) -> None:
        proof = await self._open_session()
        try:
            await self._relay(proof)
        except CallFailed as failure:
            if not self._session_is_gone(failure):
                raise
            self.service_session.forget(proof)
            await self._relay(await self._open_session())

    async def _open_session(self) -> ServiceProof:
        known = self.service_session.proof
        proof = await self.service_session.open()
        if proof != known:
            await self.opened()
        return proof

    def _session_is_gone(self, failure: CallFailed) -> bool:
        """A session can be purged while its widget still holds a token; a new one serves as well."""
        return failure.code == "NOT_FOUND" and not self.conversation.has_begun(self.ask.ask_id)

    async def _relay(self, proof: ServiceProof) -> None:
        request = StreamAnswerRequest(
            question=self.ask.question,
            session_id=proof.session_id,
            session_token=proof.session_token,
            request_id=self.request_id,
            channel=CHANNEL,
            visitor=self.visitor,
        )
        stream = self.client.stream_answer(request, timeout_seconds=self.timeout_seconds)
        async with aclosing(stream) as responses:
            async for response in responses:
                await self.tell(apply(self.conversation, self.ask.ask_id, response))
        await self._fail("unavailable")  # does nothing to an answer that was completed

    async def _fail(self, code: str, retry_after: float | None = None) -> None:
        await self.tell(self.conversation.fail(self.ask.ask_id, code, retry_after))


def code_of(failure: CallFailed) -> str:
    """What a visitor is told."""
    return QUOTA if failure.reason == QUOTA_SPENT else CODES.get(failure.code, "internal")


async def cancel_at_service(client: Client, request_id: str, proof: ServiceProof) -> None:
    """Stops the model; an answer that has not begun, or has ended, needs no stopping."""
    if not proof.session_id:
        return
    request = CancelAnswerRequest(
        request_id=request_id, session_id=proof.session_id, session_token=proof.session_token
    )
    try:
        async with asyncio.timeout(CANCEL_SECONDS):
            await client.cancel_answer(request)
    except CallFailed as failure:
        if failure.code != "NOT_FOUND":
            log_failure("answer_not_cancelled", failure)
    except TimeoutError:
        _log.warning("answer_not_cancelled", request_id=request_id)


def apply(conversation: Conversation, ask_id: str, response: StreamAnswerResponse) -> Event | None:
    """What the service said, written into the conversation; kinds we do not know change nothing."""
    match response.WhichOneof("event"):
        case "started":
            return conversation.cite(ask_id, tuple(source_of(item) for item in response.started.references))
        case "delta":
            return conversation.write(ask_id, response.delta.text)
        case "citation":
            conversation.attribute(ask_id, attribution_of(response.citation))
        case "unsupported":
            return conversation.doubt(ask_id, doubt_of(response.unsupported))
        case "completed":
            return complete(conversation, ask_id, response.completed)
    return None


def complete(conversation: Conversation, ask_id: str, completed: AnswerCompleted) -> Event | None:
    """A replay may be of an answer that was cut off, by the death of the gateway that asked for it say."""
    if completed.answer.status in CUT_OFF:
        return conversation.fail(ask_id, "interrupted")
    finish_reason = ending_of(completed)
    # What has no id cannot be rated, and politeness is nothing to rate.
    is_polite = completed.finish_reason == FinishReason.FINISH_REASON_PLEASANTRY
    return conversation.finish(ask_id, finish_reason, "" if is_polite else completed.answer.answer_id)


def ending_of(completed: AnswerCompleted) -> str:
    """What the widget shows it as."""
    if completed.answer.wants_human:
        return HUMAN
    named = FINISH_REASONS.get(completed.finish_reason, "stop")
    return QUOTED if completed.model_away and named == "stop" else named


def source_of(reference: Reference) -> Source:
    return Source(
        number=reference.number,
        title=reference.title,
        url=reference.url,
        snippet=shortened(reference.snippet),
        source_type=reference.source_type,
    )


def shortened(snippet: str) -> str:
    """One line for a card."""
    line = " ".join(snippet.split())
    return line if len(line) <= SNIPPET_CHARACTERS else f"{line[: SNIPPET_CHARACTERS - 1].rstrip()}…"


def attribution_of(citation: Citation) -> Attribution:
    return Attribution(start=citation.start_offset, end=citation.end_offset, numbers=tuple(citation.numbers))


def doubt_of(unsupported: UnsupportedRange) -> Doubt:
    return Doubt(start=unsupported.start_offset, end=unsupported.end_offset)


def log_failure(event: str, failure: CallFailed) -> None:
    if failure.reason == CANCELLED:
        return  # by the visitor, who knows
    _log.warning(event, code=failure.code, reason=failure.reason, service_request_id=failure.request_id)
