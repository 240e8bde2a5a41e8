"""Tells which backend serves a tenant right now, without a query for every search."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from cachetools import TTLCache

from retrieval_service.domain.retrieval import backends as rules
from retrieval_service.domain.retrieval.backends import Backend, Standing
from retrieval_service.stores.database import Database
from retrieval_service.stores.tenants import backends

KEPT_SECONDS = 1.0
REMEMBERED_TENANTS = 500

NO_STORE = "OpenAI does not hold the documents yet"
FILLING = "OpenAI does not hold all documents yet"


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """`wanted` is who should serve; `obstacle` says, in words for people, why OpenAI cannot, "" when it can."""

    wanted: Backend
    store_id: str = ""
    shadow_share: float = 0.0
    obstacle: str = ""

    @property
    def is_remote(self) -> bool:
        """Whether OpenAI is to be asked."""
        return self.wanted is Backend.OPENAI and not self.obstacle


ALWAYS_POSTGRES = Chosen(wanted=Backend.PGVECTOR)


class Chooser:
    """`uses_openai` is the installation's setting; without `has_openai` nobody is ever asked about."""

    def __init__(
        self,
        database: Database,
        *,
        uses_openai: bool,
        has_openai: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._uses_openai = uses_openai
        self._has_openai = has_openai
        self._remembered: TTLCache[UUID, Chosen] = TTLCache(REMEMBERED_TENANTS, KEPT_SECONDS, timer=clock)

    async def chosen(self, tenant_id: UUID) -> Chosen:
        """The choice, at most a second old."""
        if not self._has_openai:
            return ALWAYS_POSTGRES
        known = self._remembered.get(tenant_id)
        if known:
            return known
        async with self._database.tenant(tenant_id) as scope:
            standing = await backends.standing(scope)
        chosen = choice(standing, uses_openai=self._uses_openai) if standing else ALWAYS_POSTGRES
        self._remembered[tenant_id] = chosen
        return chosen

    def forget(self, tenant_id: UUID) -> None:
        """Forgets the cached choice of a tenant that has changed it."""
        self._remembered.pop(tenant_id, None)


def choice(standing: Standing, *, uses_openai: bool) -> Chosen:
    obstacle = "" if standing.store_id else NO_STORE
    return Chosen(
        wanted=rules.effective(standing.choice, uses_openai=uses_openai),
        store_id=standing.store_id,
        shadow_share=standing.shadow_share,
        obstacle=obstacle or (FILLING if standing.is_filling else ""),
    )
