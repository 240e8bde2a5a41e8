"""`kladez import json` against a real service: resumed, compared, and taken back."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kladez.v1 import common_pb2
from kladez.v1 import document_service_pb2 as pb
from typer.testing import CliRunner, Result

from retrieval_service.cli import main
from retrieval_service.cli.connection import tenant_client
from retrieval_service.cli.imports import backups, json_commands, verification
from retrieval_service.cli.imports.files import Row
from retrieval_service.cli.imports.json_folder import JsonFolder, Mapped
from retrieval_service.cli.options import Options
from retrieval_service.text import exact_json
from tests.kits.service_kit import Running, Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT = 3_000


@pytest.fixture(scope="module")
def service_settings() -> dict[str, Any]:
    """Without a worker: what is only stored need not be embedded."""
    return {"workers": 0}


@pytest.fixture
def options(tmp_path: Path, running: Running, shop: Shop) -> Options:
    return Options(address=f"127.0.0.1:{running.port}", key=shop.key, data_dir=tmp_path / "data")


@pytest.fixture
def folder(tmp_path: Path) -> JsonFolder:
    path = tmp_path / "documents"
    path.mkdir()
    rows = [
        {"id": f"tea-{number}", "title": f"Tea {number}", "text": f"Чай номер {number}.", "price": number}
        for number in range(5)
    ]
    (path / "many.json").write_text(json.dumps(rows), encoding="utf-8")
    (path / "one.json").write_text('{"id": "page", "body": "<p>A page.</p>", "tags": ["web"]}')
    return JsonFolder(path=path, mapped=Mapped(content_type="text/html", metadata={"batch": 1}))


async def test_folder_is_stored_backed_up_and_equal_on_both_sides(
    options: Options, folder: JsonFolder, shop: Shop
) -> None:
    done = await json_commands.migrate(options, folder, None)
    assert done.report.summary.created_count == 6
    compared = done.integrity
    assert (compared.sent_count, compared.stored_count, list(compared.differences)) == (6, 6, [])
    assert compared.sent_hash == compared.stored_hash
    assert await asyncio.to_thread(backups.damaged, done.manifest.parent) == []
    key = pb.DocumentKey(source_type="document", external_id="page")
    page = (await shop.client.get_document(pb.GetDocumentRequest(key=key))).document
    assert (page.content, list(page.tags), dict(page.metadata)) == ("A page.", ["web"], {"batch": 1})


async def test_tampered_and_missing_documents_are_found_by_name(
    options: Options, folder: JsonFolder, running: Running, shop: Shop
) -> None:
    await json_commands.migrate(options, folder, None)
    # A tamperer with all rights, who also keeps the stored hash and every trigger from telling.
    async with await psycopg.AsyncConnection.connect(running.dsn) as connection:
        await connection.execute("SET session_replication_role = replica")
        parameters = {"tenant_id": shop.tenant_id}
        tamper = "UPDATE documents SET content = 'Not tea.' WHERE tenant_id = %(tenant_id)s"
        await connection.execute(tamper + " AND external_id = 'tea-3'", parameters)
    lost = pb.DocumentKey(source_type="document", external_id="tea-4")
    await shop.client.delete_document(pb.DeleteDocumentRequest(key=lost))
    compared = await integrity_of(options, folder)
    assert (compared["sent_count"], compared["stored_count"]) == (6, 5)
    assert compared["sent_hash"] != compared["stored_hash"]
    differences = {one["key"]["external_id"]: list(one["fields"]) for one in compared["differences"]}
    assert differences == {"tea-3": ["content"], "tea-4": []}


async def test_exact_numbers_survive_the_way_and_the_comparison_would_see_a_change(
    options: Options, tmp_path: Path, running: Running, shop: Shop
) -> None:
    path = tmp_path / "numbers"
    path.mkdir()
    own = '{"order_id": 9007199254740993, "big": 123456789012345678, "ratio": 0.1234567890123456789}'
    (path / "A.JSON").write_text(f'{{"id": 1, "content": "Tea.", "metadata": {own}, "price": 19.90}}')
    folder = JsonFolder(path=path, mapped=Mapped())
    done = await json_commands.migrate(options, folder, None)
    assert (done.integrity.stored_count, list(done.integrity.differences)) == (1, [])
    assert done.integrity.sent_hash == done.integrity.stored_hash
    async with await psycopg.AsyncConnection.connect(running.dsn) as connection:
        parameters = {"tenant_id": shop.tenant_id}
        select = "SELECT metadata::text FROM documents WHERE tenant_id = %(tenant_id)s"
        [row] = await (await connection.execute(select, parameters)).fetchall()
        assert exact_json.loads(row[0]) == {**exact_json.loads(own), "price": 19.9}
        await connection.execute("SET session_replication_role = replica")
        rounded = "UPDATE documents SET metadata = jsonb_set(metadata, '{order_id}', '9007199254740992')"
        await connection.execute(rounded + " WHERE tenant_id = %(tenant_id)s", parameters)
    compared = await integrity_of(options, folder)
    assert [list(one["fields"]) for one in compared["differences"]] == [["metadata"]]
    assert compared["sent_hash"] != compared["stored_hash"]


async def test_metadata_of_the_files_can_be_filtered_by(options: Options, tmp_path: Path, shop: Shop) -> None:
    path = tmp_path / "shipping"
    path.mkdir()
    for number, kind in enumerate(("fretes", "trocas")):
        value = {"id": number, "content": "Text.", "metadata": {"categoria": kind}}
        (path / f"{number}.json").write_text(json.dumps(value))
    await json_commands.migrate(options, JsonFolder(path=path, mapped=Mapped()), None)
    wanted = common_pb2.MetadataCondition(key="categoria")
    wanted.any_of.values.add(string_value="fretes")
    selector = pb.DocumentSelector(filter=common_pb2.Filter(metadata=[wanted]))
    counted = await shop.client.batch_delete_documents(pb.BatchDeleteDocumentsRequest(selector=selector))
    assert counted.document_count == 1


async def integrity_of(options: Options, folder: JsonFolder) -> dict[str, Any]:
    """The report alone, without importing again, which would mend what it finds."""
    async with tenant_client(options) as client:
        rows = (entry for entry in folder.entries() if isinstance(entry, Row))
        return asdict(await verification.compare(client, rows))


async def test_two_ids_of_a_repeated_import_are_told_apart(options: Options, folder: JsonFolder) -> None:
    first = printed(await imported(options, folder, "--json"))
    earlier = first["import_id"]
    assert first["earlier_import_id"] == ""
    told = printed(await imported(options, folder, "--json"))
    assert (told["earlier_import_id"], told["import_id"] == earlier) == (earlier, False)
    third = await imported(options, folder)
    [title] = [line for line in third.stderr.splitlines() if line.startswith("Import ")]
    assert title.endswith(f" is this run; {earlier} is the earlier one, which stored all of it")


def printed(done: Result) -> dict[str, Any]:
    """The service runs in the same process, and logs before it."""
    return json.loads(done.stdout[done.stdout.index("{\n") :])


async def imported(options: Options, folder: JsonFolder, *words: str) -> Result:
    line = ["--address", options.address, "--key", options.key, "--data-dir", str(options.data_dir)]
    line += [*words, "import", "json", str(folder.path)]
    done = await asyncio.to_thread(CliRunner().invoke, main.app, line)
    assert done.exit_code == 0, (done.output, done.exception)
    return done


async def test_import_is_taken_back_by_its_id(options: Options, folder: JsonFolder, shop: Shop) -> None:
    first = await json_commands.migrate(options, folder, None)
    assert len(await stored(shop)) == 6
    undone = await shop.client.undo_import(pb.UndoImportRequest(import_id=first.report.import_id))
    assert (undone.deleted_count, undone.skipped_count) == (6, 0)
    assert await stored(shop) == []
    again = await json_commands.migrate(options, folder, None)
    assert len(await stored(shop)) == 6
    assert not again.integrity.differences


async def test_import_that_was_killed_goes_on_where_it_stood(
    options: Options, tmp_path: Path, running: Running, shop: Shop
) -> None:
    path = tmp_path / "big"
    path.mkdir()
    for number in range(COUNT // 100):
        rows = [{"id": f"{number}-{row}", "text": f"Tea {number} {row}. " * 50} for row in range(100)]
        (path / f"{number:03}.json").write_text(json.dumps(rows))
    process = await kladez(options, "import", "json", str(path), "--json")
    while not await count(running, shop):  # noqa: ASYNC110 - the other process gives no event
        await asyncio.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
    before = await count(running, shop)
    assert 0 < before < COUNT
    process = await kladez(options, "import", "json", str(path), "--json")
    printed, complaints = await process.communicate()
    assert process.returncode == 0, complaints
    done = json.loads(printed)
    assert done["summary"]["created_count"] == str(COUNT)
    assert done["integrity"]["differences"] == []
    assert done["integrity"]["stored_count"] == await count(running, shop) == COUNT


async def test_reasons_of_refused_documents_survive_a_killed_import_and_stand_once(
    options: Options, tmp_path: Path, running: Running, shop: Shop
) -> None:
    path = tmp_path / "big"
    path.mkdir()
    bad = [{"id": "no text", "text": ""}, {"id": "long", "text": "x", "title": "x" * 600}]
    (path / "000.json").write_text(json.dumps(bad))
    for number in range(1, COUNT // 100):
        rows = [{"id": f"{number}-{row}", "text": f"Tea {number} {row}. " * 50} for row in range(100)]
        (path / f"{number:03}.json").write_text(json.dumps(rows))
    process = await kladez(options, "import", "json", str(path), "--json")
    while not await count(running, shop):  # noqa: ASYNC110 - the other process gives no event
        await asyncio.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    process = await kladez(options, "import", "json", str(path), "--json")
    printed, complaints = await process.communicate()
    assert process.returncode == 1, complaints
    done = json.loads(printed)
    assert [(one["place"], one["field"]) for one in done["problems"]] == [
        ("000.json[0]", "content"),
        ("000.json[1]", "title"),
    ]
    assert done["summary"]["failed_count"] == "2"
    assert done["integrity"]["differences"] == []


async def kladez(options: Options, *arguments: str) -> asyncio.subprocess.Process:
    told = ["--address", options.address, "--key", options.key, "--data-dir", str(options.data_dir)]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "retrieval_service.cli.main",
        *arguments,
        *told,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def count(running: Running, shop: Shop) -> int:
    async with await psycopg.AsyncConnection.connect(running.dsn) as connection:
        cursor = await connection.execute(
            "SELECT count(*) FROM documents WHERE tenant_id = %s", [shop.tenant_id]
        )
        [row] = await cursor.fetchall()
    return row[0]


async def stored(shop: Shop) -> list[str]:
    response = await shop.client.list_documents(pb.ListDocumentsRequest())
    return [one.external_id for one in response.documents]
