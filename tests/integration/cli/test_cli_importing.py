"""Imports over lines that break, against a loopback server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from retrieval_service.cli.imports.files import JsonLines
from retrieval_service.cli.imports.sending import RECONNECTIONS, Report, import_source
from retrieval_service.client import CallFailed, connect
from tests.fakes.import_server import FakeImports, running_imports

COUNT = 900  # five chunks


@pytest.fixture
def source(tmp_path: Path) -> JsonLines:
    """Line 2 is no JSON; document 500, on line 502, has no content."""
    lines = [json.dumps({"external_id": str(number), "content": "text"}) for number in range(COUNT)]
    lines[500] = json.dumps({"external_id": "500", "content": ""})
    lines.insert(1, "not json")
    path = tmp_path / "documents.jsonl"
    path.write_text("\n".join(lines))
    return JsonLines(path=path)


async def imported(
    fake: FakeImports, source: JsonLines, on_stored: Callable[[int], None] = lambda _: None
) -> Report:
    async with connect(fake.address, "any key") as client:
        return await import_source(client, source, on_stored, pause_seconds=0.01)


def is_whole(fake: FakeImports, report: Report) -> bool:
    return fake.stored[report.import_id] == [str(number) for number in range(COUNT)]


async def test_import_stores_all_in_order(source: JsonLines) -> None:
    progress: list[int] = []
    async with running_imports() as fake:
        report = await imported(fake, source, progress.append)
        assert is_whole(fake, report)
    assert progress == [0, 200, 400, 600, 800, 900]
    assert report.sent_count == COUNT


async def test_broken_line_goes_on_after_the_last_stored_document(source: JsonLines) -> None:
    async with running_imports(break_after=[2, 0, 1]) as fake:
        report = await imported(fake, source)
        assert fake.connections == 4
        assert is_whole(fake, report)


async def test_problems_keep_their_lines_over_a_broken_line(source: JsonLines) -> None:
    async with running_imports(break_after=[3]) as fake:
        report = await imported(fake, source)
    assert [(one.place, one.field) for one in report.problems] == [("line 2", ""), ("line 502", "content")]
    assert report.summary.failed_count == 1  # the line that was never sent; the fake counts no refusals


async def test_line_that_stays_broken_is_given_up(source: JsonLines) -> None:
    async with running_imports(break_after=[1, *[0] * 50]) as fake:
        with pytest.raises(CallFailed) as caught:
            await imported(fake, source)
        assert fake.connections == 1 + RECONNECTIONS
    assert caught.value.code in {"UNAVAILABLE", "INTERNAL"}  # the latter when grpc.aio was just writing


async def test_refused_import_is_not_repeated(source: JsonLines) -> None:
    async with running_imports(refusal=grpc.StatusCode.PERMISSION_DENIED) as fake:
        with pytest.raises(CallFailed) as caught:
            await imported(fake, source)
        assert fake.connections == 1
    assert caught.value.code == "PERMISSION_DENIED"


async def test_later_run_goes_on_where_a_killed_one_stood(source: JsonLines) -> None:
    async with running_imports(break_after=[2, *[0] * RECONNECTIONS]) as fake:
        with pytest.raises(CallFailed):
            await imported(fake, source)
        report = await imported(fake, source)
        assert (report.resumed_at, report.sent_count) == (400, COUNT - 400)
        assert report.earlier_id == "", "it is the same import"
        assert is_whole(fake, report)


async def test_finished_import_is_compared_from_its_start_again(source: JsonLines) -> None:
    """Otherwise documents that were deleted meanwhile would not come back."""
    async with running_imports() as fake:
        first = await imported(fake, source)
        second = await imported(fake, source)
        assert second.import_id != first.import_id
        assert (first.earlier_id, second.earlier_id) == ("", first.import_id)
        assert first.title == f"Import {first.import_id}"
        assert second.title == (
            f"Import {second.import_id} is this run; {first.import_id} is the earlier one, which stored all of it"
        )
        assert second.sent_count == COUNT
        assert is_whole(fake, second)
