"""A process without a setting changes nothing for the others: real processes on one database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import insight_service_pb2 as insights_pb
from kladez.v1 import search_service_pb2 as search_pb

from retrieval_service import client as service_client
from retrieval_service.cli.up.parts import listens_within
from retrieval_service.cli.up.ports import any_free
from retrieval_service.postgres import processes
from retrieval_service.postgres.embedded import Embedded
from retrieval_service.services.tenants.first_key import mint_key
from tests.conftest import temporary_database
from tests.e2e.crash_kit import SCOPES, command, environment, new_tenant
from tests.fakes.openai.fake import FakeOpenAI
from tests.fakes.openai.server import running_openai
from tests.kits.service_kit import in_one_task

pytestmark = pytest.mark.timeout(420)

# Of a machine that does much else.
PATIENCE_SECONDS = 110.0

KEYLESS = {"KLADEZ_EMBEDDER": "auto", "OPENAI_API_KEY": None, "OPENAI_BASE_URL": None}
# All that one process could change behind the others' backs.
STATE = """
SELECT (SELECT json_agg(s.key ORDER BY s.key) FROM embedding_spaces s)::text,
    (SELECT json_agg(json_build_array(t.space_id, t.is_mirrored, t.backend) ORDER BY t.id) FROM tenants t)::text,
    (SELECT json_agg(json_build_array(s.space_id, s.state, s.is_automatic)) FROM tenant_spaces s)::text,
    (SELECT settings::text FROM installation)
"""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """One database, one server that announces what it runs with, one tenant with a document."""

    dsn: str
    folder: Path
    fake: FakeOpenAI
    variables: Mapping[str, str]
    address: str
    key: str
    tenant_id: str

    async def run(self, *words: str, **changes: str | None) -> tuple[int, str]:
        """A command to its end: its exit code, and what it said."""
        outcome = await processes.finish(self.command(*words, **changes), timeout_seconds=120)
        return outcome.returncode, outcome.output

    def command(self, *words: str, **changes: str | None) -> processes.Command:
        base = command(words[0], self.folder, {})
        environment = {**(base.environment or {}), **self.variables, **changes}
        return processes.Command(
            name="-".join(words),
            arguments=(*base.arguments[:3], *words, *base.arguments[4:]),
            environment={name: value for name, value in environment.items() if value is not None},
            folder=self.folder,
            log=self.folder / f"{'-'.join(words)}.log" if words[0] in ("serve", "work") else None,
            grace_seconds=20,
        )

    @asynccontextmanager
    async def running(self, *words: str, **changes: str | None) -> AsyncIterator[processes.Child]:
        async with processes.running(self.command(*words, **changes)) as child:
            yield child

    async def state(self) -> tuple[Any, ...]:
        async with await psycopg.AsyncConnection.connect(self.dsn) as connection:
            cursor = await connection.execute(STATE)
            row = await cursor.fetchone()
        assert row
        return tuple(row)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[service_client.Client]:
        async with service_client.connect(self.address, self.key, tenant_id=self.tenant_id) as connected:
            yield connected


@asynccontextmanager
async def prepared(dsn: str, folder: Path) -> AsyncIterator[Installation]:
    """Nothing of it runs."""
    async with running_openai() as fake:
        key = await mint_key(dsn, scopes=SCOPES, display_name="differences")
        port = any_free("127.0.0.1")
        yield Installation(
            dsn=dsn,
            folder=folder,
            fake=fake,
            variables={**environment(dsn, fake, port, 1), "KLADEZ_LOG_LEVEL": "info"},
            address=f"127.0.0.1:{port}",
            key=key,
            tenant_id="",
        )


@pytest.fixture
async def installed(database_dsn: str, tmp_path: Path) -> AsyncIterator[Installation]:
    async with prepared(database_dsn, tmp_path) as installation:
        yield installation


@pytest_asyncio.fixture(scope="class", loop_scope="class")
async def one(
    postgres_server: Embedded, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """What the tests of `TestBesideAServer` share: a server that runs, and that they leave as it is."""
    with temporary_database(postgres_server, template=migrated_template) as dsn:
        async with in_one_task(served(dsn, tmp_path_factory.mktemp("installation"))) as running:
            yield running


@asynccontextmanager
async def served(dsn: str, folder: Path) -> AsyncIterator[Installation]:
    async with prepared(dsn, folder) as installed, serving(installed) as running:
        yield running


@asynccontextmanager
async def serving(installed: Installation, **changes: str | None) -> AsyncIterator[Installation]:
    """With a server, and a tenant that has a document in its index."""
    async with installed.running("serve", **changes):
        await until_answering(installed.address)
        tenant_id = await new_tenant(installed.address, installed.key)
        one = Installation(**{**vars(installed), "tenant_id": tenant_id})
        await indexed(one)
        yield one


async def until_answering(address: str) -> None:
    host, _, port = address.rpartition(":")
    assert await listens_within(host, int(port), PATIENCE_SECONDS)


async def indexed(one: Installation) -> None:
    document = documents_pb.Document(source_type="faq", external_id="1", content="The kettle whistles.")
    async with one.client() as client:
        await client.upsert_document(documents_pb.UpsertDocumentRequest(document=document))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await found(client)).degraded_reason or not (await found(client)).hits:  # noqa: ASYNC110
                await asyncio.sleep(0.1)


async def found(client: service_client.Client) -> search_pb.SearchResponse:
    return await client.search(search_pb.SearchRequest(query="What whistles?"))


CRON, WORKER = ("sync", "run", "--once"), ("work",)
# Every deciding setting stands in the tests of one process; these are the roads by which they are reached.
DIFFERENT: tuple[tuple[tuple[str, ...], dict[str, str | None]], ...] = (
    (CRON, KEYLESS),
    (WORKER, KEYLESS),
    (WORKER, {"KLADEZ_EMBEDDING_DIMENSIONS": "48"}),
    (CRON, {"KLADEZ_EMBEDDING_PASSAGE_PREFIX": "passage: "}),
    (CRON, {"KLADEZ_OWN_INDEX_CHUNKS": "5"}),
)


async def ended(one: Installation, *words: str, **changes: str | None) -> tuple[int, str]:
    """A worker writes into its log, everything else to us."""
    wanted = one.command(*words, **changes)
    outcome = await processes.finish(processes.Command(**{**vars(wanted), "log": None}), timeout_seconds=120)
    return outcome.returncode, outcome.output


async def test_cron_without_the_flag_leaves_the_copies_at_openai_alone(installed: Installation) -> None:
    async with serving(installed, USE_OPENAI_RETRIEVAL="true") as one:
        before = await one.state()
        assert "true" in before[1], "the tenant is mirrored"
        code, said = await ended(one, "sync", "run", "--once", USE_OPENAI_RETRIEVAL="false")
        assert (code, "USE_OPENAI_RETRIEVAL is false here and true there" in said) == (1, True), said
        assert await one.state() == before


async def test_cron_is_held_to_the_servers_word_also_after_its_end(installed: Installation) -> None:
    async with serving(installed) as one:
        pass
    before = await one.state()
    code, said = await ended(one, "sync", "run", "--once", **KEYLESS)
    assert (code, await one.state()) == (1, before), said
    assert (await ended(one, "sync", "run", "--once"))[0] == 0


async def test_lone_server_with_a_new_model_moves_the_tenants_and_says_so(installed: Installation) -> None:
    async with serving(installed) as one:
        pass
    async with one.running("serve", KLADEZ_EMBEDDING_DIMENSIONS="48"):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while ":48" not in await active_space(one):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
    assert "embedding_model_changed" in (one.folder / "serve.log").read_text()


async def active_space(one: Installation) -> str:
    async with await psycopg.AsyncConnection.connect(one.dsn) as connection:
        cursor = await connection.execute(
            "SELECT s.key FROM tenants t JOIN embedding_spaces s ON s.id = t.space_id"
        )
        return str(await cursor.fetchone())


async def test_running_worker_ends_when_the_server_changes(installed: Installation) -> None:
    async with serving(installed) as one:
        pass
    async with one.running("work") as worker:
        await until_listed(one.dsn, "worker")
        async with one.running("serve", KLADEZ_EMBEDDING_DIMENSIONS="48"):
            assert await asyncio.wait_for(worker.wait(), PATIENCE_SECONDS) == 1
            async with asyncio.timeout(PATIENCE_SECONDS):
                while ":48" not in await active_space(one):  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
    assert "KLADEZ_EMBEDDER is " in (one.folder / "work.log").read_text()


async def until_listed(dsn: str, kind: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await listed(dsn, kind):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def listed(dsn: str, kind: str) -> bool:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        cursor = await connection.execute("SELECT 1 FROM processes WHERE kind = %s", (kind,))
        return await cursor.fetchone() is not None


@pytest.mark.asyncio(loop_scope="class")
class TestBesideAServer:
    async def test_doctor_and_status_name_processes_and_what_they_differ_in(self, one: Installation) -> None:
        async with one.running("work", KLADEZ_PRICES='{"m": {"input": 1}}'):
            await until_listed(one.dsn, "worker")
            async with one.client() as client:
                seen = await client.list_processes(insights_pb.ListProcessesRequest())
            assert sorted(process.kind for process in seen.processes if process.alive) == ["server", "worker"]
            assert [one.setting for one in seen.disagreements] == ["KLADEZ_PRICES"]
            _, diagnosed = await ended(one, "doctor")
            assert "KLADEZ_PRICES is" in diagnosed
            code, told = await ended(
                one, "status", "--processes", KLADEZ_ADDRESS=one.address, KLADEZ_KEY=one.key
            )
            assert (code, "KLADEZ_PRICES should be equal" in told) == (0, True), told

    async def test_worker_or_cron_that_differs_changes_nothing_and_says_why(self, one: Installation) -> None:
        before = await one.state()
        for words, changes in DIFFERENT:
            code, said = await ended(one, *words, **changes)
            assert code == 1, said
            [line] = [text for text in said.splitlines() if text.startswith("kladez: ")]
            assert " here and " in line, line
            assert await one.state() == before, (words, changes)
        async with one.client() as client:
            assert not (await found(client)).degraded_reason

    async def test_server_without_the_key_is_refused_beside_one_with_it(self, one: Installation) -> None:
        before = await one.state()
        code, said = await ended(one, "serve", **KEYLESS, KLADEZ_PORT="0")
        assert (code, await one.state()) == (1, before), said
        assert "kladez space start" in said

    async def test_worker_with_another_next_model_or_server_works_and_is_told(
        self, one: Installation
    ) -> None:
        async with running_openai() as elsewhere:
            before = await one.state()
            matters = {
                "KLADEZ_NEXT_EMBEDDER": {
                    "KLADEZ_NEXT_EMBEDDER": "openai",
                    "KLADEZ_NEXT_EMBEDDING_DIMENSIONS": "16",
                },
                "OPENAI_BASE_URL": {"OPENAI_BASE_URL": elsewhere.base_url},
                "KLADEZ_SCHEDULE_DRIFT": {"KLADEZ_SCHEDULE_DRIFT": "0 5 * * *"},
            }
            for setting, changes in matters.items():
                code, said = await ended(one, "sync", "run", "--once", **changes)
                assert (code, "setting_differs" in said, setting in said) == (0, True, True), said
                assert (await one.state())[1:] == before[1:]
