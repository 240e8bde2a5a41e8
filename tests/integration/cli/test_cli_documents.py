"""`kladez document …` and `kladez import undo`, as another process runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import pytest_asyncio

from retrieval_service.cli.failures import ExitCode
from tests.kits import commands_kit
from tests.kits.service_kit import Running, Shop, new_shop, upsert

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def stocked(running: Running) -> Shop:
    stocked = await new_shop(running)
    await upsert(stocked, "returns", "Returns are free.", title="Returns", tags=["old"])
    await upsert(stocked, "period", "Fourteen days.", title="Period", section="Terms")
    return stocked


class Kladez:
    """Runs commands for one shop."""

    def __init__(self, running: Running, shop: Shop, folder: Path) -> None:
        self._told = [
            "--address",
            f"127.0.0.1:{running.port}",
            "--key",
            shop.key,
            "--data-dir",
            str(folder),
        ]

    async def __call__(self, *arguments: str) -> tuple[int, str, str]:
        done = await commands_kit.kladez(*arguments, *self._told)
        return done.code, done.printed, done.complaints


@pytest.fixture
def kladez(running: Running, stocked: Shop, tmp_path: Path) -> Kladez:
    return Kladez(running, stocked, tmp_path)


async def test_document_is_moved_and_shown(kladez: Kladez) -> None:
    code, printed, _ = await kladez("document", "move", "article/period", "article/returns")
    assert (code, "parent\tarticle/returns" in printed) == (0, True)
    code, printed, _ = await kladez("document", "get", "article/period", "--json")
    assert json.loads(printed)["parent_key"] == {"source_type": "article", "external_id": "returns"}
    code, _, complaint = await kladez("document", "move", "article/returns", "article/period")
    assert (code, "below itself" in complaint) == (ExitCode.USAGE, True)
    await kladez("document", "move", "article/period")
    _, printed, _ = await kladez("document", "get", "article/period")
    assert "parent\t\n" in printed
    assert "Fourteen days." in printed


async def test_nothing_is_deleted_or_purged_until_it_is_confirmed(kladez: Kladez) -> None:
    code, printed, note = await kladez("document", "delete", "--section", "Terms")
    assert (code, printed, "--confirm" in note) == (0, "1 documents would be deleted\n", True)
    assert (await kladez("document", "get", "article/period"))[0] == 0
    assert "1 documents deleted" in (await kladez("document", "delete", "--section", "Terms", "--confirm"))[1]
    assert (await kladez("document", "get", "article/period"))[0] == ExitCode.NOT_FOUND
    assert "1 documents would be purged" in (await kladez("document", "purge", "--deleted"))[1]
    _, printed, _ = await kladez("document", "purge", "--deleted", "--confirm")
    assert "1 documents purged\n" in printed
    assert "documents\t1\t0\n" in printed
    assert "1 documents queued" in (await kladez("document", "reindex", "--tag", "old"))[1]


async def test_import_is_undone_by_the_id_it_printed(kladez: Kladez, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.json").write_text('{"id": "made", "text": "Made."}')
    code, printed, _ = await kladez("import", "json", str(folder), "--metadata", "level=2", "--json")
    imported = json.loads(printed)
    assert (code, imported["integrity"]["differences"]) == (0, [])
    assert (await kladez("document", "get", "document/made"))[0] == 0
    code, printed, _ = await kladez("import", "undo", imported["import_id"])
    assert (code, printed) == (0, "1 deleted, 0 restored, 0 skipped\n")
    assert (await kladez("document", "get", "document/made"))[0] == ExitCode.NOT_FOUND


async def test_refused_document_makes_the_import_fail_by_name(kladez: Kladez, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.json").write_text('[{"id": "good", "text": "Good."}, {"id": "empty"}]')
    code, printed, _ = await kladez("import", "json", str(folder), "--json")
    done = json.loads(printed)
    assert code == ExitCode.FAILED
    assert [(one["place"], one["field"]) for one in done["problems"]] == [("a.json[1]", "content")]
    assert done["integrity"]["differences"] == []  # it is told of once, with its reason
