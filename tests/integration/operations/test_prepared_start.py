"""What a start does once so that no caller waits for it: the SDK's first use, and the collector's long look."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.kits.processes_kit import environment

# Each use counts the calls of Python functions that it takes, the first time and the second.
FIRST_USES = """
import json, sys
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseCompletedEvent
from retrieval_service.providers.openai.client import OpenAISettings, open_client

def calls(use):
    counted = 0
    def count(frame, event, argument):
        nonlocal counted
        counted += event == "call"
    sys.setprofile(count)
    try:
        use()
    finally:
        sys.setprofile(None)
    return counted

client = open_client(OpenAISettings(api_key="a key"))
modules = set(sys.modules)
uses = {
    "resources": lambda: (client.responses.create, client.chat.completions.create, client.embeddings.create),
    "event": lambda: ResponseCompletedEvent.construct(type="response.completed", response={"output": []}),
    "chunk": lambda: ChatCompletionChunk.construct(choices=[{"delta": {}}], usage={}),
}
counts = {name: (calls(use), calls(use)) for name, use in uses.items()}
print(json.dumps({"counts": counts, "imported": sorted(set(sys.modules) - modules)}))
"""

SETTLED = """
import gc, json, weakref
from retrieval_service import server

class Ring:
    pass

gc.disable()
ring = Ring()
ring.itself = ring
seen, kept = weakref.ref(ring), [Ring()]
del ring
before = gc.get_freeze_count()
server.settle_memory()
print(json.dumps({
    "before": before,
    "frozen": gc.get_freeze_count(),
    "garbage_is_gone": seen() is None,
    "kept_is_looked_at": any(one is kept[0] for one in gc.get_objects()),
}))
"""

# Ends as a signal would end it, as soon as calls are answered.
SERVED = """
import asyncio, gc, json, os, signal
from retrieval_service import config, server

def ready(port):
    print(json.dumps({"frozen": gc.get_freeze_count()}), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

settings = config.load()
asyncio.run(server.serve(settings, settings.database_url.get_secret_value(), on_ready=ready))
"""

# Until the memory is settled, and then as a signal would end it.
RUN_UNTIL_SETTLED = """
import asyncio, gc, json, os, signal
{imports}

async def main():
    process = asyncio.create_task({process})
    while not gc.get_freeze_count() and not process.done():
        await asyncio.sleep(0.05)
    print(json.dumps({{"frozen": gc.get_freeze_count()}}), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    await process

asyncio.run(main())
"""
WORKED = RUN_UNTIL_SETTLED.format(
    imports="from retrieval_service import config, server\nsettings = config.load()",
    process="server.work(settings, settings.database_url.get_secret_value())",
)
GATEWAY = RUN_UNTIL_SETTLED.format(
    imports="from widget_gateway import app, config", process="app.serve(config.read_settings())"
)


def told_by(program: str, **variables: str) -> dict[str, Any]:
    """What a process of its own prints, between lines of its log: much of this could not be taken back in ours."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(variables),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(line)


def test_first_use_of_an_opened_client_does_no_more_than_the_next() -> None:
    told = told_by(FIRST_USES)
    assert told["imported"] == []
    assert {name: first <= second for name, (first, second) in told["counts"].items()} == {
        "resources": True,
        "event": True,
        "chunk": True,
    }, told["counts"]


def test_settled_memory_is_clean_and_looked_at_no_more() -> None:
    told = told_by(SETTLED)
    assert told["before"] == 0
    assert told["frozen"] > 10_000
    assert told["garbage_is_gone"]
    assert not told["kept_is_looked_at"]


def test_server_has_settled_before_it_says_that_it_is_ready(database_dsn: str) -> None:
    told = told_by(SERVED, DATABASE_URL=database_dsn, KLADEZ_PORT="0", KLADEZ_EMBEDDER="local")
    assert told["frozen"] > 10_000


def test_worker_has_settled_too(database_dsn: str) -> None:
    assert told_by(WORKED, DATABASE_URL=database_dsn, KLADEZ_EMBEDDER="local")["frozen"] > 10_000


def test_gateway_has_settled_too() -> None:
    told = told_by(
        GATEWAY,
        KLADEZ_SERVICE_ADDRESS="127.0.0.1:1",
        KLADEZ_CHANNEL_KEY="a key",
        KLADEZ_GATEWAY_PORT="0",
    )
    assert told["frozen"] > 10_000
