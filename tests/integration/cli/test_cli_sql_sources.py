"""`kladez source`, `schedule` and `sync` against a running service and its database."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from retrieval_service.cli import main
from retrieval_service.cli.failures import ExitCode
from retrieval_service.postgres.embedded import Embedded
from tests.house.repository import ROOT
from tests.kits.service_kit import Running
from tests.kits.sources_kit import DEAD_VARIABLE, Sourced, source_service, sourced

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES = str(ROOT / "retrieval_service" / "demo" / "sources.json")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(postgres_server: Embedded, migrated_template: str) -> AsyncIterator[tuple[Running, str]]:
    async with source_service(postgres_server, migrated_template) as known:
        yield known


@pytest.fixture
def sourcing(service: tuple[Running, str]) -> Running:
    return service[0]


@pytest_asyncio.fixture(loop_scope="module")
async def own(service: tuple[Running, str]) -> AsyncIterator[Sourced]:
    async with sourced(*service) as kit:
        yield kit


async def command(running: Running, own: Sourced, *arguments: str) -> int:
    """The exit code, with a key of every scope."""
    where = ("--address", f"127.0.0.1:{running.port}", "--key", running.key, "--tenant", own.shop.tenant_id)
    with capture_logs():  # the service's own, which would stand between the command's lines
        return await asyncio.to_thread(main.run, [*arguments, *where])


async def test_examples_are_added_listed_tested_synced_and_deleted(
    sourcing: Running, own: Sourced, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await command(sourcing, own, "source", "add", EXAMPLES) == ExitCode.OK
    assert await command(sourcing, own, "source", "test", "orders") == ExitCode.OK
    capsys.readouterr()
    assert (
        await command(sourcing, own, "source", "sync", "orders", "--ids", "70, 71", "--json") == ExitCode.OK
    )
    assert json.loads(capsys.readouterr().out)["created_count"] == "1"
    assert await command(sourcing, own, "source", "delete", "orders") == ExitCode.OK
    assert await command(sourcing, own, "source", "list") == ExitCode.OK
    listed = [line.split("\t")[:3] for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in listed] == ["products", "reviews", "sales", "stocks"]
    assert {row[2] for row in listed} == {"never"}


async def test_row_that_fails_is_printed_and_ends_with_failed(
    sourcing: Running, own: Sourced, capsys: pytest.CaptureFixture[str]
) -> None:
    await own.declare("products", text_template="{{ price + 1 }}")
    capsys.readouterr()
    assert await command(sourcing, own, "source", "sync", "products") == ExitCode.FAILED
    assert "text_template" in capsys.readouterr().out
    assert await command(sourcing, own, "source", "test", "products") == ExitCode.FAILED


async def test_dead_database_ends_with_unreachable(
    sourcing: Running, own: Sourced, capsys: pytest.CaptureFixture[str]
) -> None:
    await own.declare("products", dsn_variable=DEAD_VARIABLE)
    assert await command(sourcing, own, "source", "sync", "products") == ExitCode.UNREACHABLE
    assert "products" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["no json", '{"nmae": "x"}', '["x"]'])
async def test_file_that_is_no_source_is_a_usage_error(
    sourcing: Running, own: Sourced, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "source.json"
    file.write_text(text)
    assert await command(sourcing, own, "source", "add", str(file)) == ExitCode.USAGE


async def kladez(running: Running, folder: Path, *arguments: str) -> tuple[int, str]:
    """The exit code and the output of a process that knows the database only."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "retrieval_service.cli.main", *arguments, "--data-dir", str(folder)),
        env={
            **known,
            "DATABASE_URL": running.dsn,
            "KLADEZ_LOCAL_MODEL": "minilm",  # that of the service
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT}/protos/gen",
        },
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


async def test_outside_cron_drains_what_is_due_and_its_code_tells_the_end(
    sourcing: Running, own: Sourced, tmp_path: Path
) -> None:
    async with await psycopg.AsyncConnection.connect(sourcing.dsn, autocommit=True) as everybodys:
        await everybodys.execute("DELETE FROM sources")  # those of the other tests' tenants
    await own.declare("products")
    code, printed = await kladez(sourcing, tmp_path, "sync", "run", "--once", "--json")
    assert (code, json.loads(printed[printed.index("{\n") :])["ok"]) == (ExitCode.OK, True)
    code, printed = await kladez(sourcing, tmp_path, "schedule", "list", "--json")
    listed = json.loads(printed)
    assert code == ExitCode.OK
    assert [one["name"] for one in listed] == ["reconcile", "rebuild", "drift"]
    assert listed[0]["last"]["error"] == ""
    await own.declare("products", dsn_variable=DEAD_VARIABLE)
    async with sourcing.service.database.operator() as operator:
        await operator.execute("UPDATE schedule_runs SET started_at = started_at - interval '2 days'")
    code, printed = await kladez(sourcing, tmp_path, "sync", "run", "--once")
    assert code == ExitCode.FAILED
    assert "products" in printed
