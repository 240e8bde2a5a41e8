"""Access: shops by public key, pages by origin, sessions by token, visitors by hashed address."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, IPv6Network, ip_address

from cachetools import LRUCache
from kladez.v1.tenant_service_pb2 import ResolvePublicKeyRequest, ResolvePublicKeyResponse

from retrieval_service.client import CallFailed, Client
from retrieval_service.client.conversations import NO_SESSION, SessionProof
from widget_gateway.config import Network

KNOWN_SECONDS = 30.0
UNKNOWN_SECONDS = 5.0
RESOLVE_TIMEOUT_SECONDS = 5.0
SHOPS_REMEMBERED = 10_000
ANY_ORIGIN = "*"
NULL_ORIGIN = "null"

_CYRILLIC = re.compile(r"[а-яё]", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A tenant as the gateway knows it."""

    tenant_id: str
    public_key: str
    name: str
    languages: tuple[str, ...] = ()
    allowed_origins: frozenset[str] = frozenset()
    greetings: Mapping[str, str] = field(default_factory=dict)
    suggested: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def title(self, language: str) -> str:
        """The shop's name; "" in a language of another alphabet, for which the widget has its own title."""
        return "" if language != "ru" and _CYRILLIC.search(self.name) else self.name

    def greeting(self, language: str) -> str:
        return self.greetings.get(self.speaks(language), "")

    def suggestions(self, language: str) -> tuple[str, ...]:
        return self.suggested.get(self.speaks(language), ())

    def speaks(self, language: str) -> str:
        """The given language if the shop has it, else the shop's first."""
        return language if language in self.languages or not self.languages else self.languages[0]


class ShopUnknown(Exception):
    """No shop has this public key."""


class ShopUnavailable(Exception):
    """The service could not be asked for the shop."""


@dataclass(frozen=True, kw_only=True)
class _Remembered:
    shop: Shop | None
    until: float


class Shops:
    """Shops by public key. They are cached for 30 s, and unknown keys for 5 s."""

    def __init__(self, client: Client, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._remembered: LRUCache[str, _Remembered] = LRUCache(SHOPS_REMEMBERED)
        self._asking: dict[str, asyncio.Event] = {}

    async def find(self, public_key: str) -> Shop:
        """Raises `ShopUnknown` or `ShopUnavailable`."""
        key = canonical(public_key)
        if self._fresh(key) is None:
            await self._ask_once(key)
        remembered = self._fresh(key)
        if remembered is None:
            raise ShopUnavailable
        if remembered.shop is None:
            raise ShopUnknown
        return remembered.shop

    def _fresh(self, key: str) -> _Remembered | None:
        remembered = self._remembered.get(key)
        return remembered if remembered and remembered.until > self._clock() else None

    async def _ask_once(self, key: str) -> None:
        """Shares one call, and its failure, between sockets that ask at the same time."""
        if key in self._asking:
            await self._asking[key].wait()
            return
        answered = self._asking[key] = asyncio.Event()
        try:
            self._remember(key, await self._ask(key))
        finally:
            del self._asking[key]
            answered.set()

    async def _ask(self, key: str) -> Shop | None:
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT_SECONDS):
                response = await self._client.resolve_public_key(ResolvePublicKeyRequest(public_key=key))
        except TimeoutError as error:
            raise ShopUnavailable from error
        except CallFailed as error:
            if error.code == "NOT_FOUND":
                return None
            raise ShopUnavailable from error
        return shop_of(key, response)

    def _remember(self, key: str, shop: Shop | None) -> None:
        seconds = KNOWN_SECONDS if shop else UNKNOWN_SECONDS
        self._remembered[key] = _Remembered(shop=shop, until=self._clock() + seconds)


def canonical(public_key: str) -> str:
    """The key as the service writes it. What is no UUID is no key, and needs no call."""
    try:
        return str(uuid.UUID(public_key))
    except ValueError as error:
        raise ShopUnknown from error


def shop_of(key: str, response: ResolvePublicKeyResponse) -> Shop:
    return Shop(
        tenant_id=response.tenant_id,
        public_key=key,
        name=response.name,
        languages=tuple(response.languages),
        allowed_origins=frozenset(origin.rstrip("/").lower() for origin in response.allowed_origins),
        greetings=dict(response.greetings),
        suggested={code: tuple(item.questions) for code, item in response.suggested_questions.items()},
    )


def origin_allowed(origin: str, shop: Shop, *, allow_null: bool) -> bool:
    """Whether the page may open a socket. Files and sandboxed frames send `null`, which only its own setting allows."""
    if origin == NULL_ORIGIN:
        return allow_null
    return ANY_ORIGIN in shop.allowed_origins or origin.lower() in shop.allowed_origins


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a valid session token proves."""

    session_id: str
    service: SessionProof
    expires: int


class Signer:
    """Makes and checks session tokens, and hashes addresses. Its keys are derived from secrets.

    `lasting_secret` keys the visitor's hash, by which the service counts a day: it must outlive this process.
    """

    def __init__(self, secret: str, *, lifetime_seconds: int, lasting_secret: str = "") -> None:
        self._token_key = derived(secret, "session-token")
        self._address_key = derived(secret, "address")
        self._visitor_key = derived(lasting_secret or secret, "visitor")
        self._lifetime_seconds = lifetime_seconds

    def grant(self, session_id: str, service: SessionProof, *, unix_time: float) -> Grant:
        expires = int(unix_time) + self._lifetime_seconds
        return Grant(session_id=session_id, service=service, expires=expires)

    def token(self, grant: Grant, tenant_id: str) -> str:
        """`<expires>.<service session>.<its token>.<signature>`, bound to the session and the tenant."""
        body = f"{grant.expires}.{grant.service.session_id}.{grant.service.session_token}"
        return f"{body}.{self._signature(grant.session_id, tenant_id, body)}"

    def check(self, token: str, *, session_id: str, tenant_id: str, unix_time: float) -> Grant | None:
        """None for a token that is invalid, expired, or of another session or tenant."""
        body, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(session_id, tenant_id, body).encode()):
            return None
        expires, _, service = body.partition(".")
        if int(expires) <= unix_time:
            return None
        return Grant(session_id=session_id, service=service_proof(service), expires=int(expires))

    def address_hash(self, address: str) -> str:
        """A hash that tells visitors apart without storing their address."""
        return hmac.digest(self._address_key, address_group(address).encode(), "sha256").hex()[:16]

    def visitor_hash(self, address: str) -> str:
        """The same on every gateway with the same lasting secret."""
        return hmac.digest(self._visitor_key, address_group(address).encode(), "sha256").hex()[:32]

    def _signature(self, session_id: str, tenant_id: str, body: str) -> str:
        message = "\n".join((tenant_id, session_id, body)).encode()
        return base64.urlsafe_b64encode(hmac.digest(self._token_key, message, "sha256")[:24]).decode()


def service_proof(signed: str) -> SessionProof:
    """The session proof in the token. Tokens of older gateways have none, and their conversation begins anew."""
    session_id, _, session_token = signed.partition(".")
    if not session_token:
        return NO_SESSION
    return SessionProof(session_id=session_id, session_token=session_token)


def derived(secret: str, purpose: str) -> bytes:
    return hmac.new(secret.encode(), purpose.encode(), hashlib.sha256).digest()


def address_group(address: str) -> str:
    """The unit that limits count: a /64 network of IPv6, or an IPv4 address, also in its IPv6 form."""
    if not is_address(address):
        return address
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(IPv6Network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def visitor_address(peer: str, forwarded_for: str, trusted_proxies: tuple[Network, ...]) -> str:
    """The nearest address that is not a trusted proxy. What visitors claim themselves does not count."""
    address = peer
    for hop in reversed(forwarded_for.split(",")):
        if not is_trusted(address, trusted_proxies) or not is_address(hop.strip()):
            break
        address = hop.strip()
    return address


def is_trusted(address: str, trusted_proxies: tuple[Network, ...]) -> bool:
    """Whether a proxy is trusted. An IPv4 address may come in IPv6 form when one socket listens to both."""
    if not is_address(address):
        return False
    parsed = ip_address(address)
    plain = (isinstance(parsed, IPv6Address) and parsed.ipv4_mapped) or parsed
    return any(plain in network for network in trusted_proxies)


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
