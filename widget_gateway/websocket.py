"""One socket: the hello frame, then frames in both directions until either side leaves."""

from __future__ import annotations

import secrets
import time
from functools import partial

import structlog
from aiohttp import web

from retrieval_service.client import CallFailed
from retrieval_service.client.conversations import NO_SESSION, log_failure
from widget_gateway import demo, frames, metrics
from widget_gateway.access import (
    Grant,
    Shop,
    ShopUnavailable,
    ShopUnknown,
    origin_allowed,
    visitor_address,
)
from widget_gateway.admission import SECONDS_PER_MINUTE, Visitor
from widget_gateway.connection import (
    BAD_MESSAGE,
    HELLO_TIMEOUT,
    ORIGIN_REFUSED,
    RESTARTING,
    SHOP_UNKNOWN,
    SLOW_DOWN,
    TRY_LATER,
    Refused,
    Socket,
)
from widget_gateway.frames import (
    Ask,
    BadFrame,
    Cancel,
    ClientFrame,
    End,
    Feedback,
    GoOn,
    Hello,
    Ping,
    Resume,
    ServerFrame,
)
from widget_gateway.gateway import GATEWAY, Gateway
from widget_gateway.limits import TokenBucket
from widget_gateway.rooms import Asked, Entry, Room
from widget_gateway.session import Failed

SESSION_ID_BYTES = 16

_log = structlog.get_logger(__name__)


async def handle(request: web.Request) -> web.StreamResponse:
    gateway = request.app[GATEWAY]
    settings = gateway.settings
    socket = Socket(frame_bytes=settings.frame_bytes, send_seconds=settings.send_seconds)
    await socket.prepare(request)
    visit = Visit(
        gateway,
        socket,
        origin=request.headers.get("Origin", ""),
        host=request.host,
        address=visitor_address_of(request, gateway),
    )
    try:
        await visit.run()
    except Refused as refused:
        metrics.note_refused_socket(refused.code)
        _log.info("socket_refused", code=refused.code, reason=refused.reason)
        await socket.close(code=refused.code, message=refused.reason.encode())
    return socket


def address_of(request: web.Request, gateway: Gateway) -> str:
    """A keyed hash of the visitor's address."""
    return gateway.signer.address_hash(visitor_address_of(request, gateway))


def visitor_address_of(request: web.Request, gateway: Gateway) -> str:
    forwarded_for = ",".join(request.headers.getall("X-Forwarded-For", []))
    return visitor_address(request.remote or "", forwarded_for, gateway.settings.trusted_proxies)


class Visit:
    """One socket from hello to the end."""

    # Thousands of these are open at the same time.
    __slots__ = ("_address", "_gateway", "_host", "_origin", "_room", "_settings", "_socket", "_visitor")

    def __init__(self, gateway: Gateway, socket: Socket, *, origin: str, host: str, address: str) -> None:
        self._gateway = gateway
        self._settings = gateway.settings
        self._socket = socket
        self._origin = origin
        self._host = host
        self._address = gateway.signer.address_hash(address)
        self._visitor = gateway.signer.visitor_hash(address)
        self._room: Room | None = None

    async def run(self) -> None:
        """Raises `Refused`."""
        self._check()
        if not self._gateway.seats.take(self._address):
            raise Refused(SLOW_DOWN, "too many connections")
        self._gateway.sockets.add(self._socket)
        metrics.SOCKETS.inc()
        try:
            await self._enter()
            if self._room:
                await self._listen(self._room)
        finally:
            self._leave()

    def _check(self) -> None:
        if self._gateway.is_draining:
            raise Refused(RESTARTING, "restarting")
        if self._socket.ws_protocol != frames.SUBPROTOCOL:
            raise Refused(BAD_MESSAGE, f"subprotocol must be {frames.SUBPROTOCOL}")

    def _leave(self) -> None:
        self._gateway.sockets.discard(self._socket)
        metrics.SOCKETS.dec()
        self._gateway.seats.leave(self._address)
        if self._room:
            self._gateway.rooms.leave(self._room, self._socket)

    async def _enter(self) -> None:
        """Leaves `_room` empty when the visitor leaves before the hello frame."""
        hello = await self._hello()
        if hello is None:
            return
        entry = self._entry(hello, await self._shop(hello))
        self._room = self._gateway.rooms.enter(entry, self._socket)
        await self._welcome(hello, entry, self._room)

    async def _hello(self) -> Hello | None:
        try:
            text = await self._socket.next_text(self._settings.hello_seconds)
        except TimeoutError as error:
            raise Refused(HELLO_TIMEOUT, "no hello") from error
        if text is None:
            return None
        hello = parsed(text)
        if not isinstance(hello, Hello):
            raise Refused(BAD_MESSAGE, "hello must come first")
        return hello

    async def _shop(self, hello: Hello) -> Shop:
        try:
            shop = await self._gateway.shops.find(hello.shop)
        except ShopUnknown as error:
            raise Refused(SHOP_UNKNOWN, "unknown shop") from error
        except ShopUnavailable as error:
            raise Refused(TRY_LATER, "try again later") from error
        if not (self._is_own_demo(shop) or self._origin_allowed(shop)):
            raise Refused(ORIGIN_REFUSED, "origin not allowed")
        return shop

    def _origin_allowed(self, shop: Shop) -> bool:
        return origin_allowed(self._origin, shop, allow_null=self._settings.allow_null_origin)

    def _is_own_demo(self, shop: Shop) -> bool:
        """Whether the origin is the gateway's own demo page, at any address under which it is reached."""
        own = (f"http://{self._host}", f"https://{self._host}")
        is_demo = shop.public_key == str(self._settings.demo_shop)
        return is_demo and self._origin in own and demo.is_served(self._host, self._settings)

    def _entry(self, hello: Hello, shop: Shop) -> Entry:
        grant = self._grant(hello, shop)
        return Entry(
            shop=shop,
            session_id=grant.session_id if grant else secrets.token_hex(SESSION_ID_BYTES),
            service=grant.service if grant else NO_SESSION,
            language=shop.speaks(hello.language),
        )

    def _grant(self, hello: Hello, shop: Shop) -> Grant | None:
        """An invalid token begins a new session; the widget keeps its own transcript."""
        return self._gateway.signer.check(
            hello.token, session_id=hello.session_id, tenant_id=shop.tenant_id, unix_time=time.time()
        )

    async def _welcome(self, hello: Hello, entry: Entry, room: Room) -> None:
        await self._tell(
            frames.Welcome(
                session=room.proof(),
                heartbeat_seconds=self._settings.heartbeat_seconds,
                question_characters=self._settings.question_characters,
                title=entry.shop.title(hello.language),
                greeting=entry.shop.greeting(entry.language),
                suggested=entry.shop.suggestions(entry.language),
                has_telegram=bool(self._settings.telegram_bot),
            )
        )
        for reply in room.conversation.catch_up(hello.have):
            await self._tell(reply)

    async def _listen(self, room: Room) -> None:
        per_minute = self._settings.frames_per_minute
        bucket = TokenBucket(per_minute, period_seconds=SECONDS_PER_MINUTE, now=time.monotonic())
        while (text := await self._socket.next_text()) is not None:
            if bucket.take(time.monotonic()):
                raise Refused(SLOW_DOWN, "too many frames")
            await self._react(parsed(text), room)

    async def _react(self, frame: ClientFrame, room: Room) -> None:
        match frame:
            case Ping():
                await self._tell(frames.Pong())
            case Ask():
                await self._ask(frame, room)
            case Cancel():
                await room.cancel(frame.ask_id)
            case Feedback():
                await room.rate(frame)
            case GoOn():
                await self._hand_off(room)
            case Resume():
                await self._tell(room.conversation.snapshot(frame.ask_id))
            case End():
                await self._gateway.rooms.end(room)

    async def _hand_off(self, room: Room) -> None:
        """Sends the link. Without an answer from the service, the widget can ask again."""
        bot = self._settings.telegram_bot
        if not bot:
            return
        try:
            await self._tell(frames.Link(await room.handoff(bot)))
        except CallFailed as failure:
            log_failure("handoff_failed", failure)

    async def _ask(self, ask: Ask, room: Room) -> None:
        if ask.ask_id in room.conversation:
            await self._tell(room.conversation.snapshot(ask.ask_id))
        elif self._gateway.is_draining:
            await self._tell(frames.Draining())
        else:
            await self._admit(ask, room)

    async def _admit(self, ask: Ask, room: Room) -> None:
        visitor = Visitor(
            tenant_id=room.tenant_id,
            session_id=room.session_id,
            address=self._address,
            visitor=self._visitor,
        )
        refusal = self._gateway.admission.refusal(
            ask.question,
            visitor,
            in_session=room.conversation.running,
            at_once=self._gateway.rooms.running,
        )
        if refusal is None:
            forgive = partial(self._gateway.admission.forgive, visitor)
            await room.start(Asked(ask=ask, visitor=visitor.visitor, forgive=forgive))
        else:
            metrics.note_refused_question(refusal.code)
            await self._tell(
                Failed(ask_id=ask.ask_id, number=0, code=refusal.code, retry_after=refusal.retry_after)
            )

    async def _tell(self, frame: ServerFrame) -> None:
        await self._socket.tell(frames.encode(frame))


def parsed(text: str) -> ClientFrame:
    """Raises `Refused` when the text is no frame of the protocol."""
    try:
        return frames.parse(text)
    except BadFrame as error:
        raise Refused(BAD_MESSAGE, str(error)) from error
