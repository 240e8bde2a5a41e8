"""SourceService over the wire: what its comments in source_service.proto promise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import index_job_service_pb2 as jobs_pb
from kladez.v1 import source_service_pb2 as pb

from retrieval_service.postgres.embedded import Embedded
from tests.kits.indexing_kit import working
from tests.kits.service_kit import Running, failure_of, refused
from tests.kits.sources_kit import DEAD_VARIABLE, Sourced, counts, example, examples, source_service, sourced

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[tuple[Running, str]]:
    async with source_service(postgres_server, migrated_template) as known:
        yield known


@pytest_asyncio.fixture(loop_scope="module")
async def own(service: tuple[Running, str]) -> AsyncIterator[Sourced]:
    async with sourced(*service) as kit:
        yield kit


async def documents(own: Sourced, source_type: str) -> dict[str, documents_pb.Document]:
    """By external id, without contents."""
    listing = documents_pb.ListDocumentsRequest(source_type=source_type, page_size=500)
    return {one.external_id: one for one in (await own.shop.client.list_documents(listing)).documents}


async def content(own: Sourced, source_type: str, external_id: str) -> str:
    key = documents_pb.DocumentKey(source_type=source_type, external_id=external_id)
    return (await own.shop.client.get_document(documents_pb.GetDocumentRequest(key=key))).document.content


@pytest.mark.parametrize("name", sorted(examples()))
async def test_ready_made_source_finds_nothing_to_warn_of(own: Sourced, name: str) -> None:
    await own.declare(name)
    trial = await own.test(name)
    assert list(trial.warnings) == []
    assert trial.rows
    assert [row.error for row in trial.rows if row.error] == []


@pytest.mark.parametrize("name", sorted(examples()))
async def test_ready_made_source_syncs_by_scan_and_by_ids(own: Sourced, name: str) -> None:
    await own.declare(name)
    first = await own.sync(name)
    assert first.created_count == first.read_count > 0
    ids = list(await documents(own, example(name).source_type))
    again = await own.sync(name, *ids)
    assert counts(again) == {"read": len(ids), "unchanged": len(ids)}


async def test_row_becomes_a_document_with_all_its_parts(own: Sourced) -> None:
    await own.declare("products")
    await own.sync("products")
    assam = (await documents(own, "catalogue_product"))["1"]
    assert (assam.title, assam.section, assam.url) == ("Assam", "Tea", "/products/1")
    assert list(assam.tags) == ["black", "strong"]
    assert assam.metadata["price"] == 450
    assert await content(own, "catalogue_product", "1") == "Assam\nA strong black tea.\nPrice: 450 RUB"
    assert await content(own, "catalogue_product", "2") == "Moka\nКофе со вкусом шоколада."


async def test_loop_over_json_of_a_row(own: Sourced) -> None:
    await own.declare("orders")
    await own.sync("orders", "70")
    assert await content(own, "order", "70") == "Order A-70 of Anna: paid, 900.50 RUB.\n1. Assam, 2 pcs."


async def test_delta_by_ids_reads_just_those_rows(own: Sourced) -> None:
    await own.declare("products")
    await own.sync("products")
    await own.sql.execute("UPDATE products SET title = 'Assam gold' WHERE id = 1")
    await own.sql.execute("UPDATE products SET title = 'Unnoticed' WHERE id = 2")
    assert counts(await own.sync("products", "1")) == {"read": 1, "updated": 1}
    titles = {key: one.title for key, one in (await documents(own, "catalogue_product")).items()}
    assert titles == {"1": "Assam gold", "2": "Moka"}


async def test_ids_that_are_gone_are_deleted(own: Sourced) -> None:
    await own.declare("products")
    await own.sync("products")
    await own.sql.execute("DELETE FROM products WHERE id = 2")
    assert counts(await own.sync("products", "1", "2", "99")) == {"read": 1, "unchanged": 1, "deleted": 1}
    assert set(await documents(own, "catalogue_product")) == {"1"}


async def test_scan_deletes_documents_whose_rows_are_gone(own: Sourced) -> None:
    await own.declare("products")
    await own.sync("products")
    await own.sql.execute("DELETE FROM products WHERE id = 2")
    assert counts(await own.sync("products"))["deleted"] == 1
    assert set(await documents(own, "catalogue_product")) == {"1"}


async def test_scan_leaves_documents_of_other_types_alone(own: Sourced) -> None:
    await own.declare("products")
    await own.declare("orders")
    await own.sync("orders")
    await own.sync("products")
    await own.sql.execute("DELETE FROM products")
    assert counts(await own.sync("products")) == {"deleted": 2}
    assert set(await documents(own, "order")) == {"70"}


async def test_of_5000_rows_only_the_tenth_that_changed_is_read_and_stored(own: Sourced) -> None:
    await own.sql.execute(
        "INSERT INTO products SELECT n, 'Tea ' || n, 'A tea.', n, 'RUB', 'Tea', '{}', now() - interval '1 day'"
        " FROM generate_series(101, 5100) AS n"
    )
    await own.sql.execute("DELETE FROM products WHERE id < 101")
    await own.declare("products", language="en")
    assert counts(await own.sync("products")) == {"read": 5000, "created": 5000}
    await own.sql.execute("UPDATE products SET price = price + 1, updated_at = now() WHERE id % 10 = 0")
    assert counts(await own.sync("products")) == {"read": 500, "updated": 500}
    assert counts(await own.sync("products", every_row=True)) == {"read": 5000, "unchanged": 5000}


async def test_changed_declaration_reads_every_row_again(own: Sourced) -> None:
    await own.sql.execute("UPDATE products SET updated_at = now() - interval '1 day'")
    await own.declare("products")
    await own.sync("products")
    assert counts(await own.sync("products")) == {}
    await own.declare("products", title_template="New: {{ title }}")
    assert counts(await own.sync("products")) == {"read": 2, "updated": 2}


async def test_row_that_cannot_be_rendered_is_reported_and_the_others_kept(own: Sourced) -> None:
    await own.declare("products", text_template="{{ title }} costs {{ price + 1 }}")
    report = await own.sync("products")
    assert counts(report) == {"read": 2, "created": 1, "failed": 1}
    assert (await own.get("products")).last_error.startswith("1 of 2 rows failed, the first ")
    assert [(one.external_id, one.field) for one in report.errors] == [("2", "text_template")]
    assert set(await documents(own, "catalogue_product")) == {"1"}


async def test_row_that_no_document_can_be_is_reported(own: Sourced) -> None:
    await own.declare("products", text_template="{{ description }}", title_template="{{ title }}")
    await own.sql.execute("UPDATE products SET description = '' WHERE id = 2")
    report = await own.sync("products")
    assert [(one.external_id, one.field) for one in report.errors] == [("2", "content")]
    assert report.created_count == 1


async def test_row_that_fails_does_not_lose_its_document(own: Sourced) -> None:
    await own.declare("products")
    await own.sync("products")
    await own.declare("products", text_template="{{ title }} costs {{ price + 1 }}")
    await own.sync("products")
    assert set(await documents(own, "catalogue_product")) == {"1", "2"}


async def test_dead_database_is_named_and_keeps_everything(own: Sourced) -> None:
    await own.declare("products")
    await own.sync("products")
    await own.declare("products", dsn_variable=DEAD_VARIABLE)
    for ids in ([], ["1"]):
        failure = await failure_of(own.sync("products", *ids))
        assert (failure.code, failure.reason) == ("UNAVAILABLE", "SOURCE_UNAVAILABLE")
        assert "products" in str(failure)
        assert "hidden" not in str(failure)
    assert set(await documents(own, "catalogue_product")) == {"1", "2"}
    assert "does not answer" in (await own.get("products")).last_error


async def test_source_that_breaks_off_deletes_nothing(own: Sourced) -> None:
    await own.sql.execute("INSERT INTO products SELECT n, 'Tea', 'A tea.' FROM generate_series(3, 1200) AS n")
    await own.declare("products")
    await own.sync("products")
    await own.declare(
        "products", all_query="SELECT *, 1 / (900 - id) AS odd FROM products WHERE id > 1 ORDER BY id"
    )
    assert (await failure_of(own.sync("products"))).code == "FAILED_PRECONDITION"
    assert (await own.sync("products", "1")).unchanged_count == 1
    stored = await own.shop.client.get_document(
        documents_pb.GetDocumentRequest(
            key=documents_pb.DocumentKey(source_type="catalogue_product", external_id="1")
        )
    )
    assert stored.document.title == "Assam"


async def test_second_scan_at_the_same_time_is_told_to_wait(own: Sourced) -> None:
    slow = "SELECT *, pg_advisory_xact_lock_shared(77) FROM products"
    await own.declare("products", all_query=slow)
    await own.sql.execute("SELECT pg_advisory_lock(77)")
    first = asyncio.create_task(own.sync("products"))
    await until_waiting(own)
    assert (await failure_of(own.sync("products"))).code == "ABORTED"
    await own.sql.execute("SELECT pg_advisory_unlock(77)")
    assert (await first).created_count == 2


async def test_document_written_while_a_scan_reads_is_not_taken_for_gone(own: Sourced) -> None:
    """The scan cannot see a row that came after it began."""
    await own.declare("products", all_query="SELECT *, pg_advisory_xact_lock_shared(77) FROM products")
    await own.sql.execute("SELECT pg_advisory_lock(77)")
    scan = asyncio.create_task(own.sync("products"))
    await until_waiting(own)
    await own.sql.execute("INSERT INTO products VALUES (3, 'Late', 'A late tea.')")
    assert (await own.sync("products", "3")).created_count == 1
    await own.sql.execute("SELECT pg_advisory_unlock(77)")
    assert (await scan).deleted_count == 0
    assert set(await documents(own, "catalogue_product")) == {"1", "2", "3"}


async def until_waiting(own: Sourced) -> None:
    """Returns once the scan waits for the test's lock."""
    async with asyncio.timeout(20):
        while True:
            cursor = await own.sql.execute("SELECT count(*) FROM pg_locks WHERE objid = 77 AND NOT granted")
            if await cursor.fetchone() == (1,):
                return
            await asyncio.sleep(0.02)


async def test_error_is_forgotten_once_a_sync_succeeds(own: Sourced) -> None:
    await own.declare("products", all_query="SELECT * FROM nowhere")
    assert (await failure_of(own.sync("products"))).code == "FAILED_PRECONDITION"
    assert "nowhere" in (await own.get("products")).last_error
    await own.sql.execute("CREATE TABLE nowhere AS SELECT * FROM products")
    await own.sync("products")
    stored = await own.get("products")
    assert stored.last_error == ""
    assert stored.HasField("last_sync_time")


async def test_query_cannot_write(own: Sourced) -> None:
    """Not even a function that writes."""
    await own.sql.execute(
        "CREATE FUNCTION wipe() RETURNS SETOF products LANGUAGE sql AS 'DELETE FROM products RETURNING *'"
    )
    await own.declare("products", all_query="SELECT * FROM wipe()")
    assert (await failure_of(own.sync("products"))).code == "FAILED_PRECONDITION"
    count = await (await own.sql.execute("SELECT count(*) FROM products")).fetchone()
    assert count == (2,)


async def test_percent_sign_in_a_scan_is_a_percent_sign(own: Sourced) -> None:
    await own.declare("products", all_query="SELECT * FROM products WHERE title LIKE 'Ass%'")
    assert counts(await own.sync("products")) == {"read": 1, "created": 1}


async def test_ids_of_another_type_than_the_column_are_reported_and_the_others_read(own: Sourced) -> None:
    await own.declare("products")
    await own.sql.execute(
        "INSERT INTO products (id, title) SELECT id, 'Tea' FROM generate_series(3, 20) AS id"
    )
    ids = [str(number) for number in range(1, 21)]
    report = await own.sync("products", "no number", *ids, "1e9", "99")
    assert counts(report) == {"read": 22, "created": 20, "failed": 2}
    assert [(one.external_id, one.field) for one in report.errors] == [("no number", "id"), ("1e9", "id")]
    assert "no number" in (await own.get("products")).last_error


@pytest.mark.parametrize(
    "variable",
    ["DATABASE_URL", "OPENAI_API_KEY", "KLADEZ_DATABASE_URL", "KLADEZ_SOURCE_", "kladez_source_shop", ""],
)
async def test_only_variables_with_the_prefix_may_be_named(own: Sourced, variable: str) -> None:
    with refused("INVALID_ARGUMENT", field="source.dsn_variable"):
        await own.declare("products", dsn_variable=variable)


async def test_variable_that_is_not_set_is_named(own: Sourced) -> None:
    await own.declare("products", dsn_variable="KLADEZ_SOURCE_NOWHERE")
    failure = await failure_of(own.sync("products"))
    assert failure.code == "FAILED_PRECONDITION"
    assert "KLADEZ_SOURCE_NOWHERE" in str(failure)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "No spaces"),
        ("source_type", "Ünï"),
        ("ids_query", "SELECT * FROM products"),
        ("ids_query", "SELECT 1 WHERE 1 = ANY(%(ids)s); DROP TABLE products"),
        ("all_query", ""),
        ("id_column", ""),
        ("text_template", ""),
        ("text_template", "{{ title"),
        ("text_template", "{{ title.__class__() }}"),
        ("title_template", "{% set a = 1 %}"),
        ("language", "english"),
    ],
)
async def test_wrong_declaration_names_its_field(own: Sourced, field: str, value: str) -> None:
    with refused("INVALID_ARGUMENT", field=f"source.{field}"):
        await own.declare("products", **{field: value})


async def test_type_of_a_source_cannot_be_changed(own: Sourced) -> None:
    await own.declare("products")
    with refused("INVALID_ARGUMENT", field="source.source_type"):
        await own.declare("products", source_type="goods")


async def test_two_sources_cannot_share_a_type(own: Sourced) -> None:
    await own.declare("products")
    with refused("ALREADY_EXISTS"):
        await own.declare("orders", source_type="catalogue_product")


async def test_tenants_key_cannot_declare_or_delete(own: Sourced) -> None:
    await own.declare("products")
    with refused("PERMISSION_DENIED"):
        await own.shop.client.upsert_source(pb.UpsertSourceRequest(source=example("orders")))
    with refused("PERMISSION_DENIED"):
        await own.shop.client.delete_source(pb.DeleteSourceRequest(name="products"))


async def test_deleted_source_leaves_its_documents(own: Sourced) -> None:
    await own.declare("products")
    await own.sync("products")
    await own.operator.delete_source(pb.DeleteSourceRequest(name="products"))
    with refused("NOT_FOUND"):
        await own.sync("products")
    assert set(await documents(own, "catalogue_product")) == {"1", "2"}


async def test_sources_are_listed_by_name_page_by_page(own: Sourced) -> None:
    for name in examples():
        await own.declare(name)
    listing = pb.ListSourcesRequest(page_size=2)
    names: list[str] = []
    while True:
        page = await own.shop.client.list_sources(listing)
        names += [one.name for one in page.sources]
        listing.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert names == sorted(examples())


async def test_trial_warns_of_missing_indexes_columns_and_any(own: Sourced) -> None:
    await own.sql.execute("ALTER TABLE products DROP CONSTRAINT products_pkey")
    await own.sql.execute("DROP INDEX products_updated_at_idx")
    await own.declare(
        "products",
        ids_query="SELECT * FROM products WHERE id IN (SELECT unnest(%(ids)s::int[]))",
        title_template="{{ headline }}",
        section_column="shelf",
    )
    trial = await own.test("products")
    subjects = [warning.partition(":")[0] for warning in trial.warnings]
    assert subjects == ["section_column", "title_template", "id", "updated_at", "ids_query"]
    assert trial.rows[0].error


async def test_trial_stores_nothing(own: Sourced) -> None:
    await own.declare("products")
    await own.test("products")
    assert await documents(own, "catalogue_product") == {}
    assert not (await own.get("products")).HasField("last_sync_time")


async def test_index_job_reads_the_changed_rows_of_two_sources(
    service: tuple[Running, str], own: Sourced
) -> None:
    await own.declare("products")
    await own.declare("orders")
    request = jobs_pb.CreateIndexJobRequest(
        scope=jobs_pb.IndexScope(
            changed=jobs_pb.IndexChanged(
                sources={"products": jobs_pb.ChangedIds(ids=["1", "99"]), "orders": jobs_pb.ChangedIds()}
            )
        )
    )
    job = (await own.shop.client.create_index_job(request)).index_job
    assert job.scope.WhichOneof("scope") == "changed"
    async with working(service[0].service):
        watch = jobs_pb.WatchIndexJobRequest(index_job_id=job.index_job_id)
        last = [one.index_job async for one in own.shop.client.watch_index_job(watch)][-1]
    assert last.state == jobs_pb.INDEX_JOB_STATE_COMPLETED
    assert (last.progress.total_count, last.progress.indexed_count, last.progress.skipped_count) == (3, 2, 1)
    assert set(await documents(own, "catalogue_product")) == {"1"}
    assert set(await documents(own, "order")) == {"70"}
