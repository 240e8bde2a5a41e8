"""A tenant with something to lose, and every row it has."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import psycopg
from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import insight_service_pb2 as insights_pb
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import source_service_pb2 as sources_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb
from psycopg import sql

from retrieval_service.stores.queue import document_jobs
from tests.kits.service_kit import Running, Shop, new_shop, upsert, wait_until_indexed

# Stands in everything the first tenant owns, so that no answer to the second may hold it.
MARK = "Zanzibar"
TEXT = f"{MARK} cloves are dried in the sun for five days."
QUESTION = f"How are {MARK} cloves dried?"
WORKER = "a worker of nobody"
WRITER = uuid.UUID(int=7)


@dataclass(frozen=True, kw_only=True)
class Marks:
    """Words that stand in everything: what pages tell of a shop, what its documents say, and what nobody is told."""

    public: str = MARK
    text: str = MARK
    hidden: str = MARK

    @property
    def question(self) -> str:
        asked = QUESTION.replace(MARK, self.text)
        return asked if self.hidden == self.text else f"{asked} {self.hidden}"


@dataclass(frozen=True, kw_only=True)
class Owned:
    """What the first tenant owns."""

    shop: Shop
    document_id: uuid.UUID
    chunk_id: uuid.UUID
    session_id: uuid.UUID
    session_token: str
    answer_id: uuid.UUID
    request_id: uuid.UUID
    import_id: uuid.UUID
    job: document_jobs.Job
    index_job_id: uuid.UUID
    gap_id: uuid.UUID
    api_key_id: str
    handoff_code: str
    snapshot_id: uuid.UUID
    snapshot_token: str

    @property
    def secrets(self) -> tuple[str, ...]:
        ids = (self.document_id, self.chunk_id, self.session_id, self.answer_id, self.snapshot_id)
        tenant = self.shop.tenant
        names = (tenant.tenant_id, tenant.public_key, tenant.name)
        tokens = (self.session_token, self.snapshot_token)
        return (*map(str, ids), *names, *tokens, "dried in the sun")


async def new_owned(running: Running, marks: Marks | None = None) -> Owned:
    """A tenant with rows in every table."""
    marks = marks or Marks()
    shop = await new_shop(
        running,
        fallback_contact=marks.public,
        greetings={"en": marks.public},
        suggested_questions={"en": tenants_pb.SuggestedQuestions(questions=[marks.public])},
        system_prompt=marks.public,
    )
    stored = await upsert(
        shop,
        "cloves",
        TEXT.replace(MARK, marks.text),
        title=marks.text,
        section=marks.text,
        tags=[marks.text],
        url=f"https://shop.example/{marks.text}",
        language="en",
        metadata={"cost": marks.hidden, marks.hidden: 1},
    )
    import_id, request_id = uuid.uuid4(), uuid.uuid4()
    await run_import(shop, import_id)
    await wait_until_indexed(shop)
    session = await shop.client.create_session(
        answers_pb.CreateSessionRequest(channel="api", user_key=f"anna{marks.hidden}", language="en")
    )
    asked = answers_pb.StreamAnswerRequest(
        question=marks.question, session_id=session.session_id, request_id=str(request_id)
    )
    handoff = await shop.client.create_handoff(answers_pb.CreateHandoffRequest(session_id=session.session_id))
    answer = [event async for event in shop.client.stream_answer(asked)][-1].completed.answer
    assert answer.references, "the tenant's own answer must have something to leak"
    await running.client.for_tenant(shop.tenant_id).upsert_source(declared_source(marks.hidden))
    kept = await shop.client.create_snapshot(
        search_pb.CreateSnapshotRequest(query=marks.question, reader_key="reader")
    )
    assert kept.snapshot.hits, "a snapshot must have something to leak"
    keys = await running.client.list_api_keys(tenants_pb.ListApiKeysRequest(tenant_id=shop.tenant_id))
    await shop.client.record_evaluation(recorded_run(marks.hidden))
    await hold_remotely(running, shop, uuid.UUID(stored.document_id))
    await make_of_a_row(running, shop, uuid.UUID(stored.document_id))
    await name_writer(running, answer.answer_id)
    await keep_step(running, shop, uuid.UUID(stored.document_id))
    return Owned(
        shop=shop,
        document_id=uuid.UUID(stored.document_id),
        chunk_id=uuid.UUID(answer.references[0].chunk_id),
        session_id=uuid.UUID(session.session_id),
        session_token=session.session_token,
        answer_id=uuid.UUID(answer.answer_id),
        request_id=request_id,
        import_id=import_id,
        job=await processing_job(running, shop, uuid.UUID(stored.document_id)),
        gap_id=await collect(running, shop, answer.answer_id, session.session_id, marks.hidden),
        index_job_id=await waiting_index_job(running, shop, uuid.UUID(stored.document_id)),
        api_key_id=keys.api_keys[0].api_key_id,
        handoff_code=handoff.code,
        snapshot_id=uuid.UUID(kept.snapshot.snapshot_id),
        snapshot_token=kept.token,
    )


def recorded_run(mark: str = MARK) -> insights_pb.RecordEvaluationRequest:
    figures = [insights_pb.EvaluationFigures(question_count=1, answerable_accuracy=1.0)]
    return insights_pb.RecordEvaluationRequest(
        evaluation=insights_pb.Evaluation(set_name=mark, answerer="extractive", figures=figures)
    )


def declared_source(mark: str = MARK) -> sources_pb.UpsertSourceRequest:
    """Of the type of the tenant's document, so that a sync could delete it."""
    source = sources_pb.Source(
        name="spices",
        dsn_variable="KLADEZ_SOURCE_NOWHERE",
        source_type="article",
        ids_query="SELECT * FROM spices WHERE id = ANY(%(ids)s)",
        all_query="SELECT * FROM spices",
        id_column="id",
        text_template=f"{mark}: {{{{ text }}}}",
    )
    return sources_pb.UpsertSourceRequest(source=source)


async def run_import(shop: Shop, import_id: uuid.UUID) -> list[documents_pb.ImportDocumentsResponse]:
    async def requests() -> AsyncIterator[documents_pb.ImportDocumentsRequest]:
        config = documents_pb.ImportConfig(import_id=str(import_id))
        yield documents_pb.ImportDocumentsRequest(config=config)
        document = documents_pb.Document(source_type="article", external_id="imported", content="Nutmeg.")
        refused = documents_pb.Document(source_type="article", external_id=MARK)
        chunk = documents_pb.ImportChunk(documents=[document, refused])
        yield documents_pb.ImportDocumentsRequest(chunk=chunk)

    return [event async for event in shop.client.import_documents(requests())]


async def processing_job(running: Running, shop: Shop, document_id: uuid.UUID) -> document_jobs.Job:
    """One that a worker of nobody holds for an hour."""
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        cursor = await connection.execute(
            "INSERT INTO document_sync_jobs (tenant_id, document_id, action, status, worker, lease_until)"
            " VALUES (%(tenant_id)s, %(document_id)s, 'upsert', 'processing', %(worker)s,"
            " now() + interval '1 hour') RETURNING id",
            {"tenant_id": shop.tenant_id, "document_id": document_id, "worker": WORKER},
        )
        row = await cursor.fetchone()
    assert row
    return document_jobs.Job(
        id=row[0], tenant_id=uuid.UUID(shop.tenant_id), document_id=document_id, action="upsert", attempts=1
    )


WAITING_INDEX_JOB = """
WITH job AS (
    INSERT INTO index_jobs (tenant_id, mode, next_step_at)
    VALUES (%(tenant_id)s, 'all', now() + interval '1 hour') RETURNING tenant_id, id
),
unread AS (
    INSERT INTO index_job_changes (tenant_id, index_job_id, source, ids, due_at)
    SELECT tenant_id, id, 'spices', '{1}', now() + interval '1 hour' FROM job
)
INSERT INTO index_job_documents (tenant_id, document_id, index_job_id)
SELECT tenant_id, %(document_id)s, id FROM job RETURNING index_job_id
"""


async def waiting_index_job(running: Running, shop: Shop, document_id: uuid.UUID) -> uuid.UUID:
    """One that no worker moves for an hour, and that waits for the document and for a row to be read."""
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        parameters = {"tenant_id": shop.tenant_id, "document_id": document_id}
        row = await (await connection.execute(WAITING_INDEX_JOB, parameters)).fetchone()
    assert row
    return row[0]


WAITING_QUESTION = """
INSERT INTO gap_inbox (tenant_id, arrivals, due_at) VALUES (%(tenant_id)s, 99, now() + interval '1 hour')
ON CONFLICT (tenant_id) DO UPDATE SET arrivals = 99, due_at = excluded.due_at
"""
GAP = "SELECT gap_id FROM chat_logs WHERE tenant_id = %(tenant_id)s AND id = %(answer_id)s"


async def collect(
    running: Running, shop: Shop, answer_id: str, session_id: str, mark: str = MARK
) -> uuid.UUID:
    """The group of the answer, which was rated down, and an inbox that no worker looks into for an hour."""
    request = answers_pb.SubmitFeedbackRequest(
        answer_id=answer_id, session_id=session_id, rating=answers_pb.RATING_DOWN, reason=mark
    )
    await shop.client.submit_feedback(request)
    await running.service.collector.collect(uuid.UUID(shop.tenant_id))
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        parameters = {"tenant_id": shop.tenant_id, "answer_id": answer_id}
        row = await (await connection.execute(GAP, parameters)).fetchone()
        await connection.execute(WAITING_QUESTION, parameters)
    assert row
    return row[0]


REMOTE_FILE = """
WITH store AS (
    INSERT INTO vector_stores (tenant_id, store_id) VALUES (%(tenant_id)s, %(store_id)s) RETURNING store_id
),
file AS (
    INSERT INTO document_files
        (tenant_id, file_id, document_id, store_id, version, content_digest, attributes_digest, byte_count)
    SELECT %(tenant_id)s, %(file_id)s, %(document_id)s, store_id, 1, 'x', 'x', 1 FROM store RETURNING file_id
),
logged AS (
    INSERT INTO sync_log (tenant_id, actor, action, document_ids, file_ids, outcome)
    SELECT %(tenant_id)s, 'worker', 'upload', ARRAY[%(document_id)s]::uuid[], ARRAY[file_id], 'done' FROM file
)
INSERT INTO backend_comparisons
    (tenant_id, query, served_by, pgvector_count, openai_count, overlap, pgvector_ms, openai_ms)
VALUES (%(tenant_id)s, %(question)s, 'pgvector', 1, 1, 1, 1, 1)
"""


FINGERPRINT = 7
MADE_OF_A_ROW = """
INSERT INTO document_fingerprints (tenant_id, document_id, fingerprint, content_hash)
SELECT tenant_id, id, %(fingerprint)s, content_hash FROM documents
WHERE tenant_id = %(tenant_id)s AND id = %(document_id)s
"""


async def make_of_a_row(running: Running, shop: Shop, document_id: uuid.UUID) -> None:
    """A row as if the document had come from the source."""
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        parameters = {"tenant_id": shop.tenant_id, "document_id": document_id, "fingerprint": FINGERPRINT}
        await connection.execute(MADE_OF_A_ROW, parameters)


async def hold_remotely(running: Running, shop: Shop, document_id: uuid.UUID) -> None:
    """Rows as if the document were kept at the retrieval provider too; there is no such file."""
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        parameters = {
            "tenant_id": shop.tenant_id,
            "document_id": document_id,
            "store_id": f"vs_{MARK}_{shop.tenant_id}",
            "file_id": remote_file_id(document_id),
            "question": QUESTION,
        }
        await connection.execute(REMOTE_FILE, parameters)


async def name_writer(running: Running, answer_id: str) -> None:
    """So that a trial may name the right one."""
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        statement = "UPDATE chat_logs SET writer = %(writer)s WHERE id = %(answer_id)s"
        await connection.execute(statement, {"writer": WRITER, "answer_id": answer_id})


STEP = """
INSERT INTO embedding_steps (tenant_id, document_id, space_id, text_hash, embedding, tokens)
SELECT %(tenant_id)s, %(document_id)s, id, 'x', '', 1 FROM embedding_spaces LIMIT 1
"""


async def keep_step(running: Running, shop: Shop, document_id: uuid.UUID) -> None:
    """As if a large document were not embedded to its end."""
    async with await psycopg.AsyncConnection.connect(running.dsn, autocommit=True) as connection:
        await connection.execute(STEP, {"tenant_id": shop.tenant_id, "document_id": document_id})


def remote_file_id(document_id: uuid.UUID) -> str:
    return f"file-{MARK}-{document_id}"


TABLES = """
SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity,
    EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
ORDER BY 1
"""
ROWS = "SELECT to_jsonb(t) FROM {table} t WHERE tenant_id = %(tenant_id)s ORDER BY to_jsonb(t)::text"


async def tables_with_tenants(connection: psycopg.AsyncConnection) -> list[str]:
    rows = await (await connection.execute(TABLES)).fetchall()
    return [name for name, _, has_tenant in rows if has_tenant]


async def dump(running: Running, tenant_id: str) -> dict[str, list[Any]]:
    """Every row of the tenant, by table."""
    await running.service.meter.flush()
    async with await psycopg.AsyncConnection.connect(running.dsn) as connection:
        found: dict[str, list[Any]] = {}
        for table in await tables_with_tenants(connection):
            statement = sql.SQL(ROWS).format(table=sql.Identifier(table))
            found[table] = await (await connection.execute(statement, {"tenant_id": tenant_id})).fetchall()
        own = await connection.execute(
            "SELECT to_jsonb(t) FROM tenants t WHERE id = %(id)s", {"id": tenant_id}
        )
        return {**found, "tenants": await own.fetchall()}
