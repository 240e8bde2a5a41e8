"""Fills embedding spaces beside a worker in short steps, which any living worker can take over."""

from __future__ import annotations

import asyncio

import structlog

from retrieval_service import errors
from retrieval_service.services.spaces.filling import Filler

log = structlog.get_logger("kladez.fill_runner")

STEP_SECONDS = 0.02
IDLE_SECONDS = 1.0
SPACES_AT_A_TIME = 16


class FillRunner:
    """Runs until it is cancelled, which rolls back the current step."""

    def __init__(self, filler: Filler) -> None:
        self._filler = filler

    async def run(self) -> None:
        while True:
            advanced = await self._advance()
            await asyncio.sleep(STEP_SECONDS if advanced else IDLE_SECONDS)

    async def _advance(self) -> bool:
        """Whether there was anything to fill."""
        try:
            due = await self._filler.due(limit=SPACES_AT_A_TIME)
            if due:
                await self._filler.advance(due)
        except errors.Unavailable as error:
            log.warning("filling_left", error=str(error))
            return False
        except Exception:
            log.exception("filling_failed")
            return False
        return bool(due)
