"""What talks to OpenAI is tried by itself: each test has a server of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fakes.openai import FakeOpenAI, running_openai


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenAI]:
    async with running_openai() as server:
        yield server
