"""The examples do what their README says, against a real service."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest
import pytest_asyncio
from kladez.v1 import document_service_pb2 as documents_pb

from tests.kits.service_kit import Running, Shop, new_shop, wait_until_indexed

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"
NODE_MODULES = ROOT / "tests" / "e2e" / "node_modules"
SECONDS = 60.0
QUESTION = "How long is the guarantee on a bicycle frame?"
ANSWER = "The frame of a bicycle has a guarantee of eleven years."

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bicycles(running: Running) -> Shop:
    shop = await new_shop(running)
    faq = documents_pb.Document(
        source_type="faq", external_id="guarantee", title=QUESTION, content=f"# {QUESTION}\n\n{ANSWER}"
    )
    await shop.client.upsert_document(documents_pb.UpsertDocumentRequest(document=faq))
    await wait_until_indexed(shop)
    return shop


async def run(program: str, example: str, *words: str, port: int, key: str) -> tuple[int, str, str]:
    environment = {
        **os.environ,
        "KLADEZ_ADDRESS": f"127.0.0.1:{port}",
        "KLADEZ_KEY": key,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "protos" / "gen")]),
        "NODE_PATH": str(NODE_MODULES),
    }
    process = await asyncio.create_subprocess_exec(
        program,
        str(EXAMPLES / example),
        *words,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


PROGRAMS = [
    (sys.executable, "python/ask.py"),
    (sys.executable, "python/ask_sync.py"),
    (shutil.which("node") or "node", "node/ask.js"),
]


@pytest.mark.parametrize(("program", "example"), PROGRAMS)
async def test_a_question_is_answered(running: Running, bicycles: Shop, program: str, example: str) -> None:
    code, out, err = await run(program, example, QUESTION, port=running.port, key=bicycles.key)
    assert (code, err) == (0, "")
    assert ANSWER in out


@pytest.mark.parametrize(("program", "example"), PROGRAMS)
async def test_a_wrong_key_is_told(running: Running, program: str, example: str) -> None:
    code, _, err = await run(program, example, QUESTION, port=running.port, key="wrong")
    assert code == 1
    assert "UNAUTHENTICATED" in err


async def test_what_is_stored_is_found(running: Running, bicycles: Shop) -> None:
    code, out, err = await run(
        sys.executable, "python/store_and_search.py", port=running.port, key=bicycles.key
    )
    assert (code, err) == (0, "")
    assert "found Brass reading lamp" in out
