"""One tenant's scope tries every function of the stores on another's rows."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from types import ModuleType
from uuid import UUID

import numpy as np
import psycopg
import pytest
import pytest_asyncio

from retrieval_service import stores
from retrieval_service.domain.answering.answers import Question
from retrieval_service.domain.answering.logged import AnswerOutcome
from retrieval_service.domain.answering.session_proofs import SessionProof
from retrieval_service.domain.documents.documents import Draft
from retrieval_service.domain.documents.sources import DeclaredSource, Source
from retrieval_service.domain.documents.stored import DocumentKey, Progress
from retrieval_service.domain.indexing.index_jobs import ChangedRows, IndexJob, Outcome
from retrieval_service.domain.indexing.lexical import passage_terms
from retrieval_service.domain.indexing.spaces import Vector
from retrieval_service.domain.insights.insights import ChatFilter, Figures, GapStatus
from retrieval_service.domain.retrieval.backends import Backend, Choice, Comparison, Standing
from retrieval_service.domain.retrieval.filters import Conditions, Selection
from retrieval_service.domain.retrieval.sections import Piece
from retrieval_service.domain.summaries.snapshots import NewSnapshot, SnapshotHit
from retrieval_service.domain.tenants.quotas import Quotas
from retrieval_service.domain.usage import Usage
from retrieval_service.errors import Violation
from retrieval_service.stores.chats import chat_logs, chats, evaluations, gaps, handoffs, sessions, snapshots
from retrieval_service.stores.database import TenantScope
from retrieval_service.stores.documents import documents, imports, numeric_fields, purges, selections
from retrieval_service.stores.index import chunks, embedding_steps, vectors
from retrieval_service.stores.queue import backlog, document_jobs, index_changes, index_jobs
from retrieval_service.stores.queue.index_jobs import Ended
from retrieval_service.stores.retrieval import openai_hits, passages
from retrieval_service.stores.schema import inspection
from retrieval_service.stores.sources import sources
from retrieval_service.stores.sync import (
    comparisons,
    document_files,
    document_states,
    remote_documents,
    sync_log,
    vector_store_ids,
)
from retrieval_service.stores.tenants import backends, spaces, tenant_spaces, tenants, usage
from tests.kits.isolation_kit import (
    FINGERPRINT,
    MARK,
    TEXT,
    WORKER,
    WRITER,
    Owned,
    dump,
    new_owned,
    remote_file_id,
)
from tests.kits.service_kit import Running, Shop, new_shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEGINNING = (datetime(1, 1, 1, tzinfo=UTC), uuid.UUID(int=0))
END = (datetime(9999, 12, 31, tzinfo=UTC), uuid.UUID(int=0))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owned(running: Running) -> Owned:
    return await new_owned(running)


@pytest_asyncio.fixture(loop_scope="module")
async def intruder(running: Running) -> Shop:
    return await new_shop(running)


async def candidate_ids(scope: TenantScope) -> Sequence[UUID]:
    return (await passages.score(scope, 1, probe(), Conditions())).chunk_ids


async def read_passages(scope: TenantScope, own: Owned) -> Sequence[passages.Passage]:
    fetch = await passages.read(scope, [own.chunk_id])
    return await fetch()


async def looked_at(scope: TenantScope) -> Sequence[UUID]:
    fetch = await passages.look(scope, 1, probe(), Conditions())
    return (await fetch()).candidates.chunk_ids


COUNTING = chats.Counting(visitor="mine", key="mine", is_free=False, quotas=Quotas(questions_per_day=9))


async def begun(scope: TenantScope, own: Owned) -> object:
    """What is told of the session, or logged in it."""
    fetch = await chats.begin(
        scope,
        answer_id=own.answer_id,
        question=Question(text="mine", session_id=own.session_id, request_id=own.request_id),
        counting=COUNTING,
        writer=WRITER,
        lease_seconds=9,
    )
    beginning = await fetch()
    return beginning and (beginning.answer_id or beginning.asker)


async def counted_trial(scope: TenantScope, own: Owned) -> object:
    question = Question(text="mine", session_id=own.session_id, is_trial=True)
    beginning = await chats.count_trial(scope, question=question, counting=COUNTING)
    return beginning and beginning.asker


def proof_of(own: Owned) -> SessionProof:
    return SessionProof(session_id=own.session_id)


async def recent_turns(scope: TenantScope, own: Owned) -> object:
    fetch = await chats.recent_turns(scope, own.session_id, limit=9)
    return await fetch()


Trial = tuple[Callable[[TenantScope, Owned], Awaitable[object]], object]
NO_FIGURES = Figures(
    day=None,
    completed=0,
    answered=0,
    latency_p50_ms=None,
    latency_p95_ms=None,
    up_count=0,
    down_count=0,
    user_count=0,
)
NO_ROWS: tuple[object, ...] = (None, False, 0, [], [NO_FIGURES], {}, "", frozenset())


class Raises:
    """The database itself refuses."""


def place() -> chunks.Place:
    return chunks.Place(index=0, heading="mine", start=0, end=1)


def original(own: Owned) -> chunks.Source:
    return chunks.Source(
        id=own.document_id,
        version=1,
        title="",
        content="mine",
        content_type="text/plain",
        language="en",
        is_deleted=False,
    )


def step() -> embedding_steps.Kept:
    return embedding_steps.Kept(vector=direction(), tokens=1.0)


def change(own: Owned) -> chunks.Change:
    added = chunks.NewChunk(
        id=uuid.uuid4(),
        place=place(),
        text="mine",
        chunk_hash=b"x",
        language="en",
        terms=passage_terms("mine", "en"),
    )
    kept = chunks.KeptChunk(id=own.chunk_id, place=place())
    return chunks.Change(
        document_id=own.document_id, version=1, added=[added], kept=[kept], removed=[own.chunk_id]
    )


def file_of_another(own: Owned) -> document_files.DocumentFile:
    """The first tenant's own file by its id."""
    return document_files.DocumentFile(
        file_id=remote_file_id(own.document_id),
        document_id=own.document_id,
        store_id="vs_mine",
        role=document_files.PRIMARY,
        version=1,
        content_digest="mine",
        attributes_digest="mine",
        byte_count=1,
        created_at=END[0],
    )


def index_change(own: Owned) -> index_changes.Change:
    return index_changes.Change(
        tenant_id=uuid.UUID(own.shop.tenant_id),
        id=1,
        index_job_id=own.index_job_id,
        source="spices",
        ids=["1"],
        attempts=1,
    )


def index_job(own: Owned) -> IndexJob:
    return IndexJob(
        id=own.index_job_id,
        tenant_id=uuid.UUID(own.shop.tenant_id),
        mode="all",
        state="running",
        total_count=0,
        processed_count=0,
        indexed_count=0,
        skipped_count=0,
        failed_count=0,
        removed_count=0,
        embedded_tokens=0,
        saved_tokens=0,
        last_document_id=uuid.UUID(int=0),
        is_walked=False,
        error="",
        created_at=END[0],
        started_at=None,
        ended_at=None,
    )


def outcome() -> AnswerOutcome:
    return AnswerOutcome(
        answer="mine",
        language="en",
        references=[],
        citations=[],
        status="completed",
        finish_reason="stop",
        answerer="x",
        input_tokens=1,
        output_tokens=1,
        first_token_ms=1,
        latency_ms=1,
    )


def own_source() -> Source:
    return Source(
        name="spices",
        dsn_variable="KLADEZ_SOURCE_MINE",
        source_type="mine",
        ids_query="mine",
        all_query="mine",
        id_column="mine",
        text_template="mine",
    )


def declared() -> DeclaredSource:
    return DeclaredSource(
        source=own_source(), version=1, last_sync_at=None, last_error="", created_at=BEGINNING[0]
    )


async def passages_around(scope: TenantScope, own: Owned) -> Sequence[Piece]:
    fetch = await passages.around(scope, [own.chunk_id], reach=3)
    return await fetch()


def probe() -> passages.Probe:
    terms = passage_terms(TEXT, "en")
    return passages.Probe(vector=direction(), stems=terms.stems, grams=terms.grams, gate=(), depth=50)


def direction() -> Vector:
    return np.full(384, 0.05, np.float32)


def walked(own: Owned) -> tenant_spaces.Step:
    return tenant_spaces.Step(walk=0, last_document_id=own.document_id, filled=1, failed=0, tokens=1)


def selected(own: Owned) -> Selection:
    return Selection(ids=[own.document_id])


def traces_of(own: Owned) -> purges.Traces:
    return purges.Traces(document_ids=[own.document_id], chunk_ids=[own.chunk_id])


async def sampled_texts(scope: TenantScope) -> Sequence[str]:
    return [text async for texts in passages.sample_texts(scope, limit=9) for text in texts]


async def traced_chunks(scope: TenantScope, own: Owned) -> Sequence[UUID]:
    return (await purges.traces(scope, [own.document_id])).chunk_ids


async def removed_rows(scope: TenantScope, own: Owned) -> int:
    return sum((await purges.remove(scope, traces_of(own))).values())


async def remaining_rows(scope: TenantScope, own: Owned) -> int:
    return sum((await purges.remaining(scope, traces_of(own))).values())


async def kept_hits(scope: TenantScope, own: Owned) -> Sequence[SnapshotHit]:
    """What is left of a snapshot of another tenant's document."""
    snapshot = NewSnapshot(
        id=uuid.uuid4(),
        reader_key="another reader",
        token_hash=uuid.uuid4().bytes,
        query="mine",
        language="en",
        summary="mine",
        summarizer="x",
        valid_days=1,
    )
    hit = SnapshotHit(
        number=1,
        document_id=own.document_id,
        chunk_id=own.chunk_id,
        source_type="",
        external_id="",
        title="",
        section="",
        url="",
        snippet="",
        score=1.0,
    )
    await snapshots.replace(scope, snapshot, [hit])
    return await snapshots.hits(scope, snapshot.id)


async def done_of(scope: TenantScope, job: document_jobs.Job) -> Sequence[document_jobs.Job]:
    done, _ = await document_jobs.finish_free(scope, [job], worker=WORKER)
    return done


def anything(_: object) -> bool:
    """The function answers with what belongs to the intruder."""
    return True


def comparison() -> Comparison:
    return Comparison(
        query="mine",
        served_by=Backend.PGVECTOR,
        pgvector_count=1,
        openai_count=1,
        overlap=0.0,
        pgvector_ms=1.0,
        openai_ms=1.0,
        cost_usd=1.0,
    )


async def compared_count(scope: TenantScope) -> int:
    return (await comparisons.summary(scope, days=30)).count


def remote_file(own: Owned) -> openai_hits.Candidate:
    return openai_hits.Candidate(file_id=remote_file_id(own.document_id), samples=[TEXT])


STORES: dict[str, Trial] = {
    "backlog.page": (
        lambda scope, _: backlog.page(scope, before_id=2**63 - 1, status="", target="", limit=9),
        NO_ROWS,
    ),
    "backlog.revive": (
        lambda scope, own: backlog.revive(scope, ids=[own.job.id], document_id=own.document_id),
        NO_ROWS,
    ),
    "backlog.hasten": (lambda scope, own: backlog.hasten(scope, document_id=own.document_id), NO_ROWS),
    "backlog.enqueue_lagging": (
        lambda scope, own: backlog.enqueue_lagging(scope, document_id=own.document_id),
        NO_ROWS,
    ),
    "backlog.knows": (lambda scope, own: backlog.knows(scope, own.document_id), NO_ROWS),
    "backlog.is_mirrored": (lambda scope, _: backlog.is_mirrored(scope), (False,)),
    "backlog.oldest_remote": (lambda scope, _: backlog.oldest_remote(scope), NO_ROWS),
    "backends.standing": (
        lambda scope, _: backends.standing(scope),
        (
            Standing(
                choice=Choice.DEFAULT,
                shadow_share=0.0,
                is_mirrored=False,
                leaves_provider=False,
                store_id="",
                is_filling=False,
            ),
        ),
    ),
    "comparisons.record": (lambda scope, _: comparisons.record(scope, comparison()), anything),
    "comparisons.summary": (lambda scope, _: compared_count(scope), NO_ROWS),
    "comparisons.worst": (lambda scope, _: comparisons.worst(scope, days=30, limit=9), NO_ROWS),
    "openai_hits.check": (
        lambda scope, own: openai_hits.check(scope, [remote_file(own)], Conditions()),
        NO_ROWS,
    ),
    "chats.open_session": (
        lambda scope, _: chats.open_session(
            scope, channel="api", user_key="", language="", token_hash=b"mine"
        ),
        anything,
    ),
    "chats.session_exists": (lambda scope, own: chats.session_exists(scope, proof_of(own)), NO_ROWS),
    "chats.has_turn": (lambda scope, own: chats.has_turn(scope, own.session_id, own.answer_id), NO_ROWS),
    "chats.begin": (
        lambda scope, own: begun(scope, own),
        NO_ROWS,
    ),
    "chats.count_trial": (lambda scope, own: counted_trial(scope, own), NO_ROWS),
    "chats.give_back": (
        lambda scope, _: chats.give_back(
            scope, [["2026-01-01", kind, "mine"] for kind in ("tenant", "visitor")]
        ),
        anything,
    ),
    "chats.keep": (
        lambda scope, own: chats.keep(scope, own.answer_id, outcome(), writer=WRITER, lease_seconds=9),
        NO_ROWS,
    ),
    "chats.want_cancel": (lambda scope, own: chats.want_cancel(scope, own.answer_id), NO_ROWS),
    "chats.finish": (
        lambda scope, own: chats.finish(scope, own.answer_id, outcome(), writer=WRITER),
        NO_ROWS,
    ),
    "chats.get": (lambda scope, own: chats.get(scope, own.answer_id), NO_ROWS),
    "chats.get_by_request": (lambda scope, own: chats.get_by_request(scope, own.request_id), NO_ROWS),
    "chats.recent_turns": (lambda scope, own: recent_turns(scope, own), NO_ROWS),
    "handoffs.insert": (
        lambda scope, own: handoffs.insert(scope, own.session_id, b"mine", seconds=9),
        Raises,
    ),
    "sessions.turns": (
        lambda scope, own: sessions.turns(scope, own.session_id, after=BEGINNING, limit=9),
        NO_ROWS,
    ),
    "sessions.last_turn": (lambda scope, own: sessions.last_turn(scope, own.session_id), NO_ROWS),
    "sessions.language": (lambda scope, own: sessions.language(scope, own.session_id), NO_ROWS),
    "sessions.add_proof": (lambda scope, own: sessions.add_proof(scope, own.session_id, b"mine"), anything),
    "sessions.delete": (lambda scope, own: sessions.delete(scope, own.session_id), NO_ROWS),
    "sessions.forget_old": (lambda scope, _: sessions.forget_old(scope, days=0), NO_ROWS),
    "chat_logs.rate": (
        lambda scope, own: chat_logs.rate(scope, own.answer_id, proof=proof_of(own), rating=1, reason="mine"),
        NO_ROWS,
    ),
    "chat_logs.page": (
        lambda scope, own: chat_logs.page(scope, ChatFilter(session_id=own.session_id), before=END, limit=9),
        NO_ROWS,
    ),
    "chat_logs.figures": (lambda scope, _: chat_logs.figures(scope, days=9), NO_ROWS),
    "chat_logs.wordings": (lambda scope, _: chat_logs.wordings(scope, days=9, limit=9), NO_ROWS),
    "chat_logs.top_documents": (lambda scope, _: chat_logs.top_documents(scope, days=9, limit=9), NO_ROWS),
    "gaps.empty_inbox": (lambda scope, _: gaps.empty_inbox(scope, 99), NO_ROWS),
    "gaps.lock": (lambda scope, _: gaps.lock(scope), NO_ROWS),
    "gaps.ungrouped": (lambda scope, _: gaps.ungrouped(scope, limit=9), NO_ROWS),
    "gaps.leaders": (lambda scope, _: gaps.leaders(scope, 1), NO_ROWS),
    "gaps.open_gap": (lambda scope, own: gaps.open_gap(scope, uuid.uuid4(), own.answer_id), NO_ROWS),
    "gaps.assign": (lambda scope, own: gaps.assign(scope, own.gap_id, own.answer_id), NO_ROWS),
    "gaps.set_vector": (
        lambda scope, own: gaps.set_vector(scope, own.gap_id, 1, np.ones(384, np.float32)),
        NO_ROWS,
    ),
    "gaps.prune": (lambda scope, _: gaps.prune(scope), NO_ROWS),
    "gaps.page": (lambda scope, _: gaps.page(scope, before=None, status="", limit=9), NO_ROWS),
    "gaps.get": (lambda scope, own: gaps.get(scope, own.gap_id), NO_ROWS),
    "gaps.examples": (lambda scope, own: gaps.examples(scope, [own.gap_id], limit=9), NO_ROWS),
    "gaps.set_document": (
        lambda scope, own: gaps.set_document(scope, own.gap_id, own.document_id),
        NO_ROWS,
    ),
    "gaps.settle": (
        lambda scope, own: gaps.settle(scope, own.gap_id, GapStatus.IGNORED, is_answered=True),
        NO_ROWS,
    ),
    "chunks.sources": (lambda scope, own: chunks.sources(scope, [own.document_id]), NO_ROWS),
    "chunks.of_documents": (lambda scope, own: chunks.of_documents(scope, [own.document_id]), NO_ROWS),
    "chunks.apply": (lambda scope, own: chunks.apply(scope, [change(own)]), NO_ROWS),
    "chunks.mark_failed": (lambda scope, own: chunks.mark_failed(scope, own.document_id, "x"), NO_ROWS),
    "chunks.remove_stale": (lambda scope, _: chunks.remove_stale(scope), NO_ROWS),
    "chunks.count": (lambda scope, _: chunks.count(scope), NO_ROWS),
    "document_files.primary_of": (
        lambda scope, own: document_files.primary_of(scope, [own.document_id]),
        NO_ROWS,
    ),
    "document_files.of_documents": (
        lambda scope, own: document_files.of_documents(scope, [own.document_id]),
        NO_ROWS,
    ),
    "document_files.everything": (lambda scope, _: document_files.everything(scope), NO_ROWS),
    "document_files.set_primary": (
        lambda scope, own: document_files.set_primary(scope, file_of_another(own)),
        NO_ROWS,
    ),
    "document_files.add_leftovers": (
        lambda scope, own: document_files.add_leftovers(scope, [file_of_another(own)]),
        NO_ROWS,
    ),
    "document_files.forget": (
        lambda scope, own: document_files.forget(scope, [file_of_another(own).file_id]),
        NO_ROWS,
    ),
    "document_files.leftovers": (lambda scope, _: document_files.leftovers(scope, 9), NO_ROWS),
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
    "inspection.unmirrored_count": (lambda scope, _: inspection.unmirrored_count(scope), NO_ROWS),
    "index_changes.add": (
        lambda scope, own: index_changes.add(
            scope, own.index_job_id, ChangedRows(source="spices", ids=("1",))
        ),
        Raises,
    ),
    "index_changes.extend": (
        lambda scope, own: index_changes.extend(scope, index_change(own), lease_seconds=9),
        NO_ROWS,
    ),
    "index_changes.postpone": (
        lambda scope, own: index_changes.postpone(scope, index_change(own), delay_seconds=9),
        NO_ROWS,
    ),
    "index_changes.finish": (
        lambda scope, own: index_changes.finish(scope, index_change(own), failed_count=1),
        NO_ROWS,
    ),
    "index_changes.count": (lambda scope, own: index_changes.count(scope, own.index_job_id), NO_ROWS),
    "index_changes.forget": (lambda scope, own: index_changes.forget(scope, own.index_job_id), NO_ROWS),
    "index_changes.follow": (
        lambda scope, own: index_changes.follow(scope, own.index_job_id, "article", ["cloves"], is_scan=True),
        NO_ROWS,
    ),
    "index_changes.widen": (
        lambda scope, own: index_changes.widen(scope, own.index_job_id, "all"),
        NO_ROWS,
    ),
    "index_jobs.announce": (lambda scope, _: index_jobs.announce(scope), anything),
    "index_jobs.insert": (lambda scope, _: index_jobs.insert(scope, "all"), anything),
    "index_jobs.active": (lambda scope, _: index_jobs.active(scope), NO_ROWS),
    "index_jobs.get": (lambda scope, own: index_jobs.get(scope, own.index_job_id), NO_ROWS),
    "index_jobs.page": (lambda scope, _: index_jobs.page(scope, before=END, limit=9), NO_ROWS),
    "index_jobs.cooldown": (lambda scope, _: index_jobs.cooldown(scope, cooldown_seconds=600), NO_ROWS),
    "index_jobs.request_cancel": (
        lambda scope, own: index_jobs.request_cancel(scope, own.index_job_id),
        NO_ROWS,
    ),
    "index_jobs.lock": (lambda scope, own: index_jobs.lock(scope, own.index_job_id), NO_ROWS),
    "index_jobs.begin": (lambda scope, own: index_jobs.begin(scope, own.index_job_id), NO_ROWS),
    "index_jobs.record": (
        lambda scope, own: index_jobs.record(
            scope, [Ended(document_id=own.document_id, outcome=Outcome.FAILED)]
        ),
        NO_ROWS,
    ),
    "index_jobs.settle": (lambda scope, own: index_jobs.settle(scope, own.index_job_id), NO_ROWS),
    "index_jobs.count_waiting": (
        lambda scope, own: index_jobs.count_waiting(scope, own.index_job_id),
        NO_ROWS,
    ),
    "index_jobs.hand_out": (
        lambda scope, own: index_jobs.hand_out(scope, index_job(own), limit=9),
        NO_ROWS,
    ),
    "index_jobs.move": (
        lambda scope, own: index_jobs.move(
            scope, own.index_job_id, last_document_id=own.document_id, is_walked=True, waiting=9
        ),
        NO_ROWS,
    ),
    "index_jobs.enqueue": (
        lambda scope, own: index_jobs.enqueue(scope, own.index_job_id, [own.document_id]),
        NO_ROWS,
    ),
    "index_jobs.stop_waiting": (lambda scope, own: index_jobs.stop_waiting(scope, own.index_job_id), NO_ROWS),
    "index_jobs.complete": (
        lambda scope, own: index_jobs.complete(scope, own.index_job_id, removed=1),
        NO_ROWS,
    ),
    "index_jobs.end": (
        lambda scope, own: index_jobs.end(scope, own.index_job_id, state="failed"),
        NO_ROWS,
    ),
    "documents.living": (
        lambda scope, _: documents.living(scope, [DocumentKey(source_type="article", external_id="cloves")]),
        (set(),),
    ),
    "documents.lock_states": (
        lambda scope, _: documents.lock_states(
            scope, [DocumentKey(source_type="article", external_id="cloves")]
        ),
        NO_ROWS,
    ),
    "documents.lock_tree": (lambda scope, _: documents.lock_tree(scope), NO_ROWS),
    "imports.remember": (
        lambda scope, own: imports.remember(
            scope, own.import_id, [Draft(source_type="article", external_id="cloves", content="mine")]
        ),
        NO_ROWS,
    ),
    "imports.note": (
        lambda scope, own: imports.note(
            scope, own.import_id, [DocumentKey(source_type="article", external_id="cloves")]
        ),
        NO_ROWS,
    ),
    "imports.record_problems": (
        lambda scope, own: imports.record_problems(scope, own.import_id, {9: [Violation("x", "y")]}),
        Raises,
    ),
    "imports.problems": (
        lambda scope, own: imports.problems(scope, own.import_id, after=-1, limit=9),
        NO_ROWS,
    ),
    "imports.exists": (lambda scope, own: imports.exists(scope, own.import_id), NO_ROWS),
    "imports.lock_items": (lambda scope, own: imports.lock_items(scope, own.import_id), NO_ROWS),
    "imports.undo": (lambda scope, own: imports.undo(scope, own.import_id, [own.document_id]), NO_ROWS),
    "imports.begin": (lambda scope, own: imports.begin(scope, own.import_id), (Progress(),)),
    "imports.save": (
        lambda scope, own: imports.save(scope, own.import_id, Progress(next_sequence=99)),
        NO_ROWS,
    ),
    "document_jobs.finish_free": (lambda scope, own: done_of(scope, own.job), NO_ROWS),
    "document_jobs.finish": (lambda scope, own: document_jobs.finish(scope, own.job, worker=WORKER), NO_ROWS),
    "document_jobs.fail": (
        lambda scope, own: document_jobs.fail(
            scope, own.job, worker=WORKER, error="x", delay_seconds=1, max_attempts=5, final=True
        ),
        NO_ROWS,
    ),
    "document_jobs.give_back": (
        lambda scope, own: document_jobs.give_back(scope, own.job, worker=WORKER),
        NO_ROWS,
    ),
    "document_jobs.oldest_pending": (lambda scope, _: document_jobs.oldest_pending(scope), NO_ROWS),
    "numeric_fields.find": (lambda scope, _: numeric_fields.find(scope, Conditions(), limit=9), NO_ROWS),
    "passages.score": (lambda scope, _: candidate_ids(scope), NO_ROWS),
    "passages.look": (lambda scope, _: looked_at(scope), NO_ROWS),
    "passages.read": (lambda scope, own: read_passages(scope, own), NO_ROWS),
    "passages.around": (passages_around, NO_ROWS),
    "passages.sample_terms": (
        lambda scope, _: passages.sample_terms(scope, limit=9),
        (passages.Sample(languages=None, chunk_count=0, terms_state="", stems=b"", grams=b""),),
    ),
    "passages.sample_texts": (lambda scope, _: sampled_texts(scope), NO_ROWS),
    "passages.known_stems": (
        lambda scope, _: passages.known_stems(scope, passage_terms(TEXT, "en").stems.indices.tolist()),
        (set(),),
    ),
    "purges.traces": (lambda scope, own: traced_chunks(scope, own), NO_ROWS),
    "purges.lock_jobs": (lambda scope, own: purges.lock_jobs(scope, [own.document_id]), (True,)),
    "purges.remove": (lambda scope, own: removed_rows(scope, own), NO_ROWS),
    "purges.remaining": (lambda scope, own: remaining_rows(scope, own), NO_ROWS),
    "snapshots.replace": (kept_hits, NO_ROWS),
    "snapshots.get": (lambda scope, own: snapshots.get(scope, own.snapshot_id), NO_ROWS),
    "snapshots.hits": (lambda scope, own: snapshots.hits(scope, own.snapshot_id), NO_ROWS),
    "snapshots.delete": (lambda scope, own: snapshots.delete(scope, own.snapshot_id), NO_ROWS),
    "snapshots.forget_summaries": (
        lambda scope, own: snapshots.forget_summaries(scope, [own.document_id]),
        NO_ROWS,
    ),
    "selections.count": (
        lambda scope, own: selections.count(scope, selected(own)),
        (selections.Selected(count=0, sample=[]),),
    ),
    "selections.lock": (lambda scope, own: selections.lock(scope, selected(own)), NO_ROWS),
    "selections.delete": (lambda scope, own: selections.delete(scope, selected(own)), NO_ROWS),
    "selections.enqueue": (lambda scope, own: selections.enqueue(scope, selected(own)), NO_ROWS),
    "sources.upsert": (lambda scope, _: sources.upsert(scope, own_source()), anything),
    "sources.get": (lambda scope, _: sources.get(scope, "spices"), NO_ROWS),
    "sources.page": (lambda scope, _: sources.page(scope, after="", limit=9), NO_ROWS),
    "sources.lock": (lambda scope, _: sources.lock(scope, "spices"), NO_ROWS),
    "sources.names": (lambda scope, _: sources.names(scope), NO_ROWS),
    "sources.unchanged": (
        lambda scope, _: sources.unchanged(scope, "article", {"cloves": FINGERPRINT}),
        NO_ROWS,
    ),
    "sources.remember": (lambda scope, _: sources.remember(scope, "article", {"cloves": 1}), NO_ROWS),
    "sources.delete": (lambda scope, _: sources.delete(scope, "spices"), NO_ROWS),
    "sources.record_sync": (
        lambda scope, _: sources.record_sync(scope, declared(), read_at=END[0], error="x"),
        NO_ROWS,
    ),
    "sources.moment": (lambda scope, _: sources.moment(scope), anything),
    "sources.document_ids": (
        lambda scope, _: sources.document_ids(scope, "article", after="", unchanged_since=END[0], limit=9),
        NO_ROWS,
    ),
    "sources.delete_documents": (
        lambda scope, _: sources.delete_documents(scope, "article", ["cloves"], unchanged_since=END[0]),
        NO_ROWS,
    ),
    "remote_documents.read": (lambda scope, own: remote_documents.read(scope, [own.document_id]), NO_ROWS),
    "remote_documents.begin_uploads": (
        lambda scope, own: remote_documents.begin_uploads(scope, [own.document_id]),
        NO_ROWS,
    ),
    "remote_documents.mark_synced": (
        lambda scope, own: remote_documents.mark_synced(scope, own.document_id, 1, "mine"),
        NO_ROWS,
    ),
    "remote_documents.mark_removed": (
        lambda scope, own: remote_documents.mark_removed(scope, own.document_id),
        NO_ROWS,
    ),
    "remote_documents.mark_failed": (
        lambda scope, own: remote_documents.mark_failed(scope, own.document_id, "mine"),
        NO_ROWS,
    ),
    "remote_documents.enqueue_all": (lambda scope, _: remote_documents.enqueue_all(scope), NO_ROWS),
    # It cannot know that a document it does not see is not gone: it queues a job of its own tenant.
    "remote_documents.enqueue": (
        lambda scope, own: remote_documents.enqueue(scope, [own.document_id]),
        (1,),
    ),
    "remote_documents.reset": (lambda scope, _: remote_documents.reset(scope), NO_ROWS),
    "remote_documents.known": (lambda scope, own: remote_documents.known(scope, [own.document_id]), (set(),)),
    "remote_documents.withdraw": (lambda scope, _: remote_documents.withdraw(scope), NO_ROWS),
    "remote_documents.forget": (lambda scope, _: remote_documents.forget(scope), NO_ROWS),
    "remote_documents.is_held": (
        lambda scope, own: remote_documents.is_held(scope, own.document_id),
        NO_ROWS,
    ),
    "remote_documents.counts": (lambda scope, _: remote_documents.counts(scope), NO_ROWS),
    "remote_documents.count_uploading": (
        lambda scope, own: remote_documents.count_uploading(scope, [own.document_id]),
        NO_ROWS,
    ),
    "spaces.count_vectors": (lambda scope, _: spaces.count_vectors(scope, 1), NO_ROWS),
    "document_states.everything": (lambda scope, _: document_states.everything(scope), NO_ROWS),
    "document_states.lock": (lambda scope, own: document_states.lock(scope, [own.document_id]), NO_ROWS),
    "document_states.on_their_way": (lambda scope, _: document_states.on_their_way(scope), (set(),)),
    "sync_log.record": (
        lambda scope, own: sync_log.record(
            scope,
            sync_log.Entry(actor="worker", action="mine", outcome="done", document_ids=[own.document_id]),
        ),
        NO_ROWS,
    ),
    "sync_log.page": (
        lambda scope, own: sync_log.page(
            scope, before_id=2**63 - 1, document_id=own.document_id, outcome="", limit=9
        ),
        NO_ROWS,
    ),
    "tenant_spaces.active": (lambda scope, _: tenant_spaces.active(scope), anything),
    "tenant_spaces.of_tenant": (lambda scope, _: tenant_spaces.of_tenant(scope), anything),
    "tenant_spaces.is_by_document": (lambda scope, _: tenant_spaces.is_by_document(scope), anything),
    "tenant_spaces.searched": (lambda scope, _: tenant_spaces.searched(scope), anything),
    "tenant_spaces.maintained": (lambda scope, _: tenant_spaces.maintained(scope), anything),
    "tenant_spaces.hold": (lambda scope, _: tenant_spaces.hold(scope), anything),
    "tenant_spaces.mark_stale": (lambda scope, _: tenant_spaces.mark_stale(scope, [1]), NO_ROWS),
    "tenant_spaces.move": (lambda scope, own: tenant_spaces.move(scope, 1, walked(own)), NO_ROWS),
    "tenant_spaces.end_walk": (lambda scope, _: tenant_spaces.end_walk(scope, 1, 0), NO_ROWS),
    "tenant_spaces.postpone": (
        lambda scope, _: tenant_spaces.postpone(scope, 1, seconds=9, error="x"),
        NO_ROWS,
    ),
    "tenant_spaces.record_trial": (
        lambda scope, _: tenant_spaces.record_trial(scope, 1, sample_count=1, recall=0.5, agreement=None),
        NO_ROWS,
    ),
    "tenant_spaces.forget": (lambda scope, _: tenant_spaces.forget(scope, 1), NO_ROWS),
    "vectors.held": (lambda scope, own: vectors.held(scope, 1, [own.document_id]), (frozenset(),)),
    "vectors.insert": (lambda scope, own: vectors.insert(scope, 1, {own.chunk_id: direction()}), Raises),
    "vectors.remove": (lambda scope, own: vectors.remove(scope, 1, [own.chunk_id]), NO_ROWS),
    "vectors.fill": (lambda scope, own: vectors.fill(scope, 1, {own.chunk_id: direction()}), NO_ROWS),
    "vectors.walk": (
        lambda scope, _: vectors.walk(scope, 1, after=uuid.UUID(int=0), limit=9, max_bytes=9),
        NO_ROWS,
    ),
    "vectors.missing": (
        lambda scope, _: vectors.missing(scope, 1),
        (vectors.Missing(chunk_count=0, byte_count=0),),
    ),
    "vectors.nearest": (lambda scope, _: vectors.nearest(scope, 1, direction(), limit=9), (set(),)),
    "vectors.delete": (lambda scope, _: vectors.delete(scope, 1, limit=9), NO_ROWS),
    "vectors.questions": (lambda scope, _: vectors.questions(scope, limit=9), NO_ROWS),
    "embedding_steps.kept": (
        lambda scope, own: embedding_steps.kept(scope, own.document_id, 1),
        NO_ROWS,
    ),
    "embedding_steps.keep": (
        lambda scope, own: embedding_steps.keep(scope, original(own), 1, {b"y": step()}),
        NO_ROWS,
    ),
    "embedding_steps.forget": (
        lambda scope, own: embedding_steps.forget(scope, [own.document_id]),
        NO_ROWS,
    ),
    "evaluations.insert": (
        lambda scope, _: evaluations.insert(scope, set_name="s", answerer="", figures={}),
        None,
    ),
    "evaluations.page": (
        lambda scope, _: evaluations.page(scope, before=END, set_name=MARK, limit=9),
        NO_ROWS,
    ),
    "usage.add": (lambda scope, _: usage.add(scope, Usage(searches=1)), NO_ROWS),
    "usage.recent": (lambda scope, _: usage.recent(scope, days=9), NO_ROWS),
    "vector_store_ids.get": (lambda scope, _: vector_store_ids.get(scope), NO_ROWS),
    "vector_store_ids.is_adopted": (lambda scope, _: vector_store_ids.is_adopted(scope), NO_ROWS),
    "vector_store_ids.adopt": (
        lambda scope, _: vector_store_ids.adopt(scope, f"vs_2_{scope.tenant_id}"),
        NO_ROWS,
    ),
    "vector_store_ids.put": (lambda scope, _: vector_store_ids.put(scope, f"vs_{scope.tenant_id}"), NO_ROWS),
    "vector_store_ids.remove": (lambda scope, _: vector_store_ids.remove(scope), NO_ROWS),
}


def store_modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(stores.__path__, f"{stores.__name__}.")
    return [importlib.import_module(one.name) for one in found if not one.ispkg]


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
    "backlog.enqueue_lagging",
    "backlog.hasten",
    "backlog.oldest_remote",
    "backlog.revive",
    "chat_logs.rate",
    "chats.finish",
    "chats.keep",
    "chats.want_cancel",
    "chunks.apply",
    "chunks.mark_failed",
    "chunks.remove_stale",
    "document_files.add_leftovers",
    "document_files.forget",
    "document_files.leftovers",
    "document_files.set_primary",
    "documents.delete",
    "documents.enqueue_all",
    "documents.lock",
    "embedding_steps.forget",
    "embedding_steps.keep",
    "documents.lock_tree",
    "imports.note",
    "imports.record_problems",
    "imports.remember",
    "imports.save",
    "imports.undo",
    "index_changes.extend",
    "index_changes.finish",
    "index_changes.follow",
    "index_changes.forget",
    "index_changes.postpone",
    "index_changes.widen",
    "gaps.assign",
    "gaps.empty_inbox",
    "gaps.lock",
    "gaps.open_gap",
    "gaps.prune",
    "gaps.set_document",
    "gaps.set_vector",
    "gaps.settle",
    "gaps.ungrouped",
    "index_jobs.begin",
    "index_jobs.complete",
    "index_jobs.cooldown",
    "index_jobs.end",
    "index_jobs.enqueue",
    "index_jobs.hand_out",
    "index_jobs.stop_waiting",
    "index_jobs.move",
    "index_jobs.record",
    "index_jobs.request_cancel",
    "index_jobs.settle",
    "document_jobs.fail",
    "document_jobs.finish",
    "document_jobs.finish_free",
    "document_jobs.give_back",
    "document_jobs.oldest_pending",
    "sources.delete",
    "sources.delete_documents",
    "sources.record_sync",
    "sources.remember",
    "purges.remove",
    "remote_documents.begin_uploads",
    "remote_documents.count_uploading",
    "remote_documents.enqueue_all",
    "remote_documents.forget",
    "remote_documents.is_held",
    "remote_documents.known",
    "remote_documents.mark_failed",
    "remote_documents.mark_removed",
    "remote_documents.mark_synced",
    "remote_documents.reset",
    "remote_documents.withdraw",
    "selections.delete",
    "selections.enqueue",
    "sessions.delete",
    "sessions.forget_old",
    "snapshots.delete",
    "snapshots.forget_summaries",
    "sync_log.record",
    "usage.add",
    "vector_store_ids.adopt",
    "vector_store_ids.is_adopted",
    "vector_store_ids.put",
    "vector_store_ids.remove",
    "tenant_spaces.end_walk",
    "tenant_spaces.forget",
    "tenant_spaces.mark_stale",
    "tenant_spaces.move",
    "tenant_spaces.postpone",
    "tenant_spaces.record_trial",
    "vectors.delete",
    "vectors.fill",
    "vectors.remove",
}


async def test_tenants_door_shows_only_the_own_tenant(running: Running, owned: Owned, intruder: Shop) -> None:
    async with running.service.database.tenant(uuid.UUID(intruder.tenant_id)) as scope:
        assert await tenants.get(scope.connection, uuid.UUID(owned.shop.tenant_id)) is None
        own = await tenants.get(scope.connection, uuid.UUID(intruder.tenant_id))
    assert own is not None


async def test_door_for_all_at_once_shows_only_the_own_tenant_too(
    running: Running, owned: Owned, intruder: Shop
) -> None:
    database = running.service.database
    async with database.at_once(uuid.UUID(intruder.tenant_id)) as scope:
        fetch = await passages.read(scope, [owned.chunk_id])
    assert await fetch() == []
    async with database.at_once(uuid.UUID(owned.shop.tenant_id), reuses_plans=True) as scope:
        fetch = await passages.read(scope, [owned.chunk_id])
    assert [one.chunk_id for one in await fetch()] == [owned.chunk_id]


async def test_snapshot_shows_only_the_own_tenant_too(running: Running, owned: Owned, intruder: Shop) -> None:
    async with running.service.database.snapshot(uuid.UUID(intruder.tenant_id)) as scope:
        assert await documents.get(scope, owned.document_id) is None
    async with running.service.database.snapshot(uuid.UUID(owned.shop.tenant_id)) as scope:
        assert await documents.get(scope, owned.document_id) is not None
