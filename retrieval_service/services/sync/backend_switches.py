"""Changes who searches for a tenant, and keeps the documents at OpenAI of those whose searches need them there."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import structlog

from retrieval_service import errors
from retrieval_service.domain.retrieval.backends import Backend, Choice, Standing, effective
from retrieval_service.errors import Violation
from retrieval_service.services.retrieval.backend_choice import Chooser
from retrieval_service.services.sync.vector_stores import StoreKeeper
from retrieval_service.stores.database import Database
from retrieval_service.stores.sync import remote_documents
from retrieval_service.stores.tenants import backends

log = structlog.get_logger("kladez.switching_backends")


@dataclass(frozen=True, kw_only=True)
class Switched:
    """How it is now, what was asked for before, and how many documents were queued for OpenAI."""

    choice: Choice
    previous: Choice
    effective: Backend
    shadow_share: float
    is_mirrored: bool
    leaves_provider: bool
    queued_count: int
    store_id: str
    is_adopted: bool


class Switcher:
    """`uses_openai` is the installation's setting; `has_openai` says that OpenAI can be reached at all."""

    def __init__(
        self,
        database: Database,
        chooser: Chooser,
        keeper: StoreKeeper | None = None,
        *,
        uses_openai: bool,
        has_openai: bool,
    ) -> None:
        if uses_openai and not has_openai:
            raise errors.Misconfigured(
                "USE_OPENAI_RETRIEVAL is set, but neither OPENAI_API_KEY nor OPENAI_BASE_URL"
            )
        self._database = database
        self._chooser = chooser
        self._keeper = keeper
        self._uses_openai = uses_openai
        self._has_openai = has_openai

    async def switch(
        self,
        tenant_id: UUID,
        *,
        choice: Choice | None = None,
        shadow_share: float | None = None,
        removes_files: bool = False,
        adopted_store_id: str = "",
    ) -> Switched:
        """None leaves a thing as it is. What OpenAI holds stays there when nobody needs it any more.

        Unless `removes_files`: then a worker removes it, which nobody may need. A store that is adopted exists
        already at OpenAI. Raises `BackendMissing` where OpenAI cannot be reached.
        """
        before = await self._standing(tenant_id)
        wanted = before.choice if choice is None else choice
        share = before.shadow_share if shadow_share is None else shadow_share
        if not self._has_openai and (wanted is Choice.OPENAI or share > 0 or removes_files):
            raise errors.BackendMissing(setting="OPENAI_API_KEY")
        if removes_files and self._needs_openai(wanted, share):
            raise errors.Invalid(
                [Violation("remove_files", "must not be set while searches or the shadow need the files")]
            )
        if adopted_store_id:
            await self._adopt(tenant_id, adopted_store_id, is_leaving=removes_files or before.leaves_provider)
        async with self._database.operator() as operator:
            await backends.choose(operator, tenant_id, wanted, shadow_share=share)
            if removes_files:
                await backends.leave(operator, tenant_id)
        queued = await self.settle(tenant_id)
        self._chooser.forget(tenant_id)
        after = await self._standing(tenant_id)
        return Switched(
            choice=after.choice,
            previous=before.choice,
            effective=effective(after.choice, uses_openai=self._uses_openai),
            shadow_share=after.shadow_share,
            is_mirrored=after.is_mirrored,
            leaves_provider=after.leaves_provider,
            queued_count=queued,
            store_id=after.store_id,
            is_adopted=after.is_adopted,
        )

    async def _adopt(self, tenant_id: UUID, store_id: str, *, is_leaving: bool) -> None:
        if self._keeper is None:
            raise errors.BackendMissing(setting="OPENAI_API_KEY")
        if is_leaving:
            raise errors.Invalid(
                [Violation("vector_store_id", "must not be set while the tenant's files are being removed")]
            )
        await self._keeper.adopt(tenant_id, store_id)

    def _needs_openai(self, choice: Choice, shadow_share: float) -> bool:
        return shadow_share > 0 or effective(choice, uses_openai=self._uses_openai) is Backend.OPENAI

    async def settle(self, tenant_id: UUID | None = None) -> int:
        """Begins and ends the mirroring of whoever needs it changed, all tenants or one; returns what it queued."""
        async with self._database.operator() as operator:
            mismatched = await backends.mismatched(
                operator,
                is_possible=self._has_openai,
                uses_openai=self._uses_openai,
                tenant_id=tenant_id,
            )
        return sum([await self._mirror(one, wanted) for one, wanted in mismatched.items()])

    async def _mirror(self, tenant_id: UUID, wanted: bool) -> int:
        """Queued before the change, so that a crash between repeats it, and after, for what changed meanwhile."""
        queued = await self._enqueue(tenant_id) if wanted else 0
        async with self._database.operator() as operator:
            await backends.mirror(operator, tenant_id, is_mirrored=wanted)
        if wanted:
            queued = max(queued, await self._enqueue(tenant_id))
        else:
            # What changes from now on is not noticed, so nothing counts as held: all is looked at again one day.
            async with self._database.tenant(tenant_id) as scope:
                await remote_documents.reset(scope)
        log.info("mirroring_changed", tenant_id=str(tenant_id), is_mirrored=wanted, documents=queued)
        return queued

    async def _enqueue(self, tenant_id: UUID) -> int:
        async with self._database.tenant(tenant_id) as scope:
            return await remote_documents.enqueue_all(scope)

    async def _standing(self, tenant_id: UUID) -> Standing:
        async with self._database.tenant(tenant_id) as scope:
            standing = await backends.standing(scope)
        if standing is None:
            raise errors.NotFound("there is no such tenant")
        return standing
