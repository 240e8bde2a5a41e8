"""Finds out who calls from the secret they show; a secret is only ever handled as its SHA-256."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from cachetools import LRUCache, TTLCache

from retrieval_service import errors
from retrieval_service.domain.tenants.rates import Rate
from retrieval_service.domain.tenants.tenants import ApiKey
from retrieval_service.stores.database import Database
from retrieval_service.stores.tenants import keys, tenants

SECRET_BYTES = 32
SECRET_PREFIX = "kld_"  # noqa: S105  (a prefix people and secret scanners recognise, not a secret)
KNOWN_SECONDS = 30.0
UNKNOWN_SECONDS = 5.0
CACHE_SIZE = 10_000
# Of the pool's connections, for keys that were not right lately.
STRANGERS_AT_ONCE = 2
LISTED_SECONDS = 1.0
SECRET = re.compile(rf"{SECRET_PREFIX}[A-Za-z0-9_-]{{43}}")


@dataclass(frozen=True, kw_only=True)
class Caller:
    """`tenant_id` is None for a key of many tenants that named none."""

    key_id: UUID
    tenant_id: UUID | None
    scopes: frozenset[str]
    is_tenants_own: bool


@dataclass(frozen=True, kw_only=True)
class _Known:
    key: ApiKey
    until: float


class Authenticator:
    """Remembers keys and tenants for 30 seconds, so a revoked key or a deleted tenant works that long at most.

    Wrong keys are looked up so many times a minute for each network they come from, a few at a time, and are
    remembered apart from right ones: who guesses takes neither the database nor the memory from anybody.
    """

    def __init__(
        self,
        database: Database,
        *,
        wrong_keys_per_minute: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._clock = clock
        self._known: LRUCache[bytes, _Known] = LRUCache(CACHE_SIZE)
        self._unknown: TTLCache[bytes, bool] = TTLCache(CACHE_SIZE, UNKNOWN_SECONDS, timer=clock)
        self._asking: dict[bytes, asyncio.Event] = {}
        self._guesses = Rate(wrong_keys_per_minute)
        self._strangers = asyncio.Semaphore(STRANGERS_AT_ONCE)
        self._listing = asyncio.Lock()
        self._listed: frozenset[bytes] = frozenset()
        self._listed_until = 0.0
        self._served: TTLCache[UUID, bool] = TTLCache(CACHE_SIZE, KNOWN_SECONDS, timer=clock)

    async def identify(self, secret: str, wanted_tenant_id: UUID | None, network: str) -> Caller:
        """Raises `KeyInvalid`, `WrongKeys`, or `NotAllowed` when a tenant's own key names another tenant.

        `network` is where the secret comes from.
        """
        key = await self._key(secret, network)
        if key is None:
            raise errors.KeyInvalid
        if key.tenant_id is not None and wanted_tenant_id not in (None, key.tenant_id):
            raise errors.NotAllowed("this key belongs to another tenant")
        return Caller(
            key_id=key.id,
            tenant_id=key.tenant_id or wanted_tenant_id,
            scopes=frozenset(key.scopes),
            is_tenants_own=key.tenant_id is not None,
        )

    async def check_tenant(self, tenant_id: UUID) -> None:
        """Raises `NotFound` for a tenant that does not exist or is deleted: a key of many tenants may name any."""
        if tenant_id in self._served:
            return
        async with self._database.operator() as operator:
            tenant = await tenants.get(operator, tenant_id)
        if tenant is None or tenant.deleted_at is not None:
            raise errors.NotFound("there is no such tenant")
        self._served[tenant_id] = True

    def forget(self) -> None:
        """Drops everything remembered, so that a change of keys or tenants counts at once on this server."""
        self._known.clear()
        self._unknown.clear()
        self._served.clear()

    def expect_new_key(self) -> None:
        """A key that this server has made passes at once, however many guesses come from where it is used."""
        self._listed_until = 0.0

    async def _key(self, secret: str, network: str) -> ApiKey | None:
        """None for a wrong one. What is not spelled as a key is nobody's, and worth no look."""
        if not SECRET.fullmatch(secret):
            return None
        secret_hash = hash_secret(secret)
        while True:
            known = self._known.get(secret_hash)
            if known is not None and known.until > self._clock():
                return known.key
            if secret_hash in self._unknown:
                return None
            await self._ask_once(secret_hash, network, is_stranger=known is None)

    async def _ask_once(self, secret_hash: bytes, network: str, *, is_stranger: bool) -> None:
        """Calls that come together with one key share one look, and its failure makes the next one look."""
        if secret_hash in self._asking:
            await self._asking[secret_hash].wait()
            return
        answered = self._asking[secret_hash] = asyncio.Event()
        try:
            await (self._ask_for_stranger(secret_hash, network) if is_stranger else self._ask(secret_hash))
        finally:
            del self._asking[secret_hash]
            answered.set()

    async def _ask_for_stranger(self, secret_hash: bytes, network: str) -> None:
        """Only wrong keys are counted: behind one proxy right ones come from the same address."""
        wait = self._guesses.take(network, 1, self._clock())
        if wait:
            if secret_hash not in await self._listed_hashes():
                raise errors.WrongKeys(retry_after_seconds=wait)
            await self._ask(secret_hash)
            return
        try:
            async with self._strangers:
                is_right = await self._ask(secret_hash)
        except errors.Unavailable:
            self._guesses.give_back(network, 1)
            raise
        # Who hangs up before this has guessed all the same.
        if is_right:
            self._guesses.give_back(network, 1)

    async def _listed_hashes(self) -> frozenset[bytes]:
        """Of all right keys, read once a second at most, and only while somebody guesses."""
        async with self._listing:
            if self._listed_until <= self._clock():
                # Before the read: a key that is made meanwhile is read next time.
                self._listed_until = self._clock() + LISTED_SECONDS
                async with self._database.operator() as operator:
                    self._listed = await keys.hashes(operator)
            return self._listed

    async def _ask(self, secret_hash: bytes) -> bool:
        """Whether the key is right; either is remembered."""
        async with self._database.operator() as operator:
            key = await keys.get_by_hash(operator, secret_hash)
        self._known.pop(secret_hash, None)
        if key is None:
            self._unknown[secret_hash] = True
        else:
            self._known[secret_hash] = _Known(key=key, until=self._clock() + KNOWN_SECONDS)
        return key is not None


def new_secret() -> str:
    """256 random bits, recognisable as ours."""
    return SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def hash_secret(secret: str) -> bytes:
    """SHA-256; enough for a secret of 256 random bits, which no dictionary holds."""
    return hashlib.sha256(secret.encode()).digest()
