"""The job of one answer: asks the service, sends events to listeners, and reports failures."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

import structlog
from kladez.v1.answer_service_pb2 import (
    AnswerCompleted,
    Citation,
    FinishReason,
    Rating,
    StreamAnswerResponse,
    SubmitFeedbackRequest,
    UnsupportedRange,
)
from kladez.v1.common_pb2 import Reference

from retrieval_service.client import CallFailed, Client
from retrieval_service.client.conversations import (
    ChannelQuestion,
    ServiceSession,
    SessionProof,
    is_cut_off,
    log_failure,
    rateable_id,
)
from widget_gateway.frames import Ask, Feedback, Rated
from widget_gateway.session import PLEASANTRY, Attribution, Conversation, Doubt, Event, Source

CHANNEL = "widget"
SNIPPET_CHARACTERS = 240

# The visitor's error code by gRPC status. Every other status is a bug.
CODES = {
    "RESOURCE_EXHAUSTED": "rate_limited",
    "UNAVAILABLE": "unavailable",
    "DEADLINE_EXCEEDED": "unavailable",
    "CANCELLED": "unavailable",
    "ABORTED": "unavailable",
    "INVALID_ARGUMENT": "invalid",
}
# The daily quota is used up: the service's reason, and the visitor's error code.
QUOTA_SPENT = "QUOTA_SPENT"
QUOTA = "quota_spent"
FINISH_REASONS = {
    FinishReason.FINISH_REASON_LENGTH: "length",
    FinishReason.FINISH_REASON_NO_RELEVANT_CONTENT: "no_relevant_content",
    FinishReason.FINISH_REASON_NOT_SURE: "not_sure",
    FinishReason.FINISH_REASON_POLICY: "policy",
    FinishReason.FINISH_REASON_PLEASANTRY: PLEASANTRY,
}

# A complete answer, quoted because the model is away.
QUOTED = "quoted"
# The customer asked for a person, and the text has the contact.
HUMAN = "human"

RATINGS = {1: Rating.RATING_UP, -1: Rating.RATING_DOWN}

Tell = Callable[[Event | None], Awaitable[None]]

_REQUEST_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "kladez:widget-question")
_log = structlog.get_logger(__name__)


def request_id(tenant_id: str, session_id: str, ask_id: str) -> str:
    """The same for the same question on every gateway, so that the service replays the stored answer."""
    return str(uuid.uuid5(_REQUEST_IDS, "/".join((tenant_id, session_id, ask_id))))


@dataclass(frozen=True, kw_only=True)
class FeedbackJob:
    """Sends the rating to the service, then tells the readers that it is stored."""

    client: Client
    proof: SessionProof
    feedback: Feedback
    tell: Callable[[Rated], Awaitable[None]]

    async def run(self) -> None:
        """Runs once. After a failure nothing is sent, and the widget still shows its buttons."""
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
    """Writes one answer into the conversation; `visitor` is a keyed hash of where the question comes from."""

    conversation: Conversation
    service_session: ServiceSession
    ask: Ask
    visitor: str
    request_id: str
    timeout_seconds: float
    tell: Tell

    async def run(self) -> None:
        """Writes the answer. Unless it is cancelled, the answer ends and its readers are told."""
        try:
            async with asyncio.timeout(self.timeout_seconds):
                await self._relay()
        except CallFailed as failure:
            log_failure("answer_failed", failure)
            await self._fail(code_of(failure), failure.retry_after_seconds)
        except TimeoutError:
            _log.warning("answer_timed_out", request_id=self.request_id)
            await self._fail("unavailable")
        except Exception:
            await self._fail("internal")
            raise

    async def _relay(self) -> None:
        question = ChannelQuestion(text=self.ask.question, request_id=self.request_id, visitor=self.visitor)
        events = self.service_session.ask(question, timeout_seconds=self.timeout_seconds)
        async with aclosing(events) as responses:
            async for response in responses:
                await self.tell(apply(self.conversation, self.ask.ask_id, response))
        await self._fail("unavailable")  # has no effect on a completed answer

    async def _fail(self, code: str, retry_after: float | None = None) -> None:
        await self.tell(self.conversation.fail(self.ask.ask_id, code, retry_after))


def code_of(failure: CallFailed) -> str:
    """The error code for the visitor."""
    return QUOTA if failure.reason == QUOTA_SPENT else CODES.get(failure.code, "internal")


def apply(conversation: Conversation, ask_id: str, response: StreamAnswerResponse) -> Event | None:
    """Applies an event of the service to the conversation; unknown kinds change nothing."""
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
    """Completes the answer. A replay may be of an answer that broke off when its gateway died."""
    if is_cut_off(completed):
        return conversation.fail(ask_id, "interrupted")
    return conversation.finish(ask_id, ending_of(completed), rateable_id(completed))


def ending_of(completed: AnswerCompleted) -> str:
    """The kind of ending that the widget shows."""
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
    """Shortened to one line for a card."""
    line = " ".join(snippet.split())
    return line if len(line) <= SNIPPET_CHARACTERS else f"{line[: SNIPPET_CHARACTERS - 1].rstrip()}…"


def attribution_of(citation: Citation) -> Attribution:
    return Attribution(start=citation.start_offset, end=citation.end_offset, numbers=tuple(citation.numbers))


def doubt_of(unsupported: UnsupportedRange) -> Doubt:
    return Doubt(start=unsupported.start_offset, end=unsupported.end_offset)
