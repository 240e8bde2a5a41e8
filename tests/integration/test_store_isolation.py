"""One tenant's scope tries every function of the stores on another's rows."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from types import ModuleType
from uuid import UUID

import numpy as np
import psycopg
import pytest
import pytest_asyncio

from retrieval_service import stores
from retrieval_service.domain.conditions import Conditions
from retrieval_service.domain.documents import Draft
from retrieval_service.domain.lexical import passage_terms
from retrieval_service.domain.records import AnswerOutcome, DocumentKey, Progress, Usage
from retrieval_service.postgres.embedded import Embedded
from retrieval_service.stores import chats, chunks, documents, imports, jobs, passages, spaces, tenants, usage
from retrieval_service.stores.database import TenantScope
from tests.integration.isolation_kit import (
    TEXT,
    WORKER,
    Owned,
    dump,
    new_owned,
)
from tests.integration.service_kit import (
    Running,
    Shop,
    new_shop,
    shared_service,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEGINNING = (datetime(1, 1, 1, tzinfo=UTC), uuid.UUID(int=0))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[Running]:
    async with shared_service(postgres_server, migrated_template) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owned(running: Running) -> Owned:
    return await new_owned(running)


@pytest_asyncio.fixture(loop_scope="module")
async def intruder(running: Running) -> Shop:
    return await new_shop(running)


async def candidate_ids(scope: TenantScope) -> Sequence[UUID]:
    return (await passages.score(scope, 1, probe(), Conditions())).chunk_ids


Trial = tuple[Callable[[TenantScope, Owned], Awaitable[object]], object]
NO_ROWS: tuple[object, ...] = (None, False, 0, [], {}, "")


class Raises:
    """The database itself refuses."""


def place() -> chunks.Place:
    return chunks.Place(index=0, heading="mine", start=0, end=1)


def change(own: Owned) -> chunks.Change:
    added = chunks.NewChunk(
        id=uuid.uuid4(),
        place=place(),
        text="mine",
        chunk_hash=b"x",
        language="en",
        terms=passage_terms("mine", "en"),
        vector=None,
    )
    kept = chunks.KeptChunk(id=own.chunk_id, place=place())
    return chunks.Change(
        document_id=own.document_id, version=1, added=[added], kept=[kept], removed=[own.chunk_id]
    )


def outcome() -> AnswerOutcome:
    return AnswerOutcome(
        answer="mine",
        language="en",
        context=[],
        citations=[],
        status="completed",
        finish_reason="stop",
        answerer="x",
        input_tokens=1,
        output_tokens=1,
        first_token_ms=1,
        latency_ms=1,
    )


def probe() -> passages.Probe:
    terms = passage_terms(TEXT, "en")
    vector = np.full(384, 0.05, np.float32)
    return passages.Probe(vector=vector, stems=terms.stems, grams=terms.grams, gate=(), depth=50)


def anything(_: object) -> bool:
    """The function answers with what belongs to the intruder."""
    return True


STORES: dict[str, Trial] = {
    "chats.open_session": (
        lambda scope, _: chats.open_session(scope, channel="api", user_key="", language=""),
        anything,
    ),
    "chats.session_exists": (lambda scope, own: chats.session_exists(scope, own.session_id), NO_ROWS),
    "chats.begin": (
        lambda scope, own: chats.begin(
            scope,
            answer_id=own.answer_id,
            session_id=own.session_id,
            request_id=own.request_id,
            question="mine",
            language="",
        ),
        Raises,
    ),
    "chats.finish": (lambda scope, own: chats.finish(scope, own.answer_id, outcome()), NO_ROWS),
    "chats.get": (lambda scope, own: chats.get(scope, own.answer_id), NO_ROWS),
    "chats.get_by_request": (lambda scope, own: chats.get_by_request(scope, own.request_id), NO_ROWS),
    "chats.recent_turns": (lambda scope, own: chats.recent_turns(scope, own.session_id, limit=9), NO_ROWS),
    "chunks.sources": (lambda scope, own: chunks.sources(scope, [own.document_id]), NO_ROWS),
    "chunks.of_document": (lambda scope, own: chunks.of_document(scope, 1, own.document_id), NO_ROWS),
    "chunks.apply": (lambda scope, own: chunks.apply(scope, 1, change(own)), NO_ROWS),
    "chunks.mark_failed": (lambda scope, own: chunks.mark_failed(scope, own.document_id, "x"), NO_ROWS),
    "chunks.count": (lambda scope, _: chunks.count(scope), NO_ROWS),
    "documents.upsert": (
        lambda scope, _: documents.upsert(
            scope, [Draft(source_type="article", external_id="cloves", content="mine")]
        ),
        anything,
    ),
    "documents.get": (lambda scope, own: documents.get(scope, own.document_id), NO_ROWS),
    "documents.page": (
        lambda scope, _: documents.page(scope, after=BEGINNING, source_type="", sync_status="", limit=9),
        NO_ROWS,
    ),
    "documents.delete": (
        lambda scope, _: documents.delete(scope, DocumentKey(source_type="article", external_id="cloves")),
        NO_ROWS,
    ),
    "documents.lock": (lambda scope, own: documents.lock(scope, own.document_id), NO_ROWS),
    "documents.enqueue_all": (lambda scope, _: documents.enqueue_all(scope), NO_ROWS),
    "documents.count_by_status": (lambda scope, _: documents.count_by_status(scope), NO_ROWS),
    "imports.begin": (lambda scope, own: imports.begin(scope, own.import_id), (Progress(),)),
    "imports.save": (
        lambda scope, own: imports.save(scope, own.import_id, Progress(next_sequence=99)),
        NO_ROWS,
    ),
    "jobs.finish": (lambda scope, own: jobs.finish(scope, own.job, worker=WORKER), NO_ROWS),
    "jobs.fail": (
        lambda scope, own: jobs.fail(
            scope, own.job, worker=WORKER, error="x", delay_seconds=1, max_attempts=5, final=True
        ),
        NO_ROWS,
    ),
    "jobs.oldest_pending": (lambda scope, _: jobs.oldest_pending(scope), NO_ROWS),
    "passages.score": (lambda scope, _: candidate_ids(scope), NO_ROWS),
    "passages.read": (lambda scope, own: passages.read(scope, [own.chunk_id]), NO_ROWS),
    "passages.sample_terms": (
        lambda scope, _: passages.sample_terms(scope, limit=9),
        (passages.Sample(languages=None, chunk_count=0, stems=b"", grams=b""),),
    ),
    "spaces.count_vectors": (lambda scope, _: spaces.count_vectors(scope, 1), NO_ROWS),
    "usage.add": (lambda scope, _: usage.add(scope, Usage(searches=1)), NO_ROWS),
    "usage.recent": (lambda scope, _: usage.recent(scope, days=9), NO_ROWS),
}


def store_modules() -> list[ModuleType]:
    found = pkgutil.iter_modules(stores.__path__)
    return [importlib.import_module(f"{stores.__name__}.{one.name}") for one in found]


def scoped_functions() -> set[str]:
    """Public functions of the stores that begin with a tenant's scope."""
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}"
        for module in store_modules()
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_") and takes_scope(function)
    }


def takes_scope(function: Callable[..., object]) -> bool:
    parameters = list(inspect.signature(function).parameters.values())
    return bool(parameters) and parameters[0].annotation in ("TenantScope", TenantScope)


async def test_no_function_of_the_stores_is_forgotten() -> None:
    assert set(STORES) == scoped_functions()


@pytest.mark.parametrize("name", sorted(STORES))
async def test_wrong_tenants_scope_reaches_nothing_by_any_function(
    running: Running, owned: Owned, intruder: Shop, name: str
) -> None:
    function, expected = STORES[name]
    before = await dump(running, owned.shop.tenant_id)
    result: object = None
    try:
        async with running.service.database.tenant(uuid.UUID(intruder.tenant_id)) as scope:
            result = await function(scope, owned)
    except psycopg.errors.ForeignKeyViolation:
        assert expected is Raises
    if isinstance(expected, tuple):
        assert result in expected
    assert [secret for secret in owned.secrets if secret in repr(result)] == []
    assert await dump(running, owned.shop.tenant_id) == before


async def test_stores_do_see_the_tenants_own_rows(running: Running, owned: Owned) -> None:
    """Otherwise the trials above would prove nothing."""
    readers = [name for name, (_, expected) in STORES.items() if expected is NO_ROWS]
    silent = []
    for name in sorted(set(readers) - WRITERS):
        async with running.service.database.tenant(uuid.UUID(owned.shop.tenant_id)) as scope:
            if await STORES[name][0](scope, owned) in NO_ROWS:
                silent.append(name)
    assert silent == []


# They change the rows, or find nothing to do because no job waits.
WRITERS = {
    "chats.finish",
    "chunks.apply",
    "chunks.mark_failed",
    "documents.delete",
    "documents.enqueue_all",
    "documents.lock",
    "imports.save",
    "jobs.fail",
    "jobs.finish",
    "jobs.oldest_pending",
    "usage.add",
}


async def test_tenants_door_shows_only_the_own_tenant(running: Running, owned: Owned, intruder: Shop) -> None:
    async with running.service.database.tenant(uuid.UUID(intruder.tenant_id)) as scope:
        assert await tenants.get(scope.connection, uuid.UUID(owned.shop.tenant_id)) is None
        own = await tenants.get(scope.connection, uuid.UUID(intruder.tenant_id))
    assert own is not None


async def test_snapshot_shows_only_the_own_tenant_too(running: Running, owned: Owned, intruder: Shop) -> None:
    async with running.service.database.snapshot(uuid.UUID(intruder.tenant_id)) as scope:
        assert await documents.get(scope, owned.document_id) is None
    async with running.service.database.snapshot(uuid.UUID(owned.shop.tenant_id)) as scope:
        assert await documents.get(scope, owned.document_id) is not None
