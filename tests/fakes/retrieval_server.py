"""A retrieval service on loopback: it speaks the contract of the channels and says what a script tells it.

    async with running_retrieval_service() as service:
        shop = service.add_shop(name="Tea")
        service.script("kettle", ScriptedAnswer(deltas=("It costs ", "990 [1]."), references=(KETTLE,)))
        async with connect(service.address, service.key) as client:
            ...
        assert service.journal.questions == ["How much is the kettle?"]

It checks the key, the tenant and the conversation's token, keeps answers by their request id and replays them; an
answer whose caller hung up goes on until CancelAnswer stops it, and a repeat joins it, as the contract says.
`tests/integration/channels/test_fake_retrieval.py` asks it and the real service the same.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
from google.protobuf import any_pb2, duration_pb2, message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import answer_service_pb2_grpc as answers_grpc
from kladez.v1 import common_pb2 as common_pb
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import search_service_pb2_grpc as search_grpc
from kladez.v1 import tenant_service_pb2 as tenants_pb
from kladez.v1 import tenant_service_pb2_grpc as tenants_grpc

Request = answers_pb.StreamAnswerRequest
Context = grpc.aio.ServicerContext

CHANNEL_KEY = "kladez_channel_key_of_the_tests"

KETTLE = common_pb.Reference(
    number=1,
    document_id="00000000-0000-4000-8000-000000000001",
    chunk_id="00000000-0000-4000-8000-000000000101",
    source_type="product",
    external_id="kettle-blue",
    title="Blue kettle",
    url="/catalog/kettle-blue",
    snippet="A blue enamel kettle, 1.7 litres. It whistles.",
    score=0.9,
)


@dataclass(frozen=True, kw_only=True)
class ScriptedFailure:
    """A gRPC error; `code` is a status name ("UNAVAILABLE")."""

    code: str
    reason: str = "SCRIPTED"
    message: str = "secret detail of the service"
    retry_after_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class ScriptedAnswer:
    """What an answer says and how it behaves."""

    deltas: Sequence[str] = ("The kettle costs ", "990 roubles", " [1].")
    references: Sequence[common_pb.Reference] = (KETTLE,)
    citations: Sequence[answers_pb.Citation] = ()
    # Each is told as soon as its sentence is.
    unsupported: Sequence[answers_pb.UnsupportedRange] = ()
    finish_reason: answers_pb.FinishReason = answers_pb.FinishReason.FINISH_REASON_STOP
    model_away: bool = False
    wants_human: bool = False
    status: answers_pb.AnswerStatus = answers_pb.AnswerStatus.ANSWER_STATUS_COMPLETED
    pause_seconds: float = 0.0
    # The answer waits here, after so many deltas, until `FakeRetrieval.release()`.
    hold_after: int | None = None
    # The answer ends in this error after so many deltas.
    failure: ScriptedFailure | None = None
    fail_after: int = 0


@dataclass(frozen=True, kw_only=True)
class Handoff:
    """What stands behind a code."""

    tenant_id: str
    session_id: str
    language: str = ""


@dataclass(kw_only=True)
class Journal:
    """What the service was asked."""

    answer_calls: list[Request] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    sessions: list[answers_pb.CreateSessionRequest] = field(default_factory=list)
    resolved: list[str] = field(default_factory=list)
    tenants: list[str] = field(default_factory=list)
    feedback: list[answers_pb.SubmitFeedbackRequest] = field(default_factory=list)

    @property
    def questions(self) -> list[str]:
        """Of every StreamAnswer call, repeats and replays included."""
        return [call.question for call in self.answer_calls]

    @property
    def request_ids(self) -> set[str]:
        return {call.request_id for call in self.answer_calls}


class FakeRetrieval:
    """The running service: its address, its script and its journal."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.address = ""
        self.journal = Journal()
        self.shops: dict[str, tenants_pb.ResolvePublicKeyResponse] = {}
        # Their tokens by their ids.
        self.sessions: dict[str, str] = {}
        self.answers: dict[str, answers_pb.Answer] = {}
        self.bodies: dict[str, Request] = {}
        # By codes that nobody has claimed.
        self.handoffs: dict[str, Handoff] = {}
        self.snapshots: dict[str, search_pb.Snapshot] = {}
        self.resolve_failure: ScriptedFailure | None = None
        self._script: dict[str, ScriptedAnswer] = {}
        self._released = asyncio.Event()
        self._holding = asyncio.Event()

    def add_shop(
        self,
        *,
        public_key: str = "",
        name: str = "Demo shop",
        languages: Sequence[str] = ("en", "ru", "pt"),
        allowed_origins: Sequence[str] = ("*",),
        greetings: Mapping[str, str] | None = None,
        suggested_questions: Mapping[str, Sequence[str]] | None = None,
        fallback_contact: str = "help@shop.example",
    ) -> tenants_pb.ResolvePublicKeyResponse:
        """A tenant that `public_key` (a new one when empty, see `shops`) resolves to."""
        suggested = suggested_questions or {}
        shop = tenants_pb.ResolvePublicKeyResponse(
            tenant_id=str(uuid.uuid4()),
            name=name,
            languages=languages,
            allowed_origins=allowed_origins,
            greetings=greetings,
            suggested_questions={
                code: tenants_pb.SuggestedQuestions(questions=questions)
                for code, questions in suggested.items()
            },
            fallback_contact=fallback_contact,
        )
        self.shops[public_key or str(uuid.uuid4())] = shop
        return shop

    def add_session(self) -> str:
        """The id of a conversation that somebody has opened."""
        session_id = str(uuid.uuid4())
        self.sessions[session_id] = secrets.token_urlsafe(24)
        return session_id

    def script(self, fragment: str, answer: ScriptedAnswer) -> None:
        """Questions that contain the fragment get this answer; the newest script wins."""
        self._script.pop(fragment, None)
        self._script = {fragment: answer, **self._script}

    def scripted(self, question: str) -> ScriptedAnswer:
        found = (answer for fragment, answer in self._script.items() if fragment in question)
        return next(found, ScriptedAnswer())

    def release(self) -> None:
        """Lets answers that `hold_after` stopped go on, now and from now on."""
        self._released.set()

    async def holding(self) -> None:
        """Returns once an answer is held."""
        async with asyncio.timeout(10):
            await self._holding.wait()

    async def hold(self) -> None:
        self._holding.set()
        await self._released.wait()

    def rearm(self) -> None:
        """Makes `hold_after` hold again after a release."""
        self._released.clear()
        self._holding.clear()


@asynccontextmanager
async def running_retrieval_service(
    *, key: str = CHANNEL_KEY, address: str = "127.0.0.1:0"
) -> AsyncIterator[FakeRetrieval]:
    service = FakeRetrieval(key)
    server = grpc.aio.server()
    tenants_grpc.add_TenantServiceServicer_to_server(Tenants(service), server)
    answers_grpc.add_AnswerServiceServicer_to_server(Answers(service), server)
    search_grpc.add_SearchServiceServicer_to_server(Searches(service), server)
    await add_health(server)
    service.address = f"127.0.0.1:{server.add_insecure_port(address)}"
    await server.start()
    try:
        yield service
    finally:
        service.release()
        await server.stop(grace=0)


async def add_health(server: grpc.aio.Server) -> None:
    servicer = health.aio.HealthServicer()
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)


class Tenants(tenants_grpc.TenantServiceServicer):
    def __init__(self, service: FakeRetrieval) -> None:
        self._service = service

    async def ResolvePublicKey(  # noqa: N802 - the contract's name
        self, request: tenants_pb.ResolvePublicKeyRequest, context: Context
    ) -> tenants_pb.ResolvePublicKeyResponse:
        await check_key(self._service, context)
        self._service.journal.resolved.append(request.public_key)
        if self._service.resolve_failure:
            await abort(context, self._service.resolve_failure)
        shop = self._service.shops.get(request.public_key)
        return shop or await abort(context, ScriptedFailure(code="NOT_FOUND", reason="NOT_FOUND"))


class Searches(search_grpc.SearchServiceServicer):
    """Snapshots by their token, for whoever has the key; no tenant is named."""

    def __init__(self, service: FakeRetrieval) -> None:
        self._service = service

    async def ResolveSnapshot(  # noqa: N802 - the contract's name
        self, request: search_pb.ResolveSnapshotRequest, context: Context
    ) -> search_pb.ResolveSnapshotResponse:
        await check_key(self._service, context)
        if self._service.resolve_failure:
            await abort(context, self._service.resolve_failure)
        snapshot = self._service.snapshots.get(request.token)
        found = snapshot or await abort(context, ScriptedFailure(code="NOT_FOUND", reason="NOT_FOUND"))
        return search_pb.ResolveSnapshotResponse(snapshot=found)


class Answers(answers_grpc.AnswerServiceServicer):
    def __init__(self, service: FakeRetrieval) -> None:
        self._service = service

    async def CreateSession(  # noqa: N802 - the contract's name
        self, request: answers_pb.CreateSessionRequest, context: Context
    ) -> answers_pb.CreateSessionResponse:
        await check_tenant(self._service, context)
        self._service.journal.sessions.append(request)
        session_id = self._service.add_session()
        return answers_pb.CreateSessionResponse(
            session_id=session_id, session_token=self._service.sessions[session_id]
        )

    async def SubmitFeedback(  # noqa: N802 - the contract's name
        self, request: answers_pb.SubmitFeedbackRequest, context: Context
    ) -> answers_pb.SubmitFeedbackResponse:
        await check_tenant(self._service, context)
        await check_session(self._service, request.session_id, request.session_token, context)
        rated = (request.answer_id, request.session_id)
        if rated not in [(one.answer_id, one.session_id) for one in self._service.answers.values()]:
            await abort(context, ScriptedFailure(code="NOT_FOUND", reason="NOT_FOUND"))
        self._service.journal.feedback.append(request)
        return answers_pb.SubmitFeedbackResponse()

    async def StreamAnswer(  # noqa: N802 - the contract's name
        self, request: Request, context: Context
    ) -> AsyncIterator[answers_pb.StreamAnswerResponse]:
        await check_tenant(self._service, context)
        self._service.journal.answer_calls.append(request)
        await check_request(self._service, request, context)
        async for event in self._events(request, self._begun(request), context):
            yield event

    def _begun(self, request: Request) -> ScriptedAnswer:
        """What the call is to hear; one that joins a running answer hears it from the beginning."""
        stored = self._service.answers.get(request.request_id)
        if stored and stored.status == answers_pb.AnswerStatus.ANSWER_STATUS_COMPLETED:
            return replayed(stored)
        if stored is None or stored.status == answers_pb.AnswerStatus.ANSWER_STATUS_CANCELLED:
            self._service.answers[request.request_id] = running(request)
            self._service.journal.written.append(request.question)
        return self._service.scripted(request.question)

    async def _events(
        self,
        request: Request,
        script: ScriptedAnswer,
        context: Context,
    ) -> AsyncIterator[answers_pb.StreamAnswerResponse]:
        sequence = 0
        async for event in self._scripted(request, script, context):
            event.sequence = sequence
            sequence += 1
            if event.WhichOneof("event") == "completed":
                self._service.answers[request.request_id] = event.completed.answer
            yield event

    async def _scripted(
        self,
        request: Request,
        script: ScriptedAnswer,
        context: Context,
    ) -> AsyncIterator[answers_pb.StreamAnswerResponse]:
        answer = self._service.answers[request.request_id]
        yield answers_pb.StreamAnswerResponse(
            started=answers_pb.AnswerStarted(
                answer_id=answer.answer_id, session_id=request.session_id, references=script.references
            )
        )
        told = 0
        for place, text in enumerate(script.deltas):
            await self._before_delta(place, script, context)
            yield answers_pb.StreamAnswerResponse(delta=answers_pb.AnswerDelta(text=text))
            for one in script.unsupported:
                if told < one.end_offset <= told + len(text):
                    yield answers_pb.StreamAnswerResponse(unsupported=one)
            told += len(text)
        await self._before_delta(len(script.deltas), script, context)
        for citation in script.citations:
            yield answers_pb.StreamAnswerResponse(citation=citation)
        yield answers_pb.StreamAnswerResponse(completed=completed(answer, script))

    async def _before_delta(self, place: int, script: ScriptedAnswer, context: Context) -> None:
        if place == script.hold_after:
            await self._service.hold()
        if script.failure and place == script.fail_after:
            await abort(context, script.failure)
        if script.pause_seconds:
            await asyncio.sleep(script.pause_seconds)

    async def CancelAnswer(  # noqa: N802 - the contract's name
        self, request: answers_pb.CancelAnswerRequest, context: Context
    ) -> answers_pb.CancelAnswerResponse:
        await check_tenant(self._service, context)
        await check_session(self._service, request.session_id, request.session_token, context)
        answer = self._service.answers.get(request.request_id)
        if answer is None or answer.session_id != request.session_id:
            return await abort(context, ScriptedFailure(code="NOT_FOUND", reason="NOT_FOUND"))
        if answer.status == answers_pb.AnswerStatus.ANSWER_STATUS_RUNNING:
            answer.status = answers_pb.AnswerStatus.ANSWER_STATUS_CANCELLED
            self._service.journal.cancelled.append(answer.question)
        return answers_pb.CancelAnswerResponse(answer=answer)

    async def CreateHandoff(  # noqa: N802 - the contract's name
        self, request: answers_pb.CreateHandoffRequest, context: Context
    ) -> answers_pb.CreateHandoffResponse:
        await check_tenant(self._service, context)
        await check_session(self._service, request.session_id, request.session_token, context)
        code = secrets.token_urlsafe(16)
        self._service.handoffs[code] = Handoff(
            tenant_id=metadata(context)["x-tenant-id"], session_id=request.session_id
        )
        return answers_pb.CreateHandoffResponse(code=code)

    async def ClaimHandoff(  # noqa: N802 - the contract's name
        self, request: answers_pb.ClaimHandoffRequest, context: Context
    ) -> answers_pb.ClaimHandoffResponse:
        await check_key(self._service, context)
        handoff = self._service.handoffs.pop(request.code, None)
        if handoff is None:
            return await abort(context, ScriptedFailure(code="NOT_FOUND", reason="NOT_FOUND"))
        turns = [one for one in self._service.answers.values() if one.session_id == handoff.session_id]
        keys = {shop.tenant_id: key for key, shop in self._service.shops.items()}
        return answers_pb.ClaimHandoffResponse(
            session_id=handoff.session_id,
            session_token=self._service.sessions[handoff.session_id],
            language=handoff.language,
            last_turn=turns[-1] if turns else None,
            public_key=keys[handoff.tenant_id],
        )


def running(request: Request) -> answers_pb.Answer:
    return answers_pb.Answer(
        answer_id=str(uuid.uuid4()),
        session_id=request.session_id,
        question=request.question,
        status=answers_pb.AnswerStatus.ANSWER_STATUS_RUNNING,
    )


def replayed(stored: answers_pb.Answer) -> ScriptedAnswer:
    return ScriptedAnswer(
        deltas=(stored.text,),
        references=tuple(stored.references),
        citations=tuple(stored.citations),
        unsupported=tuple(stored.unsupported),
        finish_reason=stored.finish_reason,
    )


def completed(answer: answers_pb.Answer, script: ScriptedAnswer) -> answers_pb.AnswerCompleted:
    whole = answers_pb.Answer(
        text="".join(script.deltas),
        citations=script.citations,
        unsupported=script.unsupported,
        references=script.references,
        finish_reason=script.finish_reason,
        answerer="scripted",
        wants_human=script.wants_human,
    )
    whole.MergeFrom(
        answers_pb.Answer(answer_id=answer.answer_id, session_id=answer.session_id, question=answer.question)
    )
    whole.status = script.status
    return answers_pb.AnswerCompleted(
        finish_reason=script.finish_reason, answer=whole, model_away=script.model_away
    )


async def check_request(service: FakeRetrieval, request: Request, context: Context) -> None:
    await check_session(service, request.session_id, request.session_token, context)
    body = Request()
    body.CopyFrom(request)
    body.ClearField("session_token")
    body.ClearField("visitor")
    if service.bodies.setdefault(request.request_id, body) != body:
        await abort(context, ScriptedFailure(code="INVALID_ARGUMENT", reason="INVALID_FIELDS"))


async def check_session(service: FakeRetrieval, session_id: str, token: str, context: Context) -> None:
    """As of a key of scope `channel`."""
    if not session_id:
        await abort(context, ScriptedFailure(code="INVALID_ARGUMENT", reason="INVALID_FIELDS"))
    if not token or service.sessions.get(session_id) != token:
        await abort(context, ScriptedFailure(code="NOT_FOUND", reason="NOT_FOUND"))


async def check_key(service: FakeRetrieval, context: Context) -> None:
    if metadata(context).get("authorization") != f"Bearer {service.key}":
        await abort(context, ScriptedFailure(code="UNAUTHENTICATED", reason="KEY_INVALID"))


async def check_tenant(service: FakeRetrieval, context: Context) -> None:
    await check_key(service, context)
    tenant_id = metadata(context).get("x-tenant-id", "")
    service.journal.tenants.append(tenant_id)
    if tenant_id not in {shop.tenant_id for shop in service.shops.values()}:
        await abort(context, ScriptedFailure(code="NOT_FOUND", reason="NOT_FOUND"))


def metadata(context: Context) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


async def abort(context: Context, failure: ScriptedFailure) -> None:
    """Ends the call as the service does: status, ErrorInfo and, when waiting helps, RetryInfo."""
    details: list[message.Message] = [error_details_pb2.ErrorInfo(reason=failure.reason, domain="kladez.v1")]
    if failure.retry_after_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(round(failure.retry_after_seconds * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(
        code=code_pb2.Code.Value(failure.code),
        message=failure.message,
        details=[packed(detail) for detail in details],
    )
    await context.abort_with_status(rpc_status.to_status(status))


def packed(detail: message.Message) -> any_pb2.Any:
    wrapper = any_pb2.Any()
    wrapper.Pack(detail)
    return wrapper
