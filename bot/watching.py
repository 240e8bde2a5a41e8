"""Whether Telegram still delivers updates, and the bot's pages for operators."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from telegram.request import HTTPXRequest

from bot import metrics
from retrieval_service.client import Client
from retrieval_service.monitoring import Watched

# A request for updates takes up to ten seconds; after a failure PTB waits up to thirty.
SILENCE_SECONDS = 60.0
SERVICE_SECONDS = 1.5
OK = 200


class Polling(HTTPXRequest):
    """The connection for updates; it remembers when Telegram last answered."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(connection_pool_size=1)
        self._clock = clock
        self._heard_at: float | None = None

    async def do_request(self, *arguments: Any, **options: Any) -> tuple[int, bytes]:
        outcome = "failed"
        try:
            code, body = await super().do_request(*arguments, **options)
            outcome = "ok" if code == OK else "refused"
        finally:
            metrics.POLLS.labels(outcome).inc()
        if code == OK:
            self._heard_at = self._clock()
        return code, body

    async def fault(self) -> str:
        """What is missing, in words; empty when updates come."""
        if self._heard_at is None:
            return "Telegram has not answered yet"
        silence = self._clock() - self._heard_at
        return f"Telegram has been silent for {silence:.0f} s" if silence > SILENCE_SECONDS else ""


def watched(knowledge: Client, polling: Polling) -> Watched:
    return Watched(
        part="bot",
        checks={"service": lambda: knowledge.fault(SERVICE_SECONDS), "telegram": polling.fault},
    )
