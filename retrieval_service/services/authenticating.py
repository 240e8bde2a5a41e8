"""Finds out who calls from the secret they show; a secret is only ever handled as its SHA-256."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from retrieval_service import errors
from retrieval_service.domain.records import ApiKey
from retrieval_service.stores import keys, tenants
from retrieval_service.stores.database import Database

SECRET_BYTES = 32
SECRET_PREFIX = "kld_"  # noqa: S105  (a prefix people and secret scanners recognise, not a secret)
KNOWN_SECONDS = 30.0
UNKNOWN_SECONDS = 5.0
CACHE_SIZE = 10_000


@dataclass(frozen=True, kw_only=True)
class Caller:
    """`tenant_id` is None for a key of the operator that named no tenant."""

    key_id: UUID
    tenant_id: UUID | None
    scopes: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class _Cached:
    key: ApiKey | None
    until: float


class Authenticator:
    """Remembers keys and tenants for 30 seconds, so a revoked key or a deleted tenant works that long at most."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._cache: dict[bytes, _Cached] = {}
        self._served_until: dict[UUID, float] = {}

    async def identify(self, secret: str, wanted_tenant_id: UUID | None) -> Caller:
        """Raises `KeyInvalid`; `NotAllowed` when a tenant's own key names another tenant."""
        key = await self._key(hash_secret(secret))
        if key is None:
            raise errors.KeyInvalid
        if key.tenant_id is not None and wanted_tenant_id not in (None, key.tenant_id):
            raise errors.NotAllowed("this key belongs to another tenant")
        return Caller(
            key_id=key.id, tenant_id=key.tenant_id or wanted_tenant_id, scopes=frozenset(key.scopes)
        )

    async def check_tenant(self, tenant_id: UUID) -> None:
        """Raises `NotFound` for a tenant that does not exist or is deleted: a key of many tenants may name any."""
        if self._served_until.get(tenant_id, 0.0) > self._clock():
            return
        async with self._database.operator() as operator:
            tenant = await tenants.get(operator, tenant_id)
        if tenant is None or tenant.deleted_at is not None:
            self._served_until.pop(tenant_id, None)
            raise errors.NotFound("there is no such tenant")
        if len(self._served_until) >= CACHE_SIZE:
            self._served_until.clear()
        self._served_until[tenant_id] = self._clock() + KNOWN_SECONDS

    def forget(self) -> None:
        """Drops everything remembered, so that a change of keys or tenants counts at once on this server."""
        self._cache.clear()
        self._served_until.clear()

    async def _key(self, secret_hash: bytes) -> ApiKey | None:
        cached = self._cache.get(secret_hash)
        if cached is not None and cached.until > self._clock():
            return cached.key
        async with self._database.operator() as operator:
            key = await keys.get_by_hash(operator, secret_hash)
        if len(self._cache) >= CACHE_SIZE:
            self._cache.clear()
        seconds = UNKNOWN_SECONDS if key is None else KNOWN_SECONDS
        self._cache[secret_hash] = _Cached(key=key, until=self._clock() + seconds)
        return key


def new_secret() -> str:
    """256 random bits, recognisable as ours."""
    return SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def hash_secret(secret: str) -> bytes:
    """SHA-256; enough for a secret of 256 random bits, which no dictionary holds."""
    return hashlib.sha256(secret.encode()).digest()
