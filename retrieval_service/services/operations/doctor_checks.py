"""The readiness checklist: what works, what does not, and the command that mends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime

from retrieval_service import errors
from retrieval_service.config import Settings
from retrieval_service.domain.fragments import Fragment, Prompt
from retrieval_service.domain.operations.findings import Finding, for_tenants, named
from retrieval_service.providers.opening import EMBEDDERS, as_next, is_local, open_answerer, open_embedder
from retrieval_service.providers.ports import Answerer, Embedder
from retrieval_service.services.operations import (
    doctor_access,
    doctor_openai,
    doctor_processes,
    doctor_spaces,
    doctor_tls,
)
from retrieval_service.stores.database import Database, PoolSize, open_database
from retrieval_service.stores.schema import inspection, schema

OLDEST_POSTGRES = 150_000
OLDEST_VECTOR = (0, 8)
LONG_WAIT_SECONDS = 60.0
ANSWER_SECONDS = 30.0
# For people to run: no migration closes again what somebody opened.
CLOSE_TABLE = "ALTER TABLE {} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
SMALL_POOL = PoolSize(minimum=1, maximum=1, wait_seconds=5.0)

TRIAL = Prompt(
    question="Is tea hot?",
    language="en",
    shop_name="Kladez",
    fallback_contact="",
    instructions="",
    fragments=(
        Fragment(
            number=1,
            document_id="1",
            chunk_id="1",
            title="Tea",
            url="",
            text="Tea is hot.",
            language="en",
            score=1.0,
        ),
    ),
)


LOCAL_MODEL_REMEDY = (
    "run the command, or set KLADEZ_LOCAL_MODEL or KLADEZ_LOCAL_MODEL_DIR to a model that is there"
)


async def examine(settings: Settings, dsn: str) -> list[Finding]:
    """Goes on after a failure as far as the rest can still be looked at."""
    models = [await _embedder(settings, "embedding model")]
    if settings.next_embedder:
        models.append(await _embedder(as_next(settings), "next embedding model"))
    absent = await doctor_spaces.local_models(settings) if models[0].ok else []
    certificate = await asyncio.to_thread(doctor_tls.examine, settings)
    findings = [*models, *absent, await _answerer(settings), *certificate]
    try:
        async with open_database(dsn, SMALL_POOL) as database:
            found = [finding async for finding in _database(database, dsn)]
            findings = found + findings
            if any(finding.blocks for finding in found):
                return findings
            if all(finding.ok for finding in models):
                configured = {finding.detail for finding in models}
                findings.append(await doctor_spaces.examine(database, settings, configured))
            findings += await doctor_spaces.cosines(database)
            findings += [finding async for finding in doctor_openai.examine(settings, database)]
            findings += [finding async for finding in doctor_processes.examine(database)]
    except errors.KladezError as error:
        findings.insert(0, await doctor_access.unreachable(dsn, error))
    return findings


async def _database(database: Database, dsn: str) -> AsyncIterator[Finding]:
    async with database.owner() as owner:
        server = await inspection.server(owner)
        yield _postgres(server)
        yield _vector(server)
        migrations = await _migrations(dsn)
        yield migrations
        if not migrations.ok:
            return
        open_tables = await inspection.open_tables(owner)
    yield _row_level_security(open_tables)
    yield _leakproof(server)
    opens = True
    async for finding in doctor_access.examine(database, dsn):
        opens &= not finding.blocks
        yield finding
    if not opens:
        return
    async with database.operator() as operator:
        backlogs = await inspection.backlogs(operator)
    for backlog in backlogs:
        yield _backlog(backlog)
        yield _dead_jobs(backlog)


def _postgres(server: inspection.Server) -> Finding:
    ok = server.version >= OLDEST_POSTGRES
    remedy = "" if ok else "use Postgres 15 or newer"
    return Finding(name="Postgres", ok=ok, detail=server.version_text, remedy=remedy)


def _vector(server: inspection.Server) -> Finding:
    if server.vector_version is None:
        return Finding(name="pgvector", ok=False, detail="is not installed", remedy="CREATE EXTENSION vector")
    ok = tuple(int(part) for part in server.vector_version.split(".")[:2]) >= OLDEST_VECTOR
    remedy = "" if ok else "install pgvector 0.8 or newer, then ALTER EXTENSION vector UPDATE"
    return Finding(name="pgvector", ok=ok, detail=server.vector_version, remedy=remedy)


async def _migrations(dsn: str) -> Finding:
    current, head = await schema.current(dsn), await asyncio.to_thread(schema.head)
    ok = current == head
    detail = f"at {current or 'nothing'}, newest is {head}"
    remedy = (
        "" if ok else "kladez migrate" if current < head else "run the newer Kladez that made this schema"
    )
    return Finding(name="migrations", ok=ok, detail=detail, remedy=remedy, blocks=not ok)


def _row_level_security(open_tables: list[str]) -> Finding:
    detail = f"open: {', '.join(open_tables)}" if open_tables else "closes every tenant's table"
    remedy = "; ".join(CLOSE_TABLE.format(table) for table in open_tables)
    return Finding(name="row-level security", ok=not open_tables, detail=detail, remedy=remedy)


def _leakproof(server: inspection.Server) -> Finding:
    detail = "uses its index" if server.is_leakproof else "reads every chunk of a big tenant"
    remedy = (
        ""
        if server.is_leakproof
        else "as superuser: ALTER FUNCTION arrayoverlap(anyarray, anyarray) LEAKPROOF"
    )
    return Finding(name="word search", ok=server.is_leakproof, detail=detail, remedy=remedy)


def _backlog(backlog: inspection.Backlog) -> Finding:
    age = (datetime.now(UTC) - backlog.oldest).total_seconds() if backlog.oldest else 0.0
    ok = age < LONG_WAIT_SECONDS
    detail = f"{backlog.pending} pending, {backlog.processing} processing, oldest waits {age:.0f} s"
    remedy = "" if ok else f"{'one more' if backlog.processing else 'start a'} worker: kladez work"
    return Finding(name=f"backlog for {backlog.target}", ok=ok, detail=detail, remedy=remedy)


def _dead_jobs(backlog: inspection.Backlog) -> Finding:
    name = f"dead jobs for {backlog.target}"
    if not backlog.failed:
        return Finding(name=name, ok=True, detail="none")
    ids = backlog.failed_tenant_ids
    detail = f"{backlog.failed} given up, of {named(ids)}"
    return Finding(name=name, ok=False, detail=detail, remedy=for_tenants("kladez sync retry", ids))


async def _embedder(settings: Settings, name: str) -> Finding:
    try:
        embedder: Embedder = (await open_embedder(settings))[0]
    except errors.KladezError as error:
        is_unknown = settings.embedder not in EMBEDDERS
        remedy = _remedy(error) if is_unknown or not is_local(settings) else LOCAL_MODEL_REMEDY
        return Finding(name=name, ok=False, detail=str(error), remedy=remedy)
    try:
        await embedder.embed_query("well")
    except errors.KladezError as error:
        return Finding(name=name, ok=False, detail=str(error), remedy=_remedy(error))
    finally:
        await embedder.close()
    return Finding(name=name, ok=True, detail=embedder.space.key)


async def _answerer(settings: Settings) -> Finding:
    name = "answering model"
    try:
        answerer: Answerer = await open_answerer(settings)
    except errors.KladezError as error:
        return Finding(name=name, ok=False, detail=str(error), remedy=_remedy(error))
    try:
        await _ask(answerer)
    except (errors.KladezError, TimeoutError) as error:
        return Finding(name=name, ok=False, detail=str(error) or "no word in time", remedy=_remedy(error))
    finally:
        await answerer.close()
    return Finding(name=name, ok=True, detail=answerer.name)


async def _ask(answerer: Answerer) -> None:
    """A question of few words; the first word of the answer will do."""
    async with asyncio.timeout(ANSWER_SECONDS), aclosing(answerer.stream(TRIAL)) as parts:
        await anext(parts)


def _remedy(error: errors.KladezError | TimeoutError) -> str:
    if isinstance(error, errors.ProviderUnavailable | TimeoutError):
        return "check the network and OPENAI_BASE_URL"
    return "check OPENAI_API_KEY and the KLADEZ_EMBEDDER and KLADEZ_ANSWERER settings"
