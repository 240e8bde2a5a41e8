"""`kladez backup` and `kladez restore`, and plain pg_dump and pg_restore: all of it comes back, and is closed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from kladez.v1 import search_service_pb2 as search_pb
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict

from retrieval_service import errors
from retrieval_service.client import Client
from retrieval_service.domain.operations.backups import Manifest, Unusable, differing, parsed
from retrieval_service.postgres import tools
from retrieval_service.postgres.embedded import Embedded, embedded_postgres
from retrieval_service.services.operations import backup_files, doctor_checks, restoration
from retrieval_service.stores.access import declared_access, logins, securing
from retrieval_service.stores.schema import schema
from tests.conftest import temporary_database
from tests.kits.indexing_kit import value
from tests.kits.isolation_kit import Owned, dump, new_owned
from tests.kits.postgres import start_server
from tests.kits.service_kit import (
    Running,
    Shop,
    bearer,
    channel_to,
    new_shop,
    running_service,
    settings_for_tests,
    upsert,
    wait_until_indexed,
)

# Several servers and processes on a machine that also does something else.
pytestmark = pytest.mark.timeout(600)

QUESTIONS = ("How are cloves dried?", "kettle", "бесплатная доставка", "steamed green tea", "note 7")
TEXTS = (
    "Green tea is steamed, black tea is left to wither.",
    "Доставка бесплатна от 3000 рублей.",
    "A kettle of copper boils water in three minutes.",
    *(f"Note {number}: the shop opens at {number} o'clock." for number in range(20)),
)


@dataclass(frozen=True, kw_only=True)
class Original:
    """A database with tenants in it, its backup, and what was found and stored there."""

    dsn: str
    file: Path
    manifest: Manifest
    shop: Shop
    owned: Owned
    found: list[str]
    rows: dict[str, list[object]]


@pytest.fixture(scope="module")
def original(
    postgres_server: Embedded, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Original]:
    """Made once: a backup changes nothing."""
    file = tmp_path_factory.mktemp("backups") / "kladez.backup"
    with (
        temporary_database(postgres_server, template=migrated_template) as dsn,
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
    ):
        yield runner.run(backed_up(dsn, file))


async def backed_up(dsn: str, file: Path) -> Original:
    async with running_service(dsn, workers=1) as running:
        owned, shop = await new_owned(running), await new_shop(running)
        for number, text in enumerate(TEXTS):
            await upsert(shop, str(number), text)
        await wait_until_indexed(shop)
        found = await searched(shop.client)
        rows = await dump(running, owned.shop.tenant_id)
        manifest = await made(dsn, file)
    return Original(dsn=dsn, file=file, manifest=manifest, shop=shop, owned=owned, found=found, rows=rows)


async def made(dsn: str, file: Path) -> Manifest:
    return await backup_files.back_up(dsn, file, on_tables=lambda _: None, on_table=lambda: None)


async def put_back(dsn: str, file: Path, *, replaces: bool = False) -> restoration.Restored:
    return await restoration.restore(
        dsn, None, file, replaces=replaces, on_tables=lambda _: None, on_table=lambda: None
    )


async def searched(client: Client) -> list[str]:
    """Every hit with its score, by every mode."""
    requests = [
        search_pb.SearchRequest(query=question, mode=mode, page_size=20)
        for question in QUESTIONS
        for mode in (
            search_pb.SEARCH_MODE_HYBRID,
            search_pb.SEARCH_MODE_SEMANTIC,
            search_pb.SEARCH_MODE_FULL_TEXT,
        )
    ]
    responses = [await client.search(request) for request in requests]
    return [repr((hit.document_id, hit.chunk_id, hit.score)) for one in responses for hit in one.hits]


@pytest.fixture
def fresh_server() -> Iterator[Embedded]:
    """A server that has never heard of our roles."""
    with start_server() as server:
        yield server


@asynccontextmanager
async def served(dsn: str, original: Original) -> AsyncIterator[tuple[Running, Client]]:
    """A service on the restored database, and the shop's client with the key that it had before."""
    async with running_service(dsn, migrate=False) as running, channel_to(running.port) as channel:
        yield running, Client(channel, bearer(original.shop.key))


async def assert_as_before(dsn: str, original: Original) -> None:
    async with served(dsn, original) as (running, client):
        assert await dump(running, original.owned.shop.tenant_id) == original.rows
        assert await searched(client) == original.found
        await assert_isolated(running, original)
    settings = await asyncio.to_thread(settings_for_tests)
    findings = await doctor_checks.examine(settings, dsn)
    assert [
        (one.name, one.detail) for one in findings if not one.ok and not one.name.startswith("backlog")
    ] == []


async def assert_isolated(running: Running, original: Original) -> None:
    """A stranger sees no row of the tenant in any table, by the door that it comes in."""
    intruder = await new_shop(running)
    async with await AsyncConnection.connect(running.dsn) as superuser:
        tables = [name for name in original.manifest.standing.rows if original.rows.get(name)]
        assert len(tables) > 20
        await superuser.execute("SET LOCAL ROLE kladez_tenant")
        await superuser.execute("SELECT set_config('app.tenant_id', %s, true)", (intruder.tenant_id,))
        for table in sorted(set(tables) - {"api_keys", "tenants"}):
            statement = sql.SQL("SELECT count(*) FROM {} WHERE tenant_id <> %s").format(sql.Identifier(table))
            assert await value(superuser, statement, intruder.tenant_id) == 0, table
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await superuser.execute("SELECT 1 FROM api_keys")


async def test_backup_restored_on_a_new_server_is_the_same_database(
    original: Original, fresh_server: Embedded
) -> None:
    restored = await put_back(fresh_server.dsn, original.file)
    assert (restored.problems, restored.revision) == ([], original.manifest.standing.revision)
    await assert_as_before(fresh_server.dsn, original)


async def test_plain_dump_restored_without_roles_is_closed_by_migrating(
    original: Original, fresh_server: Embedded, tmp_path: Path
) -> None:
    """What somebody does who never heard of `kladez restore`; pg_restore goes on after its errors."""
    file = tmp_path / "plain.dump"
    await postgres_program("pg_dump", original.dsn, "-Fc", f"--file={file}")
    with pytest.raises(errors.Unavailable, match="kladez_tenant"):
        await postgres_program("pg_restore", fresh_server.dsn, str(file))
    assert len((await securing.compared(fresh_server.dsn)).differences) > 100
    await schema.upgrade(fresh_server.dsn)
    assert (await securing.compared(fresh_server.dsn)).differences == []
    await assert_as_before(fresh_server.dsn, original)


async def test_backup_is_read_by_plain_pg_restore_too(original: Original, fresh_server: Embedded) -> None:
    with pytest.raises(errors.Unavailable):
        await postgres_program("pg_restore", fresh_server.dsn, str(original.file))
    await schema.prepare(fresh_server.dsn, migrates=False)
    await assert_as_before(fresh_server.dsn, original)


async def postgres_program(name: str, dsn: str, *arguments: str) -> None:
    program = await tools.find(name, release=18, needs_tls=False)
    await tools.run(program, arguments, await asyncio.to_thread(backup_files.target_of, dsn))


def test_manifest_says_what_was_backed_up(original: Original) -> None:
    standing = original.manifest.standing
    assert original.manifest == parsed(backup_files.manifest_of(original.file).read_text())
    assert standing.roles == [declared_access.OPERATOR, declared_access.TENANT]
    assert (standing.policy_count >= 43, standing.grant_count >= 102, standing.is_leakproof) == (
        True,
        True,
        True,
    )
    assert (standing.rows["tenants"], standing.rows["documents"]) == (2, 2 + len(TEXTS))
    assert {"documents", "chunk_vectors_1", "api_keys"} <= set(standing.closed_tables)


def test_files_are_for_their_owner_alone(original: Original) -> None:
    for file in (original.file, backup_files.manifest_of(original.file)):
        assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in original.file.parent.iterdir()) == [
        "kladez.backup",
        "kladez.backup.json",
    ]


def damaged_copy(original: Original, folder: Path) -> Path:
    file = folder / "copy.backup"
    file.write_bytes(original.file.read_bytes())
    backup_files.manifest_of(file).write_text(original.manifest.text())
    return file


@pytest.mark.parametrize(
    "harm", ["a byte", "the end", "no manifest", "another manifest", "no json", "a part"]
)
async def test_damaged_backup_is_refused_before_anything_is_touched(
    original: Original, empty_database_dsn: str, tmp_path: Path, harm: str
) -> None:
    file = damaged_copy(original, tmp_path)
    harmed(file, harm)
    with pytest.raises(Unusable):
        await put_back(empty_database_dsn, file)
    assert await tables_of(empty_database_dsn) == 0


def harmed(file: Path, harm: str) -> None:
    content, manifest = bytearray(file.read_bytes()), backup_files.manifest_of(file)
    told = json.loads(manifest.read_text())
    if harm == "a byte":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif harm == "the end":
        file.write_bytes(content[:-10])
    elif harm == "no manifest":
        manifest.unlink()
    elif harm == "another manifest":
        manifest.write_text(json.dumps({**told, "sha256": "0" * 64}))
    elif harm == "no json":
        manifest.write_text("[]")
    else:
        del told["standing"]["rows"]
        manifest.write_text(json.dumps(told))


async def test_backup_of_a_newer_program_is_refused(
    original: Original, empty_database_dsn: str, tmp_path: Path
) -> None:
    file = damaged_copy(original, tmp_path)
    newer = replace(original.manifest, standing=replace(original.manifest.standing, revision="9999"))
    await asyncio.to_thread(backup_files.manifest_of(file).write_text, newer.text())
    with pytest.raises(Unusable, match="9999, which this program does not know"):
        await put_back(empty_database_dsn, file)


async def test_count_that_differs_afterwards_is_told_by_table(
    original: Original, empty_database_dsn: str, tmp_path: Path
) -> None:
    file = damaged_copy(original, tmp_path)
    rows = {**original.manifest.standing.rows, "documents": 99}
    other = replace(original.manifest, standing=replace(original.manifest.standing, rows=rows))
    await asyncio.to_thread(backup_files.manifest_of(file).write_text, other.text())
    with pytest.raises(Unusable, match="documents: 99 then, 25 now"):
        await put_back(empty_database_dsn, file)


def test_tables_that_came_or_went_differ_too() -> None:
    assert differing({"a": 1, "b": 2}, {"b": 2, "c": 3}) == ["a: 1 then, 0 now", "c: 0 then, 3 now"]


async def test_database_that_holds_something_is_refused_and_replaced_when_told(
    original: Original, database_dsn: str
) -> None:
    async with await AsyncConnection.connect(database_dsn) as connection:
        await connection.execute("INSERT INTO tenants (name) VALUES ('Somebody else')")
    with pytest.raises(restoration.NotEmpty, match="--replace"):
        await put_back(database_dsn, original.file)
    restored = await put_back(database_dsn, original.file, replaces=True)
    assert restored.problems == []
    await assert_as_before(database_dsn, original)


async def test_database_in_use_is_not_replaced(original: Original, database_dsn: str) -> None:
    async with await AsyncConnection.connect(database_dsn):
        with pytest.raises(errors.Misconfigured, match="Others use the database"):
            await put_back(database_dsn, original.file, replaces=True)
    assert await tables_of(database_dsn) > 20


async def test_backup_of_an_older_schema_is_brought_forward(
    original: Original, empty_database_dsn: str, database_dsn: str, tmp_path: Path
) -> None:
    older = (await asyncio.to_thread(schema.revisions))[-2]
    await schema.downgrade(database_dsn, older)
    await made(database_dsn, tmp_path / "older.backup")
    restored = await put_back(empty_database_dsn, tmp_path / "older.backup")
    assert (restored.manifest.standing.revision, restored.revision) == (
        older,
        await asyncio.to_thread(schema.head),
    )
    assert restored.problems == []


async def test_other_programs_tables_are_neither_backed_up_nor_replaced(
    original: Original, database_dsn: str, tmp_path: Path
) -> None:
    async with await AsyncConnection.connect(database_dsn) as connection:
        await connection.execute(
            'CREATE TABLE "Their invoices" (id int); INSERT INTO "Their invoices" VALUES (7)'
        )
    manifest = await made(database_dsn, tmp_path / "ours.backup")
    assert "Their invoices" not in manifest.standing.rows
    await put_back(database_dsn, original.file, replaces=True)
    async with await AsyncConnection.connect(database_dsn) as connection:
        assert await (await connection.execute('SELECT id FROM "Their invoices"')).fetchone() == (7,)


async def test_writing_goes_on_while_one_moment_is_backed_up(
    original: Original, fresh_server: Embedded, tmp_path: Path
) -> None:
    """The counts are those of the file's own moment, whatever is written meanwhile."""
    async with running_service(original.dsn) as running:
        shop = await new_shop(running)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(writing(shop, stop))
            manifest = await made(original.dsn, tmp_path / "busy.backup")
            stop.set()
    assert (await put_back(fresh_server.dsn, tmp_path / "busy.backup")).problems == []
    assert manifest.standing.rows["tenants"] == original.manifest.standing.rows["tenants"] + 1


async def writing(shop: Shop, stop: asyncio.Event) -> None:
    number = 0
    while not stop.is_set():
        number += 1
        await upsert(shop, str(number), "Tea.")


async def test_existing_file_is_never_replaced(original: Original) -> None:
    before = original.file.read_bytes()
    with pytest.raises(errors.Misconfigured, match="exists already"):
        await made(original.dsn, original.file)
    assert original.file.read_bytes() == before


async def test_missing_folder_is_named(original: Original, tmp_path: Path) -> None:
    with pytest.raises(errors.Misconfigured, match="no folder"):
        await made(original.dsn, tmp_path / "nowhere" / "kladez.backup")


@pytest.mark.parametrize(
    ("make", "name", "said"),
    [
        (None, "nowhere/a.backup", "There is no folder {folder}/nowhere"),
        ("file", "a.backup/b.backup", "There is no folder {folder}/a.backup"),
        ("file", "a.backup", "{folder}/a.backup exists already"),
        ("manifest", "a.backup", "{folder}/a.backup.json exists already"),
        ("folder", "a.backup", "{folder}/a.backup is a folder"),
        (None, "a" * 300, "{folder}/" + "a" * 300 + " cannot be written: File name too long"),
    ],
)
async def test_place_for_a_backup_is_looked_at_before_the_database_and_named(
    tmp_path: Path, make: str | None, name: str, said: str
) -> None:
    if make == "folder":
        (tmp_path / "a.backup").mkdir()
    elif make:
        (tmp_path / {"file": "a.backup", "manifest": "a.backup.json"}[make]).write_text("x")
    told = await one_line("backup", str(tmp_path / name), nothing_runs=tmp_path / "data")
    assert said.format(folder=tmp_path) in told


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("nothing there", "there is no file {file}"),
        ("a folder", "{file} is a folder"),
        ("an empty file", "{file} is empty"),
        ("a pipe", "{file} is no regular file"),
        ("another file", "{file} is no backup: it needs its manifest kladez.backup.json beside it"),
        ("another manifest", "{file}.json: the manifest is not one of a backup"),
        ("a manifest in Latin-1", "{file}.json: the manifest is not one of a backup"),
        ("a folder for a manifest", "{file}.json cannot be read: Is a directory"),
    ],
)
async def test_what_is_no_backup_is_told_before_a_database_is_started(
    tmp_path: Path, harm: str, said: str
) -> None:
    file = tmp_path / "kladez.backup"
    no_backup(file, harm)
    told = await one_line("restore", str(file), nothing_runs=tmp_path / "data")
    assert said.format(file=file) in told


def no_backup(file: Path, harm: str) -> None:
    if harm == "nothing there":
        return
    if harm == "a folder":
        file.mkdir()
    elif harm == "a pipe":
        os.mkfifo(file)
    else:
        file.write_bytes(b"" if harm == "an empty file" else b"PGDMP")
    manifest = backup_files.manifest_of(file)
    if harm == "a folder for a manifest":
        manifest.mkdir()
    elif "manifest" in harm:
        manifest.write_bytes(b"{}" if harm == "another manifest" else "é".encode("latin-1"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
async def test_files_of_others_are_named(tmp_path: Path) -> None:
    file, closed = tmp_path / "kladez.backup", tmp_path / "closed"
    file.write_bytes(b"PGDMP")
    file.chmod(0)
    told = await one_line("restore", str(file), nothing_runs=tmp_path / "data")
    assert f"{file} cannot be read: Permission denied" in told
    closed.mkdir(mode=0o500)
    told = await one_line("backup", str(closed / "a"), nothing_runs=tmp_path / "data")
    assert f"{closed / 'a'} cannot be written" in told


async def test_file_that_fails_while_it_is_read_is_named(tmp_path: Path) -> None:
    told = await one_line("restore", "/proc/self/mem", nothing_runs=tmp_path / "data")
    assert "/proc/self/mem cannot be read: Input/output error" in told


async def one_line(*arguments: str, nothing_runs: Path) -> str:
    """What a failing command says, which starts no database for it."""
    told = await kladez(*arguments, "--data-dir", str(nothing_runs), code=1)
    [line] = told.splitlines()
    assert line.startswith("kladez: ")
    assert "unexpected" not in line
    assert not await asyncio.to_thread(nothing_runs.exists)
    return line


async def test_full_disk_is_told(original: Original) -> None:
    """Every byte that is written to /dev/full is one too many."""
    with pytest.raises(errors.Unavailable, match="No space left"):
        await postgres_program("pg_dump", original.dsn, "-Fc", "--file=/dev/full")


async def test_backup_that_is_cut_short_leaves_nothing(original: Original, tmp_path: Path) -> None:
    def cut() -> None:
        raise errors.Unavailable("cut short")

    with pytest.raises(errors.Unavailable, match="cut short"):
        await backup_files.back_up(
            original.dsn, tmp_path / "kladez.backup", on_tables=lambda _: None, on_table=cut
        )
    assert names_in(tmp_path) == []


def names_in(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


TABLES = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"


async def tables_of(dsn: str) -> int:
    async with await AsyncConnection.connect(dsn) as connection:
        return await value(connection, TABLES)


async def test_role_that_is_kept_from_rows_makes_no_backup_with_holes(
    postgres_server: Embedded, database_dsn: str, tmp_path: Path
) -> None:
    doors = await logins.doors(database_dsn)
    with pytest.raises(errors.Misconfigured, match="KLADEZ_ADMIN_DATABASE_URL"):
        await made(doors.owner, tmp_path / "kladez.backup")
    assert names_in(tmp_path) == []


async def test_programs_of_an_older_release_are_not_used() -> None:
    with pytest.raises(
        errors.Misconfigured, match=r"needs pg_dump of that release or a newer one; found: .* of 18"
    ):
        await tools.find("pg_dump", release=99, needs_tls=False)


async def test_password_stands_on_no_command_line(original: Original, tmp_path: Path) -> None:
    password = str(conninfo_to_dict(original.dsn)["password"])
    target = await asyncio.to_thread(backup_files.target_of, original.dsn)
    assert password not in target.conninfo + repr(target)
    assert target.secrets == {"PGPASSWORD": password}
    task = asyncio.create_task(made(original.dsn, tmp_path / "kladez.backup"))
    lines: set[str] = set()
    while not task.done():
        lines |= set(command_lines_of_programs())
        await asyncio.sleep(0.001)
    await task
    assert lines
    assert not [line for line in lines if password in line]


def command_lines_of_programs() -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if "pg_dump" in line.split("\0", 1)[0]:
            found.append(line)
    return found


class TestCommandLine:
    """As an operator types it, for the embedded database that `kladez up` leaves in its folder."""

    async def test_embedded_database_is_backed_up_and_restored_when_nothing_runs(
        self, tmp_path: Path
    ) -> None:
        async with embedded_postgres(tmp_path / "one", durable=False) as server:
            await schema.upgrade(server.dsn)
            async with await AsyncConnection.connect(server.dsn) as connection:
                await connection.execute("INSERT INTO tenants (name) VALUES ('Чайная')")
        file = tmp_path / "kladez.backup"
        told = json.loads(await kladez("backup", str(file), "--json", "--data-dir", str(tmp_path / "one")))
        assert (told["standing"]["rows"]["tenants"], told["file"]) == (1, str(file))
        told = json.loads(await kladez("restore", str(file), "--json", "--data-dir", str(tmp_path / "two")))
        assert (told["problems"], told["revision"]) == ([], await asyncio.to_thread(schema.head))
        refused = await kladez("restore", str(file), "--data-dir", str(tmp_path / "two"), code=1)
        assert "--replace" in refused
        assert "rows as they were" in await kladez(
            "restore", str(file), "--replace", "--data-dir", str(tmp_path / "two")
        )

    async def test_folder_without_a_database_is_not_made_one(self, tmp_path: Path) -> None:
        told = await kladez("backup", str(tmp_path / "x"), "--data-dir", str(tmp_path / "nothing"), code=3)
        assert "There is no database" in told
        assert not (tmp_path / "nothing").exists()


async def kladez(*arguments: str, code: int = 0) -> str:
    variables = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "retrieval_service.cli.main", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=variables,
    )
    printed, complaints = await process.communicate()
    assert process.returncode == code, complaints.decode()
    return (complaints if code else printed).decode()
