"""The part of the checklist about embedding spaces: whether there is a model for each that tenants are searched in."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from retrieval_service.config import Settings
from retrieval_service.domain.findings import Finding
from retrieval_service.domain.processes import EMBEDDER, PROVIDER, with_model
from retrieval_service.providers.opening import has_openai
from retrieval_service.stores import inspection, processes
from retrieval_service.stores.database import Database

NAME = "embedding spaces"
LOCAL = "local/"
OPENAIS = "OpenAI's"
NOBODY_HAS_IT = "set KLADEZ_NEXT_EMBEDDER to that model, or wait: a worker moves them (kladez space list)"


async def examine(database: Database, settings: Settings, configured: Collection[str]) -> Finding:
    """`configured` are the keys of the spaces that have a model here.

    A model that the servers have and this shell has not is missing nowhere but in this shell.
    """
    async with database.operator() as operator:
        counts = await inspection.space_counts(operator)
        known, recorded = await processes.all_known(operator), await processes.installation(operator)
    left = {key: count for key, count in counts.items() if key not in configured}
    if not left:
        detail = ", ".join(f"{key}: {count}" for key, count in counts.items()) or "no tenant yet"
        return Finding(name=NAME, ok=True, detail=detail)
    said = {key: with_model(key, known, recorded) for key in left}
    detail = "; ".join(
        f"no model for {key}{' in this shell' if said[key] else ''}, tenants there: {count}"
        for key, count in left.items()
    )
    remedies = dict.fromkeys(_remedy(key, there, settings) for key, there in said.items())
    return Finding(name=NAME, ok=False, detail=detail, remedy="; ".join(remedies))


def _remedy(key: str, there: Mapping[str, str] | None, settings: Settings) -> str:
    """`there` is what a process says that has the model."""
    if there is None:
        return NOBODY_HAS_IT
    missing = _missing(key, there, settings)
    return f"the servers have this model: set {missing} in this shell too, as they have it"


def _missing(key: str, there: Mapping[str, str], settings: Settings) -> str:
    is_next = key != there.get(EMBEDDER)
    if not key.startswith(LOCAL) and not has_openai(settings):
        provider = there.get(PROVIDER, "")
        access = "OPENAI_API_KEY" if provider in ("", OPENAIS) else f"OPENAI_BASE_URL={provider}"
        return f"{access} and KLADEZ_NEXT_EMBEDDER=openai" if is_next else access
    if is_next:
        return "KLADEZ_NEXT_EMBEDDER and KLADEZ_NEXT_EMBEDDING_MODEL"
    return "KLADEZ_EMBEDDER=local" if key.startswith(LOCAL) else "KLADEZ_EMBEDDER and KLADEZ_EMBEDDING_MODEL"
