"""Conversations in memory. Each owns its answers and their jobs; sockets join and leave."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Protocol

from aiojobs import Job, Scheduler
from kladez.v1.answer_service_pb2 import CreateHandoffRequest

from retrieval_service.client import Client
from retrieval_service.client.conversations import ServiceSession, SessionProof
from widget_gateway import frames
from widget_gateway.access import Shop, Signer
from widget_gateway.answers import CHANNEL, AnswerJob, FeedbackJob, request_id
from widget_gateway.frames import Ask, Feedback, ServerFrame
from widget_gateway.session import PLEASANTRY, Conversation, Done, Event

SWEEP_SECONDS = 30.0
CLIENTS_REMEMBERED = 1000


class Listener(Protocol):
    """A socket that follows a conversation."""

    async def tell(self, text: str) -> None:
        """Sends one frame. A listener that cannot receive it is dropped without an exception."""
        ...

    async def close(self) -> object:
        """Closes the connection."""
        ...


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The data of a visitor who opens a conversation or returns to it, with what the token proves."""

    shop: Shop
    session_id: str
    service: SessionProof
    language: str


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question, its asker as a keyed hash, and what to call when it is a courtesy."""

    ask: Ask
    visitor: str
    forgive: Callable[[], None]


class Room:
    """One conversation with its listeners and its running answers."""

    # Every open chat has one, and most of them are idle.
    __slots__ = (
        "_answer_seconds",
        "_client",
        "_jobs",
        "_public_key",
        "_scheduler",
        "_service_session",
        "_signer",
        "conversation",
        "idle_since",
        "listeners",
        "session_id",
        "tenant_id",
    )

    def __init__(
        self,
        entry: Entry,
        *,
        client: Client,
        scheduler: Scheduler,
        signer: Signer,
        answer_seconds: float,
    ) -> None:
        self.session_id = entry.session_id
        self.tenant_id = entry.shop.tenant_id
        self._public_key = entry.shop.public_key
        self.conversation = Conversation()
        self.listeners: set[Listener] = set()
        self.idle_since = time.monotonic()
        self._client = client
        self._service_session = ServiceSession(
            client,
            channel=CHANNEL,
            user_key=entry.session_id,
            language=entry.language,
            opened=self._service_session_opened,
            proof=entry.service,
        )
        self._scheduler = scheduler
        self._signer = signer
        self._answer_seconds = answer_seconds
        self._jobs: dict[str, Job[None]] = {}

    @property
    def is_idle(self) -> bool:
        return not self.listeners and not self.conversation.running

    def enter(self, entry: Entry, listener: Listener) -> None:
        self._service_session.adopt(entry.service)
        self.listeners.add(listener)

    def proof(self) -> frames.Session:
        """The proof with which the widget returns to this conversation."""
        grant = self._signer.grant(self.session_id, self._service_session.proof, unix_time=time.time())
        token = self._signer.token(grant, self.tenant_id)
        return frames.Session(session_id=self.session_id, token=token, expires=grant.expires)

    async def start(self, asked: Asked) -> None:
        """Begins an answer; the id must be new."""
        self.conversation.begin(asked.ask.ask_id)
        self._jobs[asked.ask.ask_id] = await self._scheduler.spawn(self._answer(asked))

    async def cancel(self, ask_id: str) -> None:
        """Cancels the answer, tells the service, then the readers. An answer that has ended does not change."""
        done = self.conversation.cancel(ask_id)
        if done is None:
            return
        await self._stop(ask_id)
        await self.tell(done)

    async def rate(self, feedback: Feedback) -> None:
        """Sends the rating in a job, so the socket does not wait for the service."""
        job = FeedbackJob(
            client=self._client,
            proof=self._service_session.proof,
            feedback=feedback,
            tell=self.tell,
        )
        await self._scheduler.spawn(job.run())

    async def handoff(self, bot: str) -> str:
        """The address that continues the conversation in Telegram, or begins one; raises `CallFailed`."""
        proof = self._service_session.proof
        if not proof.session_id:
            return f"https://t.me/{bot}?start={self._public_key.replace('-', '')}"
        handoff = await self._client.create_handoff(
            CreateHandoffRequest(session_id=proof.session_id, session_token=proof.session_token)
        )
        return f"https://t.me/{bot}?start=h_{handoff.code}"

    async def close(self) -> None:
        """Stops all answers and closes all listeners."""
        for ask_id in tuple(self._jobs):
            self.conversation.cancel(ask_id)
            await self._stop(ask_id)
        for listener in tuple(self.listeners):
            await listener.close()

    async def tell(self, frame: ServerFrame | None) -> None:
        if frame is None:
            return
        text = frames.encode(frame)
        for listener in tuple(self.listeners):
            await listener.tell(text)

    async def _stop(self, ask_id: str) -> None:
        job = self._jobs.pop(ask_id, None)
        if job:
            await self._service_session.cancel(request_id(self.tenant_id, self.session_id, ask_id))
            with suppress(TimeoutError):  # aiojobs continues to cancel it; the reader need not wait
                await job.close()

    async def _answer(self, asked: Asked) -> None:
        ask = asked.ask
        job = AnswerJob(
            conversation=self.conversation,
            service_session=self._service_session,
            ask=ask,
            visitor=asked.visitor,
            request_id=request_id(self.tenant_id, self.session_id, ask.ask_id),
            timeout_seconds=self._answer_seconds,
            tell=partial(self._tell_answer, asked),
        )
        try:
            await job.run()
        finally:
            self._jobs.pop(ask.ask_id, None)
            self.idle_since = time.monotonic()

    async def _tell_answer(self, asked: Asked, event: Event | None) -> None:
        """Tells the answer. A courtesy cost no model call, so the visitor may ask again at once."""
        if isinstance(event, Done) and event.finish_reason == PLEASANTRY:
            asked.forgive()
        await self.tell(event)

    async def _service_session_opened(self, _proof: SessionProof) -> None:
        await self.tell(self.proof())


class Rooms:
    """All conversations of this process by tenant and session id."""

    def __init__(
        self,
        client: Client,
        *,
        scheduler: Scheduler,
        signer: Signer,
        answer_seconds: float,
        idle_seconds: float,
    ) -> None:
        # A client needs as much memory as an idle socket, so visitors of one shop share it.
        self._client_of = lru_cache(CLIENTS_REMEMBERED)(client.for_tenant)
        self._scheduler = scheduler
        self._signer = signer
        self._answer_seconds = answer_seconds
        self._idle_seconds = idle_seconds
        self._next_sweep = 0.0
        self._rooms: dict[tuple[str, str], Room] = {}

    def __len__(self) -> int:
        return len(self._rooms)

    @property
    def running(self) -> int:
        """How many answers are being written."""
        return self._scheduler.active_count

    def enter(self, entry: Entry, listener: Listener) -> Room:
        key = (entry.shop.tenant_id, entry.session_id)
        self._sweep_sometimes()
        room = self._rooms.get(key)
        if room is None:
            room = self._rooms[key] = self._open(entry)
        room.enter(entry, listener)
        return room

    def leave(self, room: Room, listener: Listener) -> None:
        """Keeps the conversation for a while for a returning widget, unless it is empty."""
        room.listeners.discard(listener)
        room.idle_since = time.monotonic()
        if room.is_idle and not len(room.conversation):
            self._rooms.pop((room.tenant_id, room.session_id), None)

    async def end(self, room: Room) -> None:
        """Forgets the conversation."""
        self._rooms.pop((room.tenant_id, room.session_id), None)
        await room.close()

    def _sweep_sometimes(self) -> None:
        """Drops conversations that nobody returned to. The service keeps all answers and replays them by request id."""
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_SECONDS
        for key, room in tuple(self._rooms.items()):
            if room.is_idle and room.idle_since < now - self._idle_seconds:
                del self._rooms[key]

    def _open(self, entry: Entry) -> Room:
        return Room(
            entry,
            client=self._client_of(entry.shop.tenant_id),
            scheduler=self._scheduler,
            signer=self._signer,
            answer_seconds=self._answer_seconds,
        )
