"""The part of the checklist that is about documents kept at a retrieval provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from retrieval_service import errors
from retrieval_service.config import Settings
from retrieval_service.domain.operations.findings import Finding, for_tenants, named
from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.providers.opening import has_openai, open_retrieval_backend
from retrieval_service.providers.ports import RetrievalBackend
from retrieval_service.stores.database import Database
from retrieval_service.stores.schema import inspection
from retrieval_service.stores.schema.inspection import Chosen, Mirrored

IN_POSTGRES = "search in Postgres"
AT_OPENAI = "search at OpenAI, in Postgres when that fails"
STORE_SECONDS = 15.0


async def examine(settings: Settings, database: Database) -> AsyncIterator[Finding]:
    """Three lines; without a provider and without tenants that need one, all is well."""
    async with database.operator() as operator:
        chosen = await inspection.chosen_backends(operator)
        mirrored = await inspection.mirrored(operator)
    yield _choice(settings, chosen)
    behind = await _behind(database, mirrored)
    yield await _stores(settings, mirrored, behind)
    yield _backfill(mirrored, behind)


def _choice(settings: Settings, chosen: Sequence[Chosen]) -> Finding:
    """What the installation's setting means now, and who searches, in words."""
    name, is_on = "search backend", settings.use_openai_retrieval
    if is_on and not has_openai(settings):
        detail = "USE_OPENAI_RETRIEVAL is on, but no provider is configured: all search in Postgres"
        return Finding(name=name, ok=False, detail=detail, remedy="set OPENAI_API_KEY")
    flag = f"USE_OPENAI_RETRIEVAL is {'on' if is_on else 'off'}"
    default = AT_OPENAI if is_on else IN_POSTGRES
    says = {"default": f"follow that: {default}", "pgvector": IN_POSTGRES, "openai": AT_OPENAI}
    counts = [
        f"{one.tenant_count} of the tenants {says[one.backend]}, documents "
        + ("at OpenAI too" if one.is_mirrored else "in Postgres only")
        for one in chosen
    ]
    return Finding(name=name, ok=True, detail="; ".join([flag, *counts]))


async def _stores(settings: Settings, mirrored: Sequence[Mirrored], behind: Sequence[Mirrored]) -> Finding:
    """A tenant gets its store with its first document, so one without documents misses none."""
    name = "vector stores"
    if not mirrored:
        return Finding(name=name, ok=True, detail="no tenant is kept at OpenAI")
    without = [one.tenant_id for one in behind if one.store_id is None]
    if without:
        detail, remedy = f"missing for {named(without)}", for_tenants("kladez backfill", without)
        return Finding(name=name, ok=False, detail=detail, remedy=remedy)
    try:
        backend = await open_retrieval_backend(settings)
    except errors.KladezError as error:
        return Finding(name=name, ok=False, detail=str(error), remedy="check OPENAI_API_KEY")
    if backend is None:
        detail = f"no provider is configured, but {len(mirrored)} tenants are kept there"
        return Finding(name=name, ok=False, detail=detail, remedy="set OPENAI_API_KEY")
    try:
        return await _reached(backend, [one for one in mirrored if one.store_id is not None])
    finally:
        await backend.close()


async def _reached(backend: RetrievalBackend, mirrored: Sequence[Mirrored]) -> Finding:
    """Each store is searched once; one that is gone refuses, one that does not answer in time may still be there."""
    name, gone = "vector stores", list[UUID]()
    for one in mirrored:
        try:
            async with asyncio.timeout(STORE_SECONDS):
                await backend.search(one.store_id or "", "well", Conditions(), limit=1)
        except errors.ProviderRefused:
            gone.append(one.tenant_id)
        except (errors.ProviderUnavailable, TimeoutError) as error:
            detail = f"OpenAI does not answer: {error}"
            return Finding(name=name, ok=False, detail=detail, remedy="check the network and OPENAI_BASE_URL")
    if gone:
        detail = f"gone or closed to us for {named(gone)}"
        remedy = for_tenants("kladez sync repair --apply", gone)
        return Finding(name=name, ok=False, detail=detail, remedy=remedy)
    return Finding(name=name, ok=True, detail=f"all {len(mirrored)} answer")


async def _behind(database: Database, mirrored: Sequence[Mirrored]) -> list[Mirrored]:
    """Those of whose documents some are not at the provider."""
    behind: list[Mirrored] = []
    for one in mirrored:
        async with database.tenant(one.tenant_id) as scope:
            if await inspection.unmirrored_count(scope):
                behind.append(one)
    return behind


def _backfill(mirrored: Sequence[Mirrored], behind: Sequence[Mirrored]) -> Finding:
    name, ids = "backfill", [one.tenant_id for one in behind]
    if not ids:
        return Finding(name=name, ok=True, detail="complete" if mirrored else "nothing to do")
    remedy = for_tenants("kladez backfill", ids)
    return Finding(name=name, ok=False, detail=f"not complete for {named(ids)}", remedy=remedy)
