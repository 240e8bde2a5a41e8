"""Processes of one installation that run with different settings: who is let in, who decides, who ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import psycopg
import pytest
from psycopg import sql
from structlog.testing import capture_logs

from retrieval_service import errors
from retrieval_service.domain.operations.processes import EMBEDDER, NEXT_EMBEDDER, PROVIDER, WEIGHTS, Kind
from retrieval_service.services.operations import process_agreement
from retrieval_service.services.operations.process_agreement import Presence, Presences
from retrieval_service.stores.database import Database, PoolSize, open_database
from retrieval_service.stores.schema import schema

OLD, NEW = "local/old@1:3", "openai/new@1:4"
SETTINGS = {**dict.fromkeys(WEIGHTS, "same"), EMBEDDER: OLD, NEXT_EMBEDDER: ""}
SILENCE = "UPDATE processes SET alive_at = alive_at - interval '1 minute'"
SPACE = """
INSERT INTO embedding_spaces
    (key, provider, model, revision, dimensions, max_tokens, languages, scripts, query_prefix, passage_prefix)
VALUES (%s, 'any', 'any', '1', 3, 9, '{}', '{}', '', '') RETURNING id
"""
TENANT = "INSERT INTO tenants (name, space_id) VALUES ('shop', %s)"


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    async with open_database(database_dsn, PoolSize(minimum=1, maximum=2)) as opened:
        yield opened


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_agreement, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(process_agreement, "LOOK_SECONDS", 0.02)


async def entered(database: Database, kind: Kind = Kind.SERVER, **changes: str) -> Presence:
    presence = Presence(database, kind, f"host:{kind}")
    await presence.announce({**SETTINGS, **changes})
    return presence


async def names(database: Database) -> list[str]:
    return [one.name for one in await Presences(database).known()]


def tenant_in(dsn: str, key: str) -> None:
    with psycopg.connect(dsn) as connection:
        [space] = connection.execute(SPACE, (key,))
        connection.execute(TENANT, space)


def silenced(dsn: str) -> None:
    """As if everybody had been killed a minute ago."""
    with psycopg.connect(dsn) as connection:
        connection.execute(SILENCE)


class Decisions:
    """Counts what is decided for all tenants."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self) -> None:
        self.count += 1


async def soon(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", [Kind.WORKER, Kind.ONCE])
@pytest.mark.parametrize(
    ("setting", "value"),
    [(EMBEDDER, NEW), ("USE_OPENAI_RETRIEVAL", "false"), ("KLADEZ_OWN_INDEX_CHUNKS", "5")],
)
async def test_worker_with_another_setting_is_refused_in_one_line_and_leaves_no_trace(
    database: Database, kind: Kind, setting: str, value: str
) -> None:
    await entered(database)
    with pytest.raises(errors.SettingsDiffer) as refused:
        await entered(database, kind, **{setting: value})
    said = str(refused.value)
    assert all(part in said for part in (setting, value, SETTINGS[setting], "server host:server"))
    assert "\n" not in said
    assert await names(database) == ["host:server"]


@pytest.mark.parametrize("ended", ["left", "killed"])
async def test_worker_is_held_to_what_the_last_server_said_when_none_lives(
    database: Database, database_dsn: str, ended: str
) -> None:
    server = await entered(database)
    await server.leave() if ended == "left" else await asyncio.to_thread(silenced, database_dsn)
    with pytest.raises(errors.SettingsDiffer):
        await entered(database, Kind.ONCE, **{EMBEDDER: NEW})
    assert await entered(database, Kind.ONCE)


async def test_worker_before_any_server_is_held_to_what_tenants_are_searched_in(
    database: Database, database_dsn: str
) -> None:
    assert await entered(database, Kind.WORKER, **{EMBEDDER: NEW})
    await asyncio.to_thread(tenant_in, database_dsn, OLD)
    with pytest.raises(errors.SettingsDiffer, match="the tenants"):
        await entered(database, Kind.WORKER, **{EMBEDDER: NEW})
    assert await entered(database, Kind.WORKER)


@pytest.mark.parametrize("setting", [NEXT_EMBEDDER, PROVIDER, "KLADEZ_PRICES", "KLADEZ_SCHEDULE_REBUILD"])
async def test_worker_whose_difference_only_matters_works(database: Database, setting: str) -> None:
    await entered(database)
    with capture_logs() as logged:
        await entered(database, Kind.WORKER, **{setting: "other"})
    assert [(one["event"], one["setting"]) for one in logged] == [("setting_differs", setting)]


async def test_server_beside_a_living_one_with_another_model_is_refused(
    database: Database, database_dsn: str
) -> None:
    living = await entered(database)
    running = asyncio.create_task(living.run())
    with pytest.raises(errors.SettingsDiffer, match=NEW):
        await entered(database, **{EMBEDDER: NEW})
    running.cancel()
    assert await names(database) == ["host:server"]


async def test_server_waits_out_a_killed_one(database: Database, database_dsn: str) -> None:
    await entered(database)
    waiting = asyncio.create_task(entered(database, **{EMBEDDER: NEW}))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await asyncio.to_thread(silenced, database_dsn)
    assert await waiting


async def test_server_with_a_new_model_decides_alone(database: Database) -> None:
    await (await entered(database)).leave()
    decisions = Decisions()
    await (await entered(database, **{EMBEDDER: NEW})).decide(decisions)
    assert decisions.count == 1


@pytest.mark.parametrize("kind", [Kind.WORKER, Kind.ONCE])
async def test_worker_never_decides(database: Database, kind: Kind) -> None:
    decisions = Decisions()
    await (await entered(database, kind)).decide(decisions)
    assert decisions.count == 0


async def test_worker_ends_when_the_servers_change_and_only_then_is_decided(database: Database) -> None:
    server = await entered(database)
    worker = await entered(database, Kind.WORKER)
    await server.leave()
    decisions, changed = Decisions(), await entered(database, **{EMBEDDER: NEW})
    await changed.decide(decisions)
    assert decisions.count == 0, "a living worker runs with the old model"
    with pytest.raises(errors.SettingsDiffer):
        await asyncio.wait_for(worker.run(), 10)
    await worker.leave()
    running = asyncio.create_task(changed.run())
    await soon(lambda: done(decisions))
    running.cancel()


async def done(decisions: Decisions) -> bool:
    return decisions.count == 1


async def test_server_without_openai_beside_one_with_it_decides_nothing(database: Database) -> None:
    await entered(database)
    decisions = Decisions()
    await (await entered(database, **{PROVIDER: ""})).decide(decisions)
    assert decisions.count == 0


async def test_end_of_a_move_by_hand_is_no_dispute(database: Database, database_dsn: str) -> None:
    """All tenants are in the second model's space: a server may have it as its first, beside one of before."""
    await entered(database, **{NEXT_EMBEDDER: NEW})
    await asyncio.to_thread(tenant_in, database_dsn, NEW)
    assert await entered(database, **{EMBEDDER: NEW})


async def test_move_by_hand_that_has_not_ended_is_a_dispute(database: Database, database_dsn: str) -> None:
    living = await entered(database, **{NEXT_EMBEDDER: NEW})
    await asyncio.to_thread(tenant_in, database_dsn, OLD)
    running = asyncio.create_task(living.run())
    with pytest.raises(errors.SettingsDiffer):
        await entered(database, **{EMBEDDER: NEW})
    running.cancel()


async def test_two_servers_that_start_together_agree_on_one_model(database: Database) -> None:
    found = await asyncio.gather(
        *(started(database, model) for model in (OLD, NEW, OLD, NEW)), return_exceptions=True
    )
    assert len({one for one in found if isinstance(one, str)}) == 1
    refused = [one for one in found if not isinstance(one, str)]
    assert len(refused) == 2
    assert all(isinstance(one, errors.SettingsDiffer) for one in refused)


async def started(database: Database, model: str) -> str:
    presence = await entered(database, **{EMBEDDER: model})
    await asyncio.wait([asyncio.create_task(presence.run())], timeout=1)
    return model


async def test_process_that_slept_for_a_day_is_known_again(database: Database, database_dsn: str) -> None:
    server = await entered(database)
    running = asyncio.create_task(server.run())
    await asyncio.to_thread(forgotten, database_dsn)
    await soon(lambda: is_known(database))
    running.cancel()


def forgotten(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("DELETE FROM processes")


async def is_known(database: Database) -> bool:
    return bool(await names(database))


async def test_traces_of_killed_processes_are_swept(database: Database, database_dsn: str) -> None:
    await entered(database, Kind.WORKER)
    await asyncio.to_thread(aged, database_dsn)
    server = await entered(database)
    running = asyncio.create_task(server.run())
    await soon(lambda: only_server(database))
    running.cancel()


def aged(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE processes SET alive_at = alive_at - interval '2 days'")


async def only_server(database: Database) -> bool:
    return await names(database) == ["host:server"]


async def test_schema_that_is_taken_back_meanwhile_ends_no_server(
    database: Database, database_dsn: str
) -> None:
    server = await entered(database)
    await schema.downgrade(database_dsn, "0018")
    with capture_logs() as logged:
        await asyncio.wait([asyncio.create_task(server.run())], timeout=0.5)
        await server.leave()
    assert {one["event"] for one in logged} == {"presence_unsaid"}


@pytest.mark.parametrize("table", ["processes", "installation"])
def test_tenants_role_sees_nothing_of_it(database_dsn: str, table: str) -> None:
    with psycopg.connect(database_dsn) as connection:
        connection.execute("SET ROLE kladez_tenant")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(sql.SQL("SELECT 1 FROM {}").format(sql.Identifier(table)))
