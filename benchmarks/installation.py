"""A Kladez of the benchmark's own: a temporary Postgres that keeps every promise, and the service over it."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.synthetic import SyntheticEmbedder
from retrieval_service.composition import opening
from retrieval_service.composition.services import Providers, Service, assemble
from retrieval_service.config import Settings, load
from retrieval_service.domain.indexing.chunking import OPENAI_POLICY
from retrieval_service.domain.operations.processes import Kind
from retrieval_service.domain.tenants.settings import TenantSettings
from retrieval_service.postgres.embedded import embedded_postgres
from retrieval_service.providers.local.extractive import ExtractiveAnswerer
from retrieval_service.providers.local.extractive_summaries import ExtractiveSummarizer
from retrieval_service.services.operations.process_agreement import Presence
from retrieval_service.stores.database import PoolSize, open_database
from retrieval_service.stores.schema import schema
from retrieval_service.text import languages


@contextlib.asynccontextmanager
async def temporary_postgres() -> AsyncIterator[str]:
    """The DSN of a server with production's settings, removed afterwards; the schema is there."""
    with tempfile.TemporaryDirectory(prefix="kladez-bench-") as folder:
        async with embedded_postgres(Path(folder)) as server:
            await schema.upgrade(server.dsn)
            yield server.dsn


def settings(**changes: Any) -> Settings:
    """The defaults, whatever the environment of the benchmark says; no worker unless asked for, no schedules."""
    fields = {name: field.get_default() for name, field in Settings.model_fields.items()}
    fixed = {"embedder": "local", "answerer": "extractive", "port": 0, "workers": 0}
    fixed |= {"schedule_reconcile": "", "schedule_rebuild": ""}
    return Settings.model_construct(**{**fields, **fixed, **changes})


def chosen_settings(*, by_environment: bool) -> Settings:
    """With one worker; the defaults, or what the environment says of embedder and answerer."""
    if not by_environment:
        return settings(workers=1)
    own = {"port": 0, "workers": 1, "schedule_reconcile": "", "schedule_rebuild": ""}
    return load().model_copy(update=own)


@contextlib.asynccontextmanager
async def synthetic_service(chosen: Settings, dsn: str) -> AsyncIterator[Service]:
    """The service as `open_service` makes it, with an embedder that costs nothing."""
    await schema.upgrade(dsn)
    await asyncio.to_thread(languages.detect_language, opening.UNDECIDABLE)
    embedder = SyntheticEmbedder()
    async with open_database(dsn, PoolSize(maximum=chosen.pool_size)) as database:
        providers = Providers(
            embedders=await opening.register(database, embedder),
            policy=OPENAI_POLICY,
            answerer=ExtractiveAnswerer(),
            summarizer=ExtractiveSummarizer(),
        )
        installation_key = await Presence(database, Kind.ONCE, "benchmark").installation_key()
        yield assemble(chosen, installation_key, database, providers)


async def new_tenant(service: Service, name: str) -> UUID:
    everywhere = TenantSettings.from_json({"allowed_origins": ["*"]})
    return (await service.manager.create_tenant(name, everywhere)).id


async def settle(service: Service) -> None:
    """What autovacuum would have done within minutes: without statistics, plans are guesses."""
    async with service.database.owner() as owner:
        await owner.execute("VACUUM ANALYZE")
