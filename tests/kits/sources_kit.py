"""A shop's own database, and the ready-made sources that read it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from google.protobuf import json_format
from kladez.v1 import source_service_pb2 as pb

from retrieval_service.client import Client
from retrieval_service.postgres.embedded import Embedded
from tests.conftest import temporary_database
from tests.house.repository import text
from tests.kits.service_kit import Running, Shop, in_one_task, new_shop, running_service

VARIABLE = "KLADEZ_SOURCE_SHOP"
DEAD_VARIABLE = "KLADEZ_SOURCE_DEAD"
DEAD_DSN = "postgresql://shop:hidden@127.0.0.1:1/shop"

TABLES = """
CREATE TABLE orders (id bigint PRIMARY KEY, number text, customer text, status text, total numeric,
    currency text, items jsonb, updated_at timestamptz DEFAULT now());
CREATE TABLE products (id integer PRIMARY KEY, title text, description text, price numeric, currency text,
    category text, tags text[], updated_at timestamptz DEFAULT now());
CREATE TABLE stocks (id uuid PRIMARY KEY, product_id integer, quantity integer, warehouse text,
    updated_at timestamptz DEFAULT now());
CREATE TABLE reviews (id text PRIMARY KEY, product_id integer, author text, rating smallint, body text,
    updated_at timestamptz DEFAULT now());
CREATE TABLE sales (id bigint PRIMARY KEY, product_id integer, day date, quantity integer, revenue numeric,
    currency text, updated_at timestamptz DEFAULT now());
CREATE INDEX ON orders (updated_at);
CREATE INDEX ON products (updated_at);
CREATE INDEX ON stocks (updated_at);
CREATE INDEX ON reviews (updated_at);
CREATE INDEX ON sales (updated_at);
INSERT INTO products VALUES
    (1, 'Assam', 'A strong black tea.', 450, 'RUB', 'Tea', '{black, strong}'),
    (2, 'Moka', 'Кофе со вкусом шоколада.', NULL, 'RUB', 'Coffee', '{}');
INSERT INTO orders VALUES (70, 'A-70', 'Anna', 'paid', 900.50, 'RUB', '[{"title": "Assam", "quantity": 2}]');
INSERT INTO stocks VALUES ('7b6b3c5e-0000-4000-8000-000000000001', 1, 12, 'Kazan');
INSERT INTO reviews VALUES ('r1', 1, NULL, 5, 'Wonderful.');
INSERT INTO sales VALUES (5, 1, '2026-11-19', 3, 1350, 'RUB')
"""


@dataclass(frozen=True, kw_only=True)
class Sourced:
    """A tenant, a client that may declare sources for it, and its own database."""

    shop: Shop
    operator: Client
    sql: psycopg.AsyncConnection

    async def declare(self, name: str, /, **changes: Any) -> pb.Source:
        request = pb.UpsertSourceRequest(source=example(name, **changes))
        return (await self.operator.upsert_source(request)).source

    async def sync(self, name: str, *ids: str, every_row: bool = False) -> pb.SyncSourceResponse:
        request = pb.SyncSourceRequest(name=name, ids=ids, every_row=every_row)
        return await self.shop.client.sync_source(request)

    async def test(self, name: str) -> pb.TestSourceResponse:
        return await self.shop.client.test_source(pb.TestSourceRequest(name=name))

    async def get(self, name: str) -> pb.Source:
        return (await self.shop.client.get_source(pb.GetSourceRequest(name=name))).source


def examples() -> dict[str, pb.Source]:
    """The ready-made sources by name."""
    declared = json.loads(text("retrieval_service/demo/sources.json"))
    return {one["name"]: json_format.ParseDict(one, pb.Source()) for one in declared}


def example(name: str, /, **changes: Any) -> pb.Source:
    """A ready-made source; a change to "" takes the field away."""
    source = examples()[name]
    source.MergeFrom(pb.Source(**changes))
    for field in [field for field, value in changes.items() if value == ""]:
        source.ClearField(field)
    return source


@asynccontextmanager
async def source_service(server: Embedded, template: str) -> AsyncIterator[tuple[Running, str]]:
    """A service without worker and schedules; it knows a shop's database, whose address comes too, and a dead one."""
    with (
        temporary_database(server, template=template) as dsn,
        temporary_database(server, template="template1") as shop_dsn,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv(VARIABLE, shop_dsn)
        environment.setenv(DEAD_VARIABLE, DEAD_DSN)
        async with in_one_task(running_service(dsn, workers=0, schedule_reconcile="")) as running:
            yield running, shop_dsn


@asynccontextmanager
async def sourced(running: Running, shop_dsn: str) -> AsyncIterator[Sourced]:
    """A new tenant, and the shop's tables made anew."""
    shop = await new_shop(running)
    async with await psycopg.AsyncConnection.connect(shop_dsn, autocommit=True) as connection:
        await connection.execute("DROP SCHEMA public CASCADE")
        await connection.execute("CREATE SCHEMA public")
        await connection.execute(TABLES)
        yield Sourced(shop=shop, operator=running.client.for_tenant(shop.tenant_id), sql=connection)


def counts(report: pb.SyncSourceResponse) -> dict[str, int]:
    """Those that are not zero, by their short names."""
    fields = [field.name for field in pb.SyncSourceResponse.DESCRIPTOR.fields if field.name != "errors"]
    return {name.removesuffix("_count"): getattr(report, name) for name in fields if getattr(report, name)}
