"""`kladez sync …` and `kladez backfill`, as another process runs them."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
import pytest_asyncio
from pydantic import SecretStr

from retrieval_service.cli.failures import ExitCode
from tests.fakes.openai import FakeOpenAI
from tests.kits import commands_kit
from tests.kits.service_kit import Running, Shop, new_shop, upsert

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIRROR = "UPDATE tenants SET is_mirrored = true WHERE id = %s"
KILL = "UPDATE document_sync_jobs SET status = 'error', last_error = 'no luck' WHERE tenant_id = %s"
HOLD = """
WITH marked AS (UPDATE documents SET sync_status = 'pending' WHERE tenant_id = %s RETURNING tenant_id, id)
INSERT INTO document_sync_jobs (tenant_id, document_id, action, status, worker, lease_until)
SELECT tenant_id, id, 'upsert', 'processing', 'nobody', now() + interval '1 hour' FROM marked
"""


@pytest.fixture(scope="module")
def service_settings(shared_fake: FakeOpenAI) -> dict[str, Any]:
    return {"openai_api_key": SecretStr("test"), "openai_base_url": shared_fake.base_url}


@dataclass(frozen=True, kw_only=True)
class Console:
    """Runs commands for one shop of a service over the fake provider."""

    running: Running
    fake: FakeOpenAI
    shop: Shop
    folder: Path

    def arguments(self, *command: str, key: str = "") -> list[str]:
        address = ["--address", f"127.0.0.1:{self.running.port}", "--key", key or self.shop.key]
        return [*command, *address, "--data-dir", str(self.folder)]

    async def run(self, *command: str, key: str = "") -> tuple[int, str, str]:
        done = await commands_kit.kladez(*self.arguments(*command, key=key))
        return done.code, done.printed, done.complaints

    async def start(self, *command: str) -> asyncio.subprocess.Process:
        """As a process of its own, which can be interrupted."""
        pipe = asyncio.subprocess.PIPE
        arguments = ("-m", "retrieval_service.cli.main", *self.arguments(*command))
        return await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=pipe, stderr=pipe)

    async def told(self, *command: str) -> Any:
        """What a command that succeeds prints as JSON."""
        code, printed, complaints = await self.run(*command, "--json")
        assert code == ExitCode.OK, complaints
        return json.loads(printed)

    async def execute(self, statement: LiteralString) -> None:
        async with await psycopg.AsyncConnection.connect(self.running.dsn, autocommit=True) as connection:
            await connection.execute(statement, (self.shop.tenant_id,))


@pytest_asyncio.fixture(loop_scope="module")
async def console(running: Running, fake: FakeOpenAI, tmp_path: Path) -> Console:
    """Its shop has two documents, from before it was mirrored."""
    shop = await new_shop(running)
    for number in range(2):
        await upsert(shop, f"tea-{number}", f"Чай номер {number}")
    opened = Console(running=running, fake=fake, shop=shop, folder=tmp_path)
    await opened.execute(MIRROR)
    return opened


async def test_backfill_ends_when_everything_is_in_step(console: Console) -> None:
    done = await console.told("backfill")
    assert (done["synced_count"], done["waiting_count"], done["failed_count"]) == (4, 0, 0)
    status = await console.told("sync", "status")
    assert status["mirror"]["synced_count"] == "2"
    assert (await console.told("backfill"))["queued_count"] == 0


async def test_operator_backfills_every_tenant(console: Console) -> None:
    code, printed, _ = await console.run("backfill", "--all", "--json", key=console.running.key)
    assert code == ExitCode.OK
    assert json.loads(printed)["waiting_count"] == 0
    assert (await console.told("sync", "status"))["mirror"]["synced_count"] == "2"


async def test_interrupted_backfill_says_that_it_goes_on(console: Console) -> None:
    await console.told("backfill")
    await console.execute(HOLD)
    process = await console.start("backfill")
    await asked_for_status(console)
    process.send_signal(signal.SIGINT)
    _, complaints = await process.communicate()
    assert process.returncode == 130
    assert "goes on" in complaints.decode()


async def asked_for_status(console: Console) -> None:
    """Once the log tells that the backfill has begun."""
    async with asyncio.timeout(20):
        while True:
            log = await console.told("sync", "log")
            if len([entry for entry in log["entries"] if entry["action"] == "sync_now"]) > 1:
                return


async def test_dead_jobs_are_listed_and_retried(console: Console) -> None:
    await console.told("backfill")
    await console.execute(KILL)
    code, printed, _ = await console.run("sync", "jobs", "--status", "error", "--target", "openai")
    assert code == ExitCode.OK
    assert sorted(line.split("\t")[1] for line in printed.splitlines()) == ["article/tea-0", "article/tea-1"]
    assert "no luck" in printed
    listed = await console.told("sync", "jobs", "--status", "error")
    one = listed["sync_jobs"][0]["sync_job_id"]
    assert (await console.told("sync", "retry", one))["retried_count"] == "1"
    assert (await console.told("sync", "retry"))["retried_count"] == "3"
    code, printed, _ = await console.run("sync", "retry")
    assert (code, printed.strip()) == (ExitCode.FAILED, "Jobs that were queued anew: 0.")


async def test_drift_is_told_with_code_1_and_mended_with_apply(console: Console) -> None:
    await console.told("backfill")
    code, printed, _ = await console.run("sync", "repair")
    assert (code, printed.strip()) == (ExitCode.OK, "The provider holds exactly what it should.")
    store_id = (await console.told("sync", "status"))["mirror"]["vector_store_id"]
    lost = next(key for key in console.fake.storage.entries if key[0] == store_id)
    console.fake.storage.detach(*lost)
    code, printed, complaints = await console.run("sync", "repair")
    assert code == ExitCode.FAILED
    assert printed.startswith("missing\t1\t")
    assert "--apply" in complaints
    assert (await console.told("sync", "repair", "--apply"))["queued_count"] == "1"
    await console.told("backfill")
    assert (await console.told("sync", "repair"))["drifts"] == []


async def test_sync_now_and_the_log_name_what_was_done(console: Console) -> None:
    code, printed, _ = await console.run("sync", "now")
    assert (code, printed.startswith("Jobs that are due now: ")) == (ExitCode.OK, True)
    await console.told("backfill")
    code, printed, _ = await console.run("sync", "log", "--limit", "200")
    actions = {tuple(line.split("\t")[1:4]) for line in printed.splitlines()}
    assert ("manual", "sync_now", "done") in actions
    assert ("worker", "replace", "done") in actions
    code, printed, _ = await console.run("sync", "log", "--failed")
    assert (code, printed) == (ExitCode.OK, "")


async def test_status_fails_when_documents_failed(console: Console) -> None:
    await console.told("backfill")
    await console.execute("UPDATE documents SET remote_status = 'error' WHERE tenant_id = %s")
    code, printed, _ = await console.run("sync", "status")
    assert code == ExitCode.FAILED
    assert "failed there\t2" in printed
