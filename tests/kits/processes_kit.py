"""The product's own programs as processes that know nothing of the developer's environment."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from retrieval_service.postgres.processes import Command

PATIENCE_SECONDS = 40.0
OURS = ("KLADEZ_", "OPENAI_", "DATABASE_URL")


def command(module: str, variables: Mapping[str, str], log: Path) -> Command:
    return Command(
        name=module,
        arguments=(sys.executable, "-m", module),
        environment=environment(variables),
        log=log,
        grace_seconds=20,
    )


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    # Starts in the least time; tests of the others ask for them.
    ours = {"PYTHONPATH": os.pathsep.join(sys.path), "KLADEZ_LOCAL_MODEL": "minilm"}
    return {**inherited, **ours, **variables}


async def logged(log: Path, words: str) -> str:
    """The first line of a process's log with these words."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            lines = await asyncio.to_thread(lines_of, log)
            if found := next((line for line in lines if words in line), None):
                return found
            await asyncio.sleep(0.05)


def lines_of(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []
