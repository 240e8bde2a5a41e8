"""`kladez up` as a person runs it: real processes on a folder of their own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from retrieval_service.cli.up.ports import any_free
from tests.fakes.bot_api import TOKEN, running_bot_api

ROOT = Path(__file__).parents[2]
FREE_PORTS = ("--port", "0", "--http-port", "0")
ON_FREE_PORTS = ("--no-browser", *FREE_PORTS)
START_SECONDS = 110.0
STOP_SECONDS = 40.0
KLADEZ = [sys.executable, "-m", "retrieval_service.cli.main"]
OURS = ("KLADEZ_", "OPENAI_", "DATABASE_URL", "PYTHONPATH")

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform != "linux", reason="children are found by /proc"),
]


@dataclass(frozen=True, kw_only=True)
class Running:
    """A started `kladez up`: its process, what it announced, and the processes it started."""

    process: subprocess.Popen[str]
    announced: dict[str, Any]
    children: tuple[int, ...]

    def child(self, words: str) -> int:
        """The child with these words in its command line."""
        [found] = [pid for pid in self.children if words in command_line(pid)]
        return found


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A data folder and the environment to use it from; the working folder holds no `.env`."""

    data_dir: Path
    environment: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*KLADEZ, "--data-dir", str(self.data_dir), *arguments],
            cwd=self.data_dir.parent,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @contextmanager
    def up(self, ports: tuple[str, ...] = FREE_PORTS) -> Iterator[Running]:
        """Started on free ports; killed at the end, if it still runs."""
        with subprocess.Popen(
            [*KLADEZ, "--data-dir", str(self.data_dir), "--json", "up", "--no-browser", *ports],
            cwd=self.data_dir.parent,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                announced = read_announcement(process)
                yield Running(process=process, announced=announced, children=tuple(children(process.pid)))
            finally:
                process.kill()
                process.communicate(timeout=STOP_SECONDS)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Shared by the tests in this file, so that the demo shop is embedded once."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    paths = os.pathsep.join([str(ROOT), str(ROOT / "protos" / "gen")])
    # Starts in the least time; tests/e2e/test_new_default_model.py starts the default.
    environment = {**inherited, "PYTHONPATH": paths, "CI": "true", "KLADEZ_LOCAL_MODEL": "minilm"}
    return Installation(data_dir=tmp_path_factory.mktemp("kladez") / "data", environment=environment)


@pytest.fixture(scope="class")
def started(installation: Installation) -> Iterator[Running]:
    """Once for `TestWhileItRuns`; the other tests have the folder to themselves."""
    with installation.up() as running:
        yield running
        running.process.send_signal(signal.SIGINT)
        wait_until(lambda: not alive(running.children), "the children to end")


@pytest.mark.usefixtures("started")
class TestWhileItRuns:
    """What needs no start of its own."""

    def test_page_search_and_answers_work(self, installation: Installation, started: Running) -> None:
        with urllib.request.urlopen(started.announced["page"], timeout=10) as page:  # noqa: S310 - loopback
            assert started.announced["public_key"] in page.read().decode()
        found = installation.json(
            "search", "how do I return an order", "--limit", "3", "--source-type", "faq"
        )
        assert len(found["hits"]) == 3
        assert {hit["source_type"] for hit in found["hits"]} == {"faq"}
        answered = installation.json("ask", "Сколько стоит доставка?")["answer"]
        assert answered["answerer"] == "extractive"
        assert answered["references"]
        assert "₽" in answered["text"]

    def test_announced_line_works_when_pasted(self, installation: Installation, started: Running) -> None:
        done = subprocess.run(
            shlex.split(started.announced["ask"]),
            cwd=installation.data_dir.parent,
            env=installation.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert re.search(r"\w\W* \[\d\]\n", done.stdout)
        assert "no language model is configured" in done.stderr

    def test_documents_are_imported_found_and_forgotten_with_their_tenant(
        self, installation: Installation, tmp_path: Path
    ) -> None:
        (tmp_path / "note.md").write_text("# Zeppelin\n\nThe zeppelin leaves at noon.")
        (tmp_path / "empty.md").write_text("")
        tenant_id = installation.json("tenant", "create", "Airship office")["tenant_id"]
        done = installation.run(
            "--tenant", tenant_id, "import", "documents", str(tmp_path), "--wait", "--json"
        )
        assert done.returncode == 1
        report = json.loads(done.stdout)
        assert report["summary"]["created_count"] == "1"
        assert [(one["where"], one["field"]) for one in report["problems"]] == [("empty.md", "content")]
        found = installation.json("--tenant", tenant_id, "search", "zeppelin")
        assert [hit["external_id"] for hit in found["hits"]] == ["note.md"]
        assert installation.json("tenant", "delete", tenant_id)["delete_time"]
        assert installation.run("--tenant", tenant_id, "search", "zeppelin").returncode != 0

    def test_bad_row_of_a_shop_is_named_with_its_line(
        self, installation: Installation, tmp_path: Path
    ) -> None:
        tenant_id = installation.json("tenant", "create", "Kettles")["tenant_id"]
        good = {"id": "k1", "name": "Kettle", "description": "It whistles."}
        file = tmp_path / "shop.json"
        file.write_text(json.dumps({"products": [good, {"id": "k2"}]}, indent=1))
        done = installation.run("--tenant", tenant_id, "import", "shop", str(file), "--wait", "--json")
        assert done.returncode == 1
        report = json.loads(done.stdout)
        assert report["status"]["synced_count"] == report["summary"]["created_count"] == "1"
        assert {(one["where"], one["field"]) for one in report["problems"]} == {
            ("line 8, row 2", "products.name"),
            ("line 8, row 2", "products.description"),
        }

    def test_evaluation_leaves_no_tenant(self, installation: Installation, tmp_path: Path) -> None:
        before = installation.json("tenant", "list")
        measured = installation.json("eval", str(tiny_test_set(tmp_path)), "--mode", "hybrid")
        assert measured["query_count"] == 2
        assert measured["modes"]["hybrid"]["recall_at_1"] == 1.0
        assert installation.json("tenant", "list") == before

    def test_missing_tenant_has_its_own_exit_code(self, installation: Installation) -> None:
        done = installation.run("tenant", "get", "00000000-0000-4000-8000-000000000000")
        assert done.returncode == 4
        assert "Traceback" not in done.stderr

    def test_second_up_on_the_folder_is_refused_and_harms_nothing(
        self, installation: Installation, started: Running
    ) -> None:
        done = installation.run("up", *ON_FREE_PORTS)
        assert done.returncode == 1
        assert f"in use by process {started.process.pid}" in done.stderr
        assert installation.run("status").returncode == 0


def test_second_start_embeds_nothing_and_keeps_its_keys(installation: Installation) -> None:
    with installation.up() as first:
        status = installation.json("status")
        embedded = embedded_chunks(installation)
        profile = (installation.data_dir / "profile.json").read_text()
        stop(first)
    with installation.up() as second:
        assert installation.json("status") == status
        assert embedded_chunks(installation) == embedded
        assert second.announced["tenant_id"] == first.announced["tenant_id"]
        kept = json.loads((installation.data_dir / "profile.json").read_text())
        stop(second)
    assert {**kept, "service_address": ""} == {**json.loads(profile), "service_address": ""}


def test_evaluation_brings_its_own_service_when_none_runs(installation: Installation, tmp_path: Path) -> None:
    alone = replace(
        installation,
        data_dir=tmp_path / "nothing",
        environment={**installation.environment, "TMPDIR": str(tmp_path)},
    )
    folder = tiny_test_set(tmp_path / "set")
    measured = alone.json("eval", str(folder))
    assert set(measured["modes"]) == {"hybrid", "semantic", "full-text"}
    assert measured["modes"]["hybrid"]["ndcg_at_10"] == 1.0
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_ctrl_c_stops_everything(installation: Installation) -> None:
    with installation.up() as running:
        assert len(running.children) >= 3
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(STOP_SECONDS) == 0
        assert not alive(running.children)
    assert installation.run("status").returncode == 3


def test_killed_up_leaves_no_process(installation: Installation) -> None:
    with installation.up() as running:
        running.process.kill()
        wait_until(lambda: not alive(running.children), "the children of a killed parent to end")


@pytest.mark.timeout(600)
def test_dead_parts_are_started_again_and_named(installation: Installation) -> None:
    """One after another in one installation, the database last."""
    with installation.up() as running:
        for words, name in (
            ("extras gateway", "gateway"),
            ("cli.main serve", "service"),
            ("bin/postgres", "postgres"),
        ):
            before = replace(running, children=tuple(children(running.process.pid))).child(words)
            os.kill(before, signal.SIGKILL)
            wait_until(lambda: renewed(running, words, before), f"the {name} to run again")  # noqa: B023
            wait_until(lambda: works(installation, running), f"life after the {name}'s death", START_SECONDS)
        with_new_ones = tuple(children(running.process.pid))
        running.process.send_signal(signal.SIGTERM)
        _, complaint = running.process.communicate(timeout=STOP_SECONDS)
        assert running.process.returncode == 0, complaint
        for name in ("gateway", "service", "postgres"):
            assert f"The {name} was killed by signal 9" in complaint
        assert not alive(with_new_ones)


def renewed(running: Running, words: str, before: int) -> bool:
    """A child may end between the two looks."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        now = [pid for pid in children(running.process.pid) if words in command_line(pid)]
        return any(pid != before for pid in now)
    return False


def works(installation: Installation, running: Running) -> bool:
    try:
        with urllib.request.urlopen(f"{running.announced['page']}readyz", timeout=10) as answer:  # noqa: S310
            is_ready = answer.status == 200
    except OSError:
        return False
    return is_ready and installation.run("search", "delivery").returncode == 0


BOT_TROUBLES = {
    "a token that Telegram rejects": (
        {"KLADEZ_BOT_TOKEN": "123:not-a-token"},
        "Telegram rejects KLADEZ_BOT_TOKEN",
    ),
    "no way to Telegram": (
        {"KLADEZ_BOT_TOKEN": TOKEN, "KLADEZ_BOT_API_BASE_URL": "http://127.0.0.1:9"},
        "Telegram cannot be reached",
    ),
    "a setting that is wrong": (
        {"KLADEZ_BOT_TOKEN": TOKEN, "KLADEZ_BOT_EDIT_INTERVAL_SECONDS": "-1"},
        "KLADEZ_BOT_EDIT_INTERVAL_SECONDS",
    ),
}


@pytest.mark.parametrize("trouble", BOT_TROUBLES)
async def test_bots_trouble_stays_its_own(installation: Installation, trouble: str) -> None:
    variables, reason = BOT_TROUBLES[trouble]
    async with running_bot_api() as telegram:
        reachable = {"KLADEZ_BOT_API_BASE_URL": telegram.base_url, **variables}
        with_bot = replace(installation, environment={**installation.environment, **reachable})
        await asyncio.to_thread(stays_up, with_bot, reason)


def stays_up(installation: Installation, reason: str) -> None:
    with installation.up() as running:
        log = installation.data_dir / "logs" / "bot.log"
        size = log.stat().st_size
        wait_until(lambda: log.stat().st_size > size, "the bot to be tried again")
        assert works(installation, running)
        pids = tuple(children(running.process.pid))
        running.process.send_signal(signal.SIGTERM)
        _, complaint = running.process.communicate(timeout=STOP_SECONDS)
        assert running.process.returncode == 0
        lines = [line for line in complaint.splitlines() if line.startswith("The bot ended by itself")]
        assert lines
        assert all(reason in line for line in lines), lines
        assert not alive(pids)


def test_nothing_that_is_printed_or_logged_is_a_key(installation: Installation) -> None:
    with installation.up() as running:
        assert installation.run("ask", "Сколько стоит доставка?").returncode == 0
        os.kill(running.child("cli.main serve"), signal.SIGKILL)
        wait_until(lambda: works(installation, running), "the service to run again", START_SECONDS)
        running.process.send_signal(signal.SIGTERM)
        printed = "".join(running.process.communicate(timeout=STOP_SECONDS))
    secrets = [value for name, value in profile_of(installation).items() if name.endswith(("key", "secret"))]
    texts = {"what it printed": printed + str(running.announced), **logs_of(installation)}
    assert len(texts) > 3
    assert [name for name, text in texts.items() if "kld_" in text] == []
    assert [name for name, text in texts.items() for secret in secrets if secret in text] == []


def profile_of(installation: Installation) -> dict[str, str]:
    return json.loads((installation.data_dir / "profile.json").read_text())


def logs_of(installation: Installation) -> dict[str, str]:
    found = installation.data_dir.rglob("*.log*")
    return {path.name: path.read_text(errors="replace") for path in found if path.is_file()}


def test_ports_of_the_environment_are_taken(installation: Installation) -> None:
    service_port, page_port = any_free("127.0.0.1"), any_free("127.0.0.1")
    variables = {"KLADEZ_PORT": str(service_port), "KLADEZ_GATEWAY_PORT": str(page_port)}
    told = replace(installation, environment={**installation.environment, **variables})
    with told.up(ports=()) as running:
        assert running.announced["service_address"] == f"127.0.0.1:{service_port}"
        assert running.announced["page"] == f"http://127.0.0.1:{page_port}/"
        stop(running)


@pytest.mark.parametrize("variable", ["KLADEZ_PORT", "KLADEZ_GATEWAY_PORT"])
def test_port_that_was_asked_for_and_is_taken_is_named(installation: Installation, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = replace(installation, environment={**installation.environment, variable: port})
        done = told.run("up", "--no-browser")
    assert done.returncode == 1
    assert f"{variable} or --" in done.stderr
    assert f"port {port} of 127.0.0.1 is taken" in done.stderr


async def test_bot_answers_when_it_has_a_token(installation: Installation) -> None:
    async with running_bot_api() as telegram:
        variables = {"KLADEZ_BOT_TOKEN": TOKEN, "KLADEZ_BOT_API_BASE_URL": telegram.base_url}
        with_bot = replace(installation, environment={**installation.environment, **variables})
        starting = with_bot.up()
        running = await asyncio.to_thread(starting.__enter__)
        try:
            telegram.user_sends(5, "Сколько стоит доставка?", language_code="ru")
            async with asyncio.timeout(STOP_SECONDS):
                while not any("₽" in message.text for message in telegram.messages(5)):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await asyncio.to_thread(stop, running)
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)


def tiny_test_set(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    passages = {"p1": "The kettle whistles when the water boils.", "p2": "The zeppelin leaves at noon."}
    queries = {"q1": "What whistles?", "q2": "When does the zeppelin leave?"}
    for name, texts in (("passages", passages), ("queries", queries)):
        lines = [json.dumps({"id": key, "title": "", "text": text}) for key, text in texts.items()]
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    (folder / "qrels.tsv").write_text("q1\tp1\t1\nq2\tp2\t1\n")
    return folder


def stop(running: Running) -> None:
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(STOP_SECONDS) == 0


def embedded_chunks(installation: Installation) -> int:
    return sum(int(day["embedded_chunk_count"]) for day in installation.json("usage").get("days", []))


def read_announcement(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The JSON object on stdout; an end before it fails the test with what stderr says."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line == "}\n":
            return json.loads("".join(lines))
    _, complaint = process.communicate(timeout=STOP_SECONDS)
    raise AssertionError(f"`kladez up` ended with {process.returncode}: {complaint}")


def children(pid: int) -> Iterator[int]:
    """Direct children; theirs end with them."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                yield int(entry.name)


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def alive(pids: tuple[int, ...]) -> list[int]:
    """Those that still run; ended ones that nobody waited for do not count."""
    return [pid for pid in pids if state(pid) not in ("", "Z")]


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def wait_until(condition: Callable[[], bool], what: str, seconds: float = STOP_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(0.05)
