"""A circuit breaker: limits the time of calls to a provider, and stops them while it fails."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import structlog
from prometheus_client import Gauge

from retrieval_service import errors, metrics
from retrieval_service.domain.retrieval.circuit import Circuit, CircuitLimits

log = structlog.get_logger("kladez.breaking")


class Attempt:
    """A call with a deadline for its beginning only."""

    def __init__(self, patience: asyncio.Timeout, note_beginning: Callable[[], None]) -> None:
        self._patience = patience
        self._note_beginning = note_beginning
        self.has_begun = False

    def began(self) -> None:
        """Removes the deadline; may be called again."""
        if not self.has_begun:
            self.has_begun = True
            self._patience.reschedule(None)
            self._note_beginning()


class Breaker:
    """One breaker for all tenants of a process, which share the provider."""

    def __init__(
        self,
        limits: CircuitLimits,
        clock: Callable[[], float] = time.monotonic,
        *,
        provider: str = "OpenAI",
        shown: Gauge = metrics.CIRCUIT_OPEN,
    ) -> None:
        """`shown` is 1 while the provider is left alone: each breaker has a gauge of its own."""
        self._circuit = Circuit(limits)
        self._clock = clock
        self._provider = provider
        self._shown = shown

    @property
    def is_open(self) -> bool:
        """Whether calls are stopped, except for one trial after each pause."""
        return self._circuit.is_open

    @contextlib.asynccontextmanager
    async def call(self, seconds: float) -> AsyncIterator[None]:
        """Raises `errors.ProviderUnavailable` at once while the provider is left alone, or after `seconds`."""
        async with self.attempt(seconds):
            yield

    @contextlib.asynccontextmanager
    async def attempt(self, seconds: float) -> AsyncIterator[Attempt]:
        """As `call`, but once it has begun it may take its time, and fail as a whole all the same.

        A refusal is an answer: only a refused key or account is everybody's failure.
        """
        if not self._circuit.allows(self._clock()):
            raise errors.ProviderUnavailable(
                f"{self._provider} has failed several times and is left alone for a moment."
            )
        attempt: Attempt | None = None
        try:
            async with asyncio.timeout(seconds) as patience:
                attempt = Attempt(patience, self._note_beginning)
                yield attempt
        except TimeoutError as error:
            self._note_failure()
            raise errors.ProviderUnavailable(f"{self._provider} did not answer in time.") from error
        except (errors.ProviderUnavailable, errors.ProviderLocked):
            self._note_failure()
            raise
        except errors.ProviderRefused:
            self._note_success()
            raise
        except GeneratorExit:
            if attempt and attempt.has_begun:
                self._note_success()
            raise
        self._note_success()

    def _note_beginning(self) -> None:
        """Notes the beginning of a trial call, so that others need not wait for its end."""
        if self._circuit.is_open:
            self._note_success()

    def _note_failure(self) -> None:
        was_open = self._circuit.is_open
        self._circuit.failed(self._clock())
        self._shown.set(self._circuit.is_open)
        if self._circuit.is_open and not was_open:
            log.warning("circuit_opened", provider=self._provider)

    def _note_success(self) -> None:
        if self._circuit.is_open:
            log.info("circuit_closed", provider=self._provider)
        self._circuit.succeeded()
        self._shown.set(0)
