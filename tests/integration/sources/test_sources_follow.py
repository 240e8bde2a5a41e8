"""Documents follow everything that their rows are made of, whether or not a column tells of the change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import source_service_pb2 as pb

from retrieval_service.postgres.embedded import Embedded
from retrieval_service.text import exact_json
from tests.kits.service_kit import Running
from tests.kits.sources_kit import VARIABLE, Sourced, counts, examples, source_service, sourced

pytestmark = pytest.mark.asyncio(loop_scope="module")

TYPES = {"stocks": "stock", "reviews": "review", "sales": "sale"}
# Only its own table's moment, as most people would write it.
PLAIN = (
    "SELECT s.id, s.quantity, s.warehouse, s.updated_at, p.title"
    " FROM stocks s {join} products p ON p.id = s.product_id"
)
BY_ID = "SELECT * FROM ({query}) AS r WHERE r.id = ANY(%(ids)s)"
RENAMED = "UPDATE {table} SET {column} = 'Samovar' WHERE id IN (1, 70)"
VIEW = "CREATE VIEW stocked AS {query}"
LONG_AGO = "UPDATE {table} SET updated_at = now() - interval '1 day'"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[tuple[Running, str]]:
    async with source_service(postgres_server, migrated_template) as known:
        yield known


@pytest_asyncio.fixture(loop_scope="module")
async def own(service: tuple[Running, str]) -> AsyncIterator[Sourced]:
    async with sourced(*service) as kit:
        for table in ("orders", "products", "stocks", "reviews", "sales"):
            await kit.sql.execute(LONG_AGO.format(table=table).encode())
        yield kit


async def texts(own: Sourced, source_type: str) -> dict[str, str]:
    """Titles and contents by external id."""
    listing = documents_pb.ListDocumentsRequest(source_type=source_type, page_size=500)
    found = (await own.shop.client.list_documents(listing)).documents
    return {one.external_id: await text(own, one) for one in found}


async def text(own: Sourced, document: documents_pb.Document) -> str:
    request = documents_pb.GetDocumentRequest(document_id=document.document_id)
    found = (await own.shop.client.get_document(request)).document
    return f"{found.title}\n{found.content}"


async def declared_as(own: Sourced, query: str, *, text_template: str, **changes: Any) -> None:
    """The source `stocks` with this query, read once."""
    source = pb.Source(
        name="stocks",
        dsn_variable=VARIABLE,
        source_type="stock",
        all_query=query,
        ids_query=BY_ID.format(query=query),
        id_column="id",
        updated_at_column="updated_at",
        text_template=text_template,
        **changes,
    )
    await own.operator.upsert_source(pb.UpsertSourceRequest(source=source))
    await own.sync("stocks")


@pytest.mark.parametrize("name", sorted(TYPES))
async def test_shipped_source_follows_the_other_table_of_its_join(own: Sourced, name: str) -> None:
    await own.declare(name)
    await own.sync(name)
    await own.sql.execute("UPDATE products SET title = 'Samovar', updated_at = now() WHERE id = 1")
    assert counts(await own.sync(name)) == {"read": 1, "updated": 1}
    [said] = (await texts(own, TYPES[name])).values()
    assert "Samovar" in said
    assert "Assam" not in said
    assert counts(await own.sync(name)) in ({}, {"read": 1, "unchanged": 1})


@pytest.mark.parametrize("name", sorted(examples()))
async def test_shipped_source_notices_a_change_that_no_moment_tells_of(own: Sourced, name: str) -> None:
    await own.declare(name)
    await own.sync(name)
    for table, column in (("products", "title"), ("orders", "customer")):
        await own.sql.execute(RENAMED.format(table=table, column=column).encode())
    assert (await own.sync(name)).updated_count == 1
    assert counts(await own.sync(name)) == {}


@pytest.mark.parametrize("join", ["JOIN", "LEFT JOIN"])
async def test_join_without_the_other_moment_is_followed(own: Sourced, join: str) -> None:
    await own.declare(
        "stocks",
        all_query=PLAIN.format(join=join),
        ids_query=PLAIN.format(join=join) + " WHERE s.id = ANY(%(ids)s)",
    )
    await own.sync("stocks")
    await own.sql.execute("UPDATE products SET title = 'Samovar', updated_at = now() WHERE id = 1")
    assert counts(await own.sync("stocks")) == {"read": 1, "updated": 1}
    assert "Samovar" in next(iter((await texts(own, "stock")).values()))


async def test_deleted_row_of_a_left_join_is_noticed(own: Sourced) -> None:
    query = "SELECT p.id, p.title, p.updated_at, r.body FROM products p LEFT JOIN reviews r ON r.product_id = p.id"
    await declared_as(own, query, text_template="{{ title }}: {{ body or 'no review' }}")
    await own.sql.execute("DELETE FROM reviews")
    assert counts(await own.sync("stocks")) == {"read": 1, "updated": 1}
    assert "Assam: no review" in (await texts(own, "stock"))["1"]


async def test_counted_rows_below_are_followed(own: Sourced) -> None:
    """One more, one changed, one less."""
    query = (
        "SELECT p.id, p.title, p.updated_at, (SELECT count(*) FROM reviews r WHERE r.product_id = p.id) AS reviews,"
        " (SELECT round(avg(rating), 2) FROM reviews r WHERE r.product_id = p.id) AS rating FROM products p"
    )
    await declared_as(own, query, text_template="{{ title }}: {{ reviews }} reviews, {{ rating }}")
    steps = {
        "INSERT INTO reviews VALUES ('r2', 1, NULL, 4, 'Good.')": "2 reviews, 4.50",
        "UPDATE reviews SET rating = 3 WHERE id = 'r2'": "2 reviews, 4.00",
        "DELETE FROM reviews WHERE id = 'r1'": "1 reviews, 3.00",
    }
    for statement, said in steps.items():
        await own.sql.execute(statement.encode())
        assert counts(await own.sync("stocks")) == {"read": 1, "updated": 1}
        assert said in (await texts(own, "stock"))["1"]


async def test_view_over_a_renamed_lookup_is_followed(own: Sourced) -> None:
    await own.sql.execute("CREATE TABLE shelves (name text PRIMARY KEY, label text)")
    await own.sql.execute("INSERT INTO shelves VALUES ('Tea', 'Tea room'), ('Coffee', 'Coffee corner')")
    await own.sql.execute(
        "CREATE VIEW shelved AS SELECT p.id, p.title, p.updated_at, s.label FROM products p"
        " JOIN shelves s ON s.name = p.category"
    )
    await declared_as(own, "SELECT * FROM shelved", text_template="{{ title }} stands in the {{ label }}.")
    await own.sql.execute("UPDATE shelves SET label = 'cellar' WHERE name = 'Tea'")
    assert counts(await own.sync("stocks")) == {"read": 1, "updated": 1}
    assert "Assam stands in the cellar." in (await texts(own, "stock"))["1"]


async def test_row_that_leaves_and_enters_the_condition_is_followed(own: Sourced) -> None:
    query = "SELECT id, title, updated_at FROM products WHERE category = 'Tea'"
    await declared_as(own, query, text_template="{{ title }}")
    await own.sql.execute("UPDATE products SET category = 'Archive' WHERE id = 1")
    assert counts(await own.sync("stocks")) == {"deleted": 1}
    await own.sql.execute("UPDATE products SET category = 'Tea'")
    assert counts(await own.sync("stocks")) == {"read": 2, "created": 1, "updated": 1}
    assert set(await texts(own, "stock")) == {"1", "2"}


async def test_document_that_somebody_changed_or_deleted_is_made_right(own: Sourced) -> None:
    await own.declare("products")
    await own.sync("products")
    document = documents_pb.Document(source_type="catalogue_product", external_id="1", content="Not tea.")
    await own.shop.client.upsert_document(documents_pb.UpsertDocumentRequest(document=document))
    key = documents_pb.DocumentKey(source_type="catalogue_product", external_id="2")
    await own.shop.client.delete_document(documents_pb.DeleteDocumentRequest(key=key))
    assert (await own.sync("products")).read_count == 2
    said = await texts(own, "catalogue_product")
    assert set(said) == {"1", "2"}
    assert "Not tea." not in said["1"]
    assert counts(await own.sync("products")) == {}


async def test_row_that_failed_is_tried_again_until_it_is_right(own: Sourced) -> None:
    await own.sql.execute("UPDATE products SET description = '' WHERE id = 2")
    await own.declare("products", text_template="{{ description }}", title_template="{{ title }}")
    for _ in range(2):
        assert (await own.sync("products")).failed_count == 1
    await own.sql.execute("UPDATE products SET description = 'Coffee.' WHERE id = 2")
    assert counts(await own.sync("products")) == {"read": 1, "created": 1}


async def test_exact_numbers_and_moments_of_rows_are_kept(own: Sourced) -> None:
    """Numbers beyond a float, small decimals without an exponent, microseconds and zones, and numbers in JSON."""
    query = (
        "SELECT 9007199254740993::bigint AS id, 123456789012345678.123456789::numeric AS total,"
        " 0.0000001::numeric AS rate, timestamptz '2026-01-02 03:04:05.678901+02' AS moment,"
        " '{\"order\": 9007199254740993}'::jsonb AS extra, now() AS updated_at"
    )
    names = ("total", "rate", "moment", "extra")
    await declared_as(
        own,
        query,
        text_template="{{ total }} {{ rate }} {{ extra.order }}",
        metadata_columns={name: name for name in names},
    )
    assert await texts(own, "stock") == {
        "9007199254740993": "\n123456789012345678.123456789 0.0000001 9007199254740993"
    }
    key = documents_pb.DocumentKey(source_type="stock", external_id="9007199254740993")
    found = await own.shop.client.get_document(documents_pb.GetDocumentRequest(key=key))
    assert exact_json.loads(found.document.metadata_json) == {
        "total": Decimal("123456789012345678.123456789"),
        "rate": 1e-07,
        "moment": "2026-01-02T01:04:05.678901+00:00",
        "extra": {"order": 9007199254740993},
    }


async def test_trial_warns_of_a_join_whose_other_table_is_not_told_of(own: Sourced) -> None:
    await own.declare(
        "stocks",
        all_query=PLAIN.format(join="JOIN"),
        ids_query=PLAIN.format(join="JOIN") + " WHERE s.id = ANY(%(ids)s)",
    )
    [warning] = (await own.test("stocks")).warnings
    assert warning.startswith("updated_at: comes from one of the tables products, stocks;")


async def test_trial_sees_the_tables_behind_a_view(own: Sourced) -> None:
    await own.sql.execute(VIEW.format(query=PLAIN.format(join="JOIN")).encode())
    query = "SELECT * FROM stocked"
    await own.declare("stocks", all_query=query, ids_query=query + " WHERE id = ANY(%(ids)s)")
    assert any("products, stocks" in warning for warning in (await own.test("stocks")).warnings)
