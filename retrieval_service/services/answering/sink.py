"""The sink for the events of an answer: its stored form and its listeners."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from retrieval_service.domain.answering.answers import Reference, WrittenAnswer
from retrieval_service.domain.answering.checked_stream import CheckedEvent
from retrieval_service.domain.answering.citations import Delta
from retrieval_service.services.answering.jobs import AnswerJob


class AnswerSink:
    """The references are told before the first word; `clock` is monotonic, in seconds."""

    def __init__(self, job: AnswerJob, written: WrittenAnswer, clock: Callable[[], float]) -> None:
        self.written = written
        self._job = job
        self._clock = clock
        self._opening: asyncio.Future[None] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether listeners may have seen anything."""
        return self._opening is not None

    def open(self, references: Awaitable[Sequence[Reference]]) -> None:
        """Returns at once: references are made while the model thinks, and waited for by what comes next."""
        self._opening = asyncio.ensure_future(self._open(references))

    async def start(self, references: Sequence[Reference] = ()) -> None:
        self.open(_known(references))
        await self.opened()

    async def opened(self) -> None:
        """Returns when the references were told; who is cancelled meanwhile does not take them along."""
        if self._opening is None:
            return
        if self._opening.done():
            self._opening.result()
        else:
            await asyncio.shield(self._opening)

    async def add(self, event: CheckedEvent) -> None:
        """Waits for the references, and for others whose turn it is."""
        await self.opened()
        self.written.note(event, self._clock())
        await self._job.tell(event)

    async def add_all(self, events: Iterable[CheckedEvent]) -> None:
        for event in events:
            await self.add(event)

    async def add_text(self, text: str) -> None:
        await self.add(Delta(text=text))

    async def _open(self, references: Awaitable[Sequence[Reference]]) -> None:
        self.written.references = await references
        await self._job.tell(self.written.started())


async def _known(references: Sequence[Reference]) -> Sequence[Reference]:
    return references
