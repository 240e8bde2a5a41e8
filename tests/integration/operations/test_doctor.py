"""`kladez doctor`: every line that fails says what mends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

import pytest
from psycopg import AsyncConnection, sql
from psycopg.types.json import Jsonb
from structlog.testing import capture_logs

from retrieval_service.domain.operations.findings import Finding
from retrieval_service.domain.operations.processes import EMBEDDER, NEXT_EMBEDDER, PROVIDER
from retrieval_service.services.operations.doctor_checks import examine
from retrieval_service.stores.access.logins import doors
from retrieval_service.stores.access.securing import ensure
from tests.fakes.openai.faults import Fault
from tests.kits.indexing_kit import Bench, open_bench, working
from tests.kits.openai_stores_kit import METADATA, STORE_NAME, stores_at

MIRROR = "UPDATE tenants SET is_mirrored = true WHERE id = %s"
HOLD = "INSERT INTO vector_stores (tenant_id, store_id) VALUES (%s, %s)"
REMOTE = ("search backend", "vector stores", "backfill")


def by_name(findings: Sequence[Finding]) -> dict[str, Finding]:
    assert all(finding.ok or finding.remedy for finding in findings)
    return {finding.name: finding for finding in findings}


async def looked_at(bench: Bench, dsn: str, **changes: str | None) -> dict[str, Finding]:
    return by_name(await examine(bench.service.settings.model_copy(update=changes), dsn))


async def mirrored_tenant(bench: Bench, store_id: str = "") -> UUID:
    tenant_id = await bench.tenant()
    await bench.sql.execute(MIRROR, (tenant_id,))
    if store_id:
        await bench.sql.execute(HOLD, (tenant_id, store_id))
    return tenant_id


async def test_installation_without_openai_is_told_what_that_means(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        await bench.tenant()
        local = {"embedder": "local", "openai_api_key": None, "openai_base_url": None}
        found = by_name(await examine(bench.service.settings.model_copy(update=local), database_dsn))
    assert all(found[name].ok for name in REMOTE)
    assert "documents in Postgres only" in found["search backend"].detail
    assert found["answering model"].ok


async def test_flag_without_a_provider_is_a_problem_and_with_one_it_is_explained(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        on = bench.service.settings.model_copy(update={"use_openai_retrieval": True})
        served = by_name(await examine(on, database_dsn))["search backend"]
        nobody = on.model_copy(update={"embedder": "local", "openai_api_key": None, "openai_base_url": None})
        alone = by_name(await examine(nobody, database_dsn))["search backend"]
    assert (served.ok, served.detail) == (True, "USE_OPENAI_RETRIEVAL is on")
    assert (alone.ok, alone.remedy) == (False, "set OPENAI_API_KEY")


NOTHING_OF_OPENAI = {"embedder": "auto", "openai_api_key": None, "openai_base_url": None}


async def test_shell_without_the_servers_key_is_told_to_get_it(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        await bench.tenant()
        there = await looked_at(bench, database_dsn)
        here = await looked_at(bench, database_dsn, **NOTHING_OF_OPENAI)
        ours = {"embedder": "local", "local_model_dir": None}
        other_embedder = await looked_at(bench, database_dsn, **ours)
        address = bench.fake.base_url
    assert there["embedding spaces"].ok
    assert not here["embedding spaces"].ok
    assert here["embedding spaces"].remedy == (
        f"the servers have this model: set OPENAI_BASE_URL={address} in this shell too, as they have it"
    )
    assert "KLADEZ_EMBEDDER and KLADEZ_EMBEDDING_MODEL" in other_embedder["embedding spaces"].remedy


async def test_shell_with_a_key_where_servers_use_the_local_model_is_told_so(database_dsn: str) -> None:
    async with open_bench(database_dsn, embedder="local") as bench:
        await bench.tenant()
        found = await looked_at(bench, database_dsn, embedder="openai")
    assert (
        "set KLADEZ_EMBEDDER=local and KLADEZ_LOCAL_MODEL=minilm in this shell"
        in found["embedding spaces"].remedy
    )


async def test_model_that_no_process_has_is_to_be_configured(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        await bench.tenant()
        await bench.sql.execute(
            "UPDATE processes SET settings = settings || %s", (Jsonb({EMBEDDER: "another/model@1:3"}),)
        )
        found = await looked_at(bench, database_dsn, **NOTHING_OF_OPENAI)
    assert found["embedding spaces"].remedy.startswith("set KLADEZ_NEXT_EMBEDDER to that model")


async def test_what_the_last_server_ran_with_counts_when_none_runs(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        await bench.tenant()
        settings = bench.service.settings
    gone = await examine(settings.model_copy(update=NOTHING_OF_OPENAI), database_dsn)
    assert "set OPENAI_BASE_URL=" in by_name(gone)["embedding spaces"].remedy


@pytest.mark.parametrize(
    ("key", "provider", "advice"),
    [
        ("openai/small@1:3", "OpenAI's", "set OPENAI_API_KEY in this shell"),
        ("openai/large@1:3", "OpenAI's", "set OPENAI_API_KEY and KLADEZ_NEXT_EMBEDDER=openai in this shell"),
        ("local/mini@1:3", "", "set KLADEZ_NEXT_EMBEDDER=local and KLADEZ_NEXT_LOCAL_MODEL in this shell"),
    ],
)
async def test_what_is_missing_is_what_the_servers_reach_the_model_by(
    database_dsn: str, key: str, provider: str, advice: str
) -> None:
    async with open_bench(database_dsn) as bench:
        await bench.tenant()
        said = {EMBEDDER: "openai/small@1:3", NEXT_EMBEDDER: key, PROVIDER: provider}
        await bench.sql.execute("UPDATE processes SET settings = settings || %s", (Jsonb(said),))
        await bench.sql.execute("UPDATE embedding_spaces SET key = %s", (key,))
        found = await looked_at(bench, database_dsn, **NOTHING_OF_OPENAI)
    assert advice in found["embedding spaces"].remedy


async def test_answering_model_is_really_asked(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        found = await looked_at(bench, database_dsn, answerer="responses")
        assert found["answering model"].ok
        bench.fake.fail(Fault(path="/responses", times=1, status=401))
        found = await looked_at(bench, database_dsn, answerer="responses")
    assert "OPENAI_API_KEY" in found["answering model"].remedy


async def test_jobs_that_were_given_up_are_told_by_target(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        tenant_id = await bench.tenant()
        bench.fail_embedding(1, status=400)
        await bench.put(tenant_id, "1", "Tea.")
        async with working(bench.service):
            await bench.indexed(tenant_id)
        found = await looked_at(bench, database_dsn)
    assert found["backlog for pgvector"].ok
    dead = found["dead jobs for pgvector"]
    assert (dead.ok, dead.remedy) == (False, f"kladez sync retry --tenant {tenant_id}")
    assert dead.detail == f"1 given up, of tenants {tenant_id}"


async def test_jobs_given_up_of_several_tenants_are_to_be_retried_for_each(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        tenant_ids = [await bench.tenant(), await bench.tenant()]
        bench.fail_embedding(10, status=400)
        for tenant_id in tenant_ids:
            await bench.put(tenant_id, "1", "Tea.")
        async with working(bench.service):
            for tenant_id in tenant_ids:
                await bench.indexed(tenant_id)
        dead = (await looked_at(bench, database_dsn))["dead jobs for pgvector"]
    assert all(str(tenant_id) in dead.detail for tenant_id in tenant_ids)
    assert dead.remedy == "kladez sync retry --tenant ID, for each of them"


async def test_jobs_of_a_deleted_tenant_are_nobodys_to_retry(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        tenant_id = await bench.tenant()
        bench.fail_embedding(1, status=400)
        await bench.put(tenant_id, "1", "Tea.")
        async with working(bench.service):
            await bench.indexed(tenant_id)
        await bench.service.manager.set_deleted(tenant_id, deleted=True)
        found = await looked_at(bench, database_dsn)
    assert all(finding.ok for name, finding in found.items() if name.startswith("dead jobs"))


async def test_table_that_was_opened_is_closed_by_what_is_advised(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        await bench.sql.execute("ALTER TABLE chunks NO FORCE ROW LEVEL SECURITY")
        await bench.sql.execute("ALTER TABLE documents DISABLE ROW LEVEL SECURITY")
        opened = (await looked_at(bench, database_dsn))["row-level security"]
        assert (opened.ok, opened.detail) == (False, "open: chunks, documents")
        await bench.sql.execute(opened.remedy.encode())
        assert (await looked_at(bench, database_dsn))["row-level security"].ok


async def test_tenant_without_its_store_and_files_is_named(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        tenant_id = await mirrored_tenant(bench)
        await bench.put(tenant_id, "1", "Tea.")
        found = await looked_at(bench, database_dsn)
    for name in ("vector stores", "backfill"):
        assert (found[name].ok, found[name].remedy) == (False, f"kladez backfill --tenant {tenant_id}")
        assert str(tenant_id) in found[name].detail
    assert "documents at OpenAI too" in found["search backend"].detail


async def test_tenant_without_documents_needs_no_store(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        await mirrored_tenant(bench)
        found = await looked_at(bench, database_dsn)
    assert found["vector stores"].ok
    assert found["backfill"].ok


async def test_store_that_is_gone_is_told_from_one_that_answers(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench, stores_at(bench.fake) as stores:
        store_id = await stores.ensure_store(STORE_NAME, METADATA)
        await mirrored_tenant(bench, store_id)
        assert (await looked_at(bench, database_dsn))["vector stores"].ok
        lost = await mirrored_tenant(bench, "vs_gone")
        found = (await looked_at(bench, database_dsn))["vector stores"]
    assert (found.ok, found.remedy) == (False, f"kladez sync repair --apply --tenant {lost}")
    assert str(lost) in found.detail


async def test_mirrored_tenants_without_a_provider_are_a_problem(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        await mirrored_tenant(bench, "vs_1")
        local = {"embedder": "local", "openai_api_key": None, "openai_base_url": None}
        found = by_name(await examine(bench.service.settings.model_copy(update=local), database_dsn))
    assert (found["vector stores"].ok, found["vector stores"].remedy) == (False, "set OPENAI_API_KEY")


async def test_login_that_spoiled_itself_is_told_by_name(database_dsn: str) -> None:
    """Also where it is refused, so that nothing else can be looked at."""
    async with open_bench(database_dsn) as bench:
        for statement in ("SET work_mem = '8MB'", "PASSWORD 'x'"):
            async with await AsyncConnection.connect((await doors(database_dsn)).service) as spoiler:
                role = spoiler.info.user
                await spoiler.execute(sql.SQL("ALTER ROLE CURRENT_USER " + statement))
            try:
                found = await looked_at(bench, database_dsn)
            finally:
                await ensure(database_dsn)
            assert not found["logins"].ok
            assert role in found["logins"].detail
            assert "KLADEZ_ADMIN_DATABASE_URL" in found["logins"].remedy
        assert (await looked_at(bench, database_dsn))["logins"].ok


# With the statement that takes it back.
ADDED: dict[LiteralString, LiteralString] = {
    "CREATE POLICY spy ON documents USING (true)": 'DROP POLICY IF EXISTS "spy" ON "public"."documents"',
    "GRANT TRUNCATE ON documents TO kladez_tenant": (
        'REVOKE TRUNCATE ON "public"."documents" FROM "kladez_tenant"'
    ),
    "GRANT SELECT (content) ON documents TO kladez_operator": (
        'REVOKE SELECT ("content") ON "public"."documents" FROM "kladez_operator"'
    ),
    "GRANT CREATE ON SCHEMA public TO PUBLIC": "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    "CREATE RULE odd AS ON DELETE TO tenants DO INSTEAD NOTHING": 'DROP RULE "odd" ON "public"."tenants"',
    (
        "CREATE FUNCTION leak() RETURNS SETOF documents SECURITY DEFINER LANGUAGE sql"
        " AS 'SELECT * FROM public.documents'; ALTER FUNCTION leak() OWNER TO kladez_owner_postgres"
    ): "ALTER FUNCTION leak() SECURITY INVOKER",
}


@pytest.mark.parametrize("statement", ADDED)
async def test_what_somebody_added_is_told_with_what_takes_it_back(
    database_dsn: str, statement: LiteralString
) -> None:
    async with open_bench(database_dsn) as bench:
        await bench.sql.execute(statement)
        with capture_logs() as lines:
            await ensure(database_dsn)
        warned = [line["statement"] for line in lines if line["event"] == "access_differs"]
        assert warned == [ADDED[statement]]
        found = await looked_at(bench, database_dsn)
        told = found["policies and grants"]
        assert (told.ok, told.remedy) == (False, ADDED[statement])
        assert found["search backend"].ok  # the service goes on, and so does the list
        await bench.sql.execute(told.remedy.encode())
        assert (await looked_at(bench, database_dsn))["policies and grants"].ok


async def test_setting_that_hides_the_tables_is_named_and_not_a_busy_database(database_dsn: str) -> None:
    async with open_bench(database_dsn) as bench:
        name = sql.Identifier(bench.sql.info.dbname)
        await bench.sql.execute(sql.SQL("ALTER DATABASE {} SET search_path = pg_temp").format(name))
        told = (await looked_at(bench, database_dsn))["database settings"]
        assert not told.ok
        assert "search_path = pg_temp" in told.detail
        await bench.sql.execute(told.remedy.encode())
        assert "database settings" not in await looked_at(bench, database_dsn)
