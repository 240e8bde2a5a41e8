"""Opens everything the service is made of, in order, and closes it in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Sequence

from retrieval_service import errors
from retrieval_service.composition.services import Providers, Service, assemble
from retrieval_service.composition.shared_settings import Models, shared_settings
from retrieval_service.config import Settings
from retrieval_service.domain.indexing.costs import PriceTable, price_table
from retrieval_service.domain.operations.processes import Kind
from retrieval_service.providers.local.choosing import open_space
from retrieval_service.providers.opening import (
    open_answerer,
    open_embedder,
    open_file_answerer,
    open_next_embedder,
    open_retrieval_backend,
    open_rewriter,
    open_summarizer,
    require_usable,
)
from retrieval_service.providers.ports import (
    Embedder,
)
from retrieval_service.services.indexing.embedders import Embedders
from retrieval_service.services.operations.process_agreement import Presence
from retrieval_service.services.spaces.switches import adopt
from retrieval_service.stores.database import Database, PoolSize, open_database
from retrieval_service.stores.schema import inspection, schema
from retrieval_service.stores.tenants import spaces
from retrieval_service.text import languages

# This text is in no language. It loads the language model, which takes most of a second, before the first caller.
UNDECIDABLE = "zxq vbn"


def process_name() -> str:
    """The name that `kladez status --processes` shows."""
    return f"{socket.gethostname()}:{os.getpid()}"


@contextlib.asynccontextmanager
async def open_service(settings: Settings, dsn: str, *, kind: Kind = Kind.SERVER) -> AsyncIterator[Service]:
    """Opens the providers and a database with this program's schema, and announces the process to the others.

    A server then begins to move tenants whose model is gone. Raises `SettingsDiffer` when the settings do not allow
    this process to run beside the others.
    """
    require_usable(settings)  # before anything is written to the database
    await schema.prepare(dsn, migrates=settings.migrate)
    await asyncio.to_thread(languages.detect_language, UNDECIDABLE)
    async with contextlib.AsyncExitStack() as stack:
        size = PoolSize(maximum=settings.pool_size)
        database = await stack.enter_async_context(open_database(dsn, size))
        presence = Presence(database, kind, process_name())
        installation_key = await presence.installation_key()
        providers = await open_providers(settings, installation_key, database, presence, stack)
        service = assemble(settings, installation_key, database, providers, presence)
        stack.push_async_callback(service.answering.wind_down, 0)
        await presence.decide(lambda: decide_for_all(service))
        yield service


async def decide_for_all(service: Service) -> None:
    """Applies a changed configuration to existing tenants."""
    await adopt(service.database, service.embedders, service.switcher)
    await service.retrieval.switcher.settle()


async def announce(
    settings: Settings,
    installation_key: bytes,
    models: Models,
    presence: Presence,
    stack: contextlib.AsyncExitStack,
) -> None:
    """Announces the process before it writes anything, so that a refused process leaves no trace."""
    await presence.announce(shared_settings(settings, models, installation_key))
    stack.push_async_callback(presence.leave)


async def open_providers(
    settings: Settings,
    installation_key: bytes,
    database: Database,
    presence: Presence,
    stack: contextlib.AsyncExitStack,
) -> Providers:
    """Opens the providers. The stack closes them."""
    embedder, policy = await open_embedder(settings)
    stack.push_async_callback(embedder.close)
    if following := await open_next_embedder(settings):
        stack.push_async_callback(following.close)
    models = Models(home=embedder.space, following=following.space if following else None, policy=policy)
    await announce(settings, installation_key, models, presence, stack)
    left = await open_left(settings, database, [one.space.key for one in (embedder, following) if one])
    for one in left:
        stack.push_async_callback(one.close)
    answerer = await open_answerer(settings)
    stack.push_async_callback(answerer.close)
    if rewriter := await open_rewriter(settings):
        stack.push_async_callback(rewriter.close)
    summarizer = await open_summarizer(settings)
    stack.push_async_callback(summarizer.close)
    if backend := await open_retrieval_backend(settings):
        stack.push_async_callback(backend.close)
    if file_answerer := await open_file_answerer(settings):
        stack.push_async_callback(file_answerer.close)
    return Providers(
        embedders=await register(database, embedder, following, left, prices=price_table(settings.prices)),
        policy=policy,
        answerer=answerer,
        summarizer=summarizer,
        backend=backend,
        file_answerer=file_answerer,
        rewriter=rewriter,
    )


async def open_left(settings: Settings, database: Database, configured: Sequence[str]) -> list[Embedder]:
    """Local models that are no longer configured, but whose spaces tenants are still searched in."""
    async with database.operator() as operator:
        counts = await inspection.space_counts(operator)
    opened = [await open_space(key, settings.local_model_dir) for key in counts if key not in configured]
    return [one for one in opened if one is not None]


async def register(
    database: Database,
    embedder: Embedder,
    following: Embedder | None = None,
    left: Sequence[Embedder] = (),
    *,
    prices: PriceTable | None = None,
) -> Embedders:
    """The embedders by their spaces, whose tables are created. Raises `Misconfigured` when two models share a space.

    `left` are the models that tenants move away from.
    """
    async with database.owner() as owner:
        home_id = await spaces.register(owner, embedder.space)
        opened = {home_id: embedder}
        if following is not None:
            opened[await spaces.register(owner, following.space)] = following
            if len(opened) == 1:
                raise errors.Misconfigured("KLADEZ_NEXT_EMBEDDER gives the same vectors as KLADEZ_EMBEDDER")
        by_id = {await spaces.register(owner, one.space): one for one in left}
        every = {**by_id, **opened}
        measured = {space_id: await spaces.calibration(owner, space_id) for space_id in every}
    known = {space_id: one for space_id, one in measured.items() if one and not every[space_id].space.scale}
    return Embedders(every, home_id=home_id, left_ids=by_id, calibrations=known, prices=prices)
