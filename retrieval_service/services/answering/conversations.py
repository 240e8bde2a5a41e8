"""Opens, reads, erases and hands over conversations."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from retrieval_service import errors
from retrieval_service.domain.answering.logged import LoggedAnswer
from retrieval_service.domain.answering.session_proofs import SessionProof
from retrieval_service.domain.tenants.rates import Rate
from retrieval_service.domain.tenants.tenants import Tenant
from retrieval_service.stores.chats import chats, handoffs, quotas, sessions
from retrieval_service.stores.database import Database
from retrieval_service.stores.tenants import tenants

log = structlog.get_logger("kladez.conversing")

CODE_BYTES = 16
TOKEN_BYTES = 24
CODE_SECONDS = 600.0
FORGETTING_EVERY_SECONDS = 3_600.0


@dataclass(frozen=True, kw_only=True)
class Handoff:
    """A code that only the customer gets."""

    code: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A conversation that continues elsewhere; `language` is "" when it is unknown."""

    session_id: UUID
    session_token: str
    public_key: UUID
    language: str
    last_turn: LoggedAnswer | None


@dataclass(frozen=True, kw_only=True)
class Claimant:
    """The key and the channel through which a code comes. With `tenant_id` None it may be of any tenant."""

    key_id: UUID
    tenant_id: UUID | None
    channel: str
    user_key: str


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A new conversation and its token, which the service cannot show again."""

    session_id: UUID
    session_token: str


class Conversing:
    """`clock` is monotonic, in seconds."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._guesses = Guesses(clock)
        self._next_forgetting = 0.0

    async def open_session(self, tenant_id: UUID, *, channel: str, user_key: str, language: str) -> Opened:
        token = new_token()
        async with self._database.tenant(tenant_id) as scope:
            session_id = await chats.open_session(
                scope, channel=channel, user_key=user_key, language=language, token_hash=hash_code(token)
            )
        return Opened(session_id=session_id, session_token=token)

    async def turns(
        self, tenant_id: UUID, session_id: UUID, *, after: tuple[datetime, UUID], limit: int
    ) -> list[LoggedAnswer]:
        async with self._database.tenant(tenant_id) as scope:
            if not await chats.session_exists(scope, SessionProof(session_id=session_id)):
                raise errors.NotFound("there is no such session")
            return await sessions.turns(scope, session_id, after=after, limit=limit)

    async def delete_session(self, tenant_id: UUID, session_id: UUID) -> int:
        """Erases the conversation; returns the number of its turns."""
        async with self._database.tenant(tenant_id) as scope:
            erased = await sessions.delete(scope, session_id)
        if erased is None:
            raise errors.NotFound("there is no such session")
        log.info("session_erased", tenant_id=str(tenant_id), session_id=str(session_id), turns=erased)
        return erased

    async def create_handoff(self, tenant_id: UUID, proof: SessionProof) -> Handoff:
        code = secrets.token_urlsafe(CODE_BYTES)
        async with self._database.tenant(tenant_id) as scope:
            if not await chats.session_exists(scope, proof):
                raise errors.NotFound("there is no such session")
            expires_at = await handoffs.insert(scope, proof.session_id, hash_code(code), seconds=CODE_SECONDS)
        return Handoff(code=code, expires_at=expires_at)

    async def claim_handoff(self, claimant: Claimant, code: str) -> Claimed:
        """Claims a code, which works once; raises `TooMany` after too many wrong codes."""
        self._guesses.count(claimant)
        try:
            session_id, tenant = await self._claim(claimant, hash_code(code))
        except errors.Unavailable:
            self._guesses.take_back(claimant)
            raise
        self._guesses.take_back(claimant)
        token = new_token()
        async with self._database.tenant(tenant.id) as scope:
            await sessions.add_proof(scope, session_id, hash_code(token))
            return Claimed(
                session_id=session_id,
                session_token=token,
                public_key=tenant.public_key,
                language=await sessions.language(scope, session_id),
                last_turn=await sessions.last_turn(scope, session_id),
            )

    async def _claim(self, claimant: Claimant, code_hash: bytes) -> tuple[UUID, Tenant]:
        async with self._database.operator() as operator:
            claimed = await handoffs.claim(
                operator,
                code_hash,
                tenant_id=claimant.tenant_id,
                channel=claimant.channel,
                user_key=claimant.user_key,
            )
            tenant = await tenants.get(operator, claimed[0]) if claimed else None
        if claimed is None or tenant is None or tenant.deleted_at is not None:
            raise errors.NotFound("there is no such code, or it was used, or its time is over")
        return claimed[1], tenant

    async def run_housekeeping(self) -> None:
        """Housekeeping, once an hour: old chats are erased where the tenant wants it, codes nobody used, old counts."""
        if self._clock() < self._next_forgetting:
            return
        self._next_forgetting = self._clock() + FORGETTING_EVERY_SECONDS
        async with self._database.operator() as operator:
            await handoffs.forget_expired(operator)
            await quotas.forget_old(operator)
            retentions = await sessions.retentions(operator)
        for tenant_id, days in retentions:
            async with self._database.tenant(tenant_id) as scope:
                forgotten = await sessions.forget_old(scope, days=days)
            log.info("chats_forgotten", tenant_id=str(tenant_id), rows=forgotten)


class Guesses:
    """Counts wrong codes by the minute; a few are mistakes, more are guesses.

    A channel names its customers itself, so a stolen key can name any. Each customer has few guesses, which protects
    customers from each other. Each key has not many more for all its customers. A code counts as wrong until it is
    known to be right, so parallel guesses are counted before any is looked up.
    """

    OF_A_CUSTOMER = 5
    OF_A_KEY = 100

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._customers = Rate(self.OF_A_CUSTOMER)
        self._keys = Rate(self.OF_A_KEY)

    def count(self, claimant: Claimant) -> None:
        """Counts a guess; raises `TooMany`, and then counts nothing."""
        now, customer = self._clock(), (claimant.key_id, claimant.user_key)
        if wait := self._keys.take(claimant.key_id, 1, now):
            raise errors.TooMany(retry_after_seconds=wait)
        if wait := self._customers.take(customer, 1, now):
            self._keys.give_back(claimant.key_id, 1)
            raise errors.TooMany(retry_after_seconds=wait)

    def take_back(self, claimant: Claimant) -> None:
        self._customers.give_back((claimant.key_id, claimant.user_key), 1)
        self._keys.give_back(claimant.key_id, 1)


def new_token() -> str:
    """192 random bits."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_code(code: str) -> bytes:
    """SHA-256; enough for 128 random bits, which no dictionary holds."""
    return hashlib.sha256(code.encode()).digest()
