"""Bounds calls to the retrieval provider in time, and spares callers the wait while it fails."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import structlog

from retrieval_service import errors, metrics
from retrieval_service.domain.circuit import Circuit, CircuitLimits

log = structlog.get_logger("kladez.breaking")


class Breaker:
    """One for all tenants of a process: they share the provider."""

    def __init__(self, limits: CircuitLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._circuit = Circuit(limits)
        self._clock = clock

    @contextlib.asynccontextmanager
    async def call(self, seconds: float) -> AsyncIterator[None]:
        """Raises `errors.ProviderUnavailable` at once while the provider is left alone, or after `seconds`.

        A refusal is an answer: only a refused key or account is everybody's failure.
        """
        if not self._circuit.allows(self._clock()):
            raise errors.ProviderUnavailable(
                "OpenAI has failed several times and is left alone for a moment."
            )
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            self._note_failure()
            raise errors.ProviderUnavailable("OpenAI did not answer in time.") from error
        except (errors.ProviderUnavailable, errors.ProviderLocked):
            self._note_failure()
            raise
        except errors.ProviderRefused:
            self._note_success()
            raise
        self._note_success()

    def _note_failure(self) -> None:
        was_open = self._circuit.is_open
        self._circuit.failed(self._clock())
        metrics.CIRCUIT_OPEN.set(self._circuit.is_open)
        if self._circuit.is_open and not was_open:
            log.warning("circuit_opened")

    def _note_success(self) -> None:
        if self._circuit.is_open:
            log.info("circuit_closed")
        self._circuit.succeeded()
        metrics.CIRCUIT_OPEN.set(0)
