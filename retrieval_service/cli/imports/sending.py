"""Sends any number of documents to the service, and goes on after the last stored one when the line breaks."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.cli.imports.files import Problem, Row, Source
from retrieval_service.client import CallFailed, Client

CHUNK_DOCUMENTS = 200
CHUNK_BYTES = 1024 * 1024
RECONNECTIONS = 5
RECONNECT_SECONDS = 0.5

_BROKEN_LINE = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED"}
_NAMESPACE = uuid.UUID("6f1f6f0a-4c65-4b2e-9d5e-3a1b0c7f2e11")


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Some documents in order; `first_sequence` counts the good rows from 0."""

    first_sequence: int
    documents: Sequence[documents_pb.Document]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What became of an import so far; counts include earlier connections, problems only this process's.

    `earlier_id` is that of the import that had stored all of the source before, "" without one.
    """

    import_id: str
    earlier_id: str = ""
    summary: documents_pb.ImportSummary
    problems: Sequence[Problem]
    resumed_at: int
    sent_count: int

    @property
    def title(self) -> str:
        """For people, who may have to undo one of two imports."""
        if not self.earlier_id:
            return f"Import {self.import_id}"
        return f"Import {self.import_id} is this run; {self.earlier_id} is the earlier one, which stored all of it"

    @property
    def stood_complete(self) -> bool:
        """Whether an earlier run had sent all of it."""
        return self.resumed_at > 0 and self.sent_count == 0


def import_id_of(source: Source) -> str:
    """The same for the same file or folder with the same content, so that a later run can go on."""
    return str(uuid.uuid5(_NAMESPACE, f"{source.path.resolve()}\n{source.fingerprint()}"))


async def import_source(
    client: Client,
    source: Source,
    on_stored: Callable[[int], None],
    *,
    pause_seconds: float = RECONNECT_SECONDS,
) -> Report:
    """Imports all of it; a source that was imported before is compared with what is stored, from its start.

    `on_stored` is told how many documents the service has so far. Raises `CallFailed` when the service
    refuses the import, or stays away for several reconnections in a row.
    """
    import_id = await asyncio.to_thread(import_id_of, source)
    report = await _Import(client, source, import_id, on_stored).run(pause_seconds)
    if report.stood_complete:
        again = await _Import(client, source, str(uuid.uuid4()), on_stored).run(pause_seconds)
        report = replace(again, earlier_id=import_id)
    return report


def chunks(rows: Iterator[Row], first_sequence: int) -> Iterator[Chunk]:
    """Rows from the sequence number on, in chunks within the limits."""
    waiting: list[documents_pb.Document] = []
    size = 0
    for row in itertools.islice(rows, first_sequence, None):
        row_bytes = row.document.ByteSize()
        if waiting and (len(waiting) >= CHUNK_DOCUMENTS or size + row_bytes > CHUNK_BYTES):
            yield Chunk(first_sequence=first_sequence, documents=waiting)
            first_sequence += len(waiting)
            waiting, size = [], 0
        waiting.append(row.document)
        size += row_bytes
    if waiting:
        yield Chunk(first_sequence=first_sequence, documents=waiting)


class _Import:
    """One import over as many connections as it takes."""

    def __init__(
        self, client: Client, source: Source, import_id: str, on_stored: Callable[[int], None]
    ) -> None:
        self._client = client
        self._source = source
        self._on_stored = on_stored
        self._import_id = import_id
        self._resumed_at: int | None = None
        self._next_sequence = 0
        self._sent_count = 0
        self._summary: documents_pb.ImportSummary | None = None
        self._places: list[str] = []
        self._problems: list[Problem] = []
        self._refused: dict[int, documents_pb.ItemError] = {}

    async def run(self, pause_seconds: float) -> Report:
        failures = 0
        while self._summary is None:
            before = self._next_sequence
            try:
                await self._connect()
            except CallFailed as error:
                failures = 1 if self._next_sequence > before else failures + 1
                if failures > RECONNECTIONS or error.code not in _BROKEN_LINE:
                    raise
                await asyncio.sleep(pause_seconds * failures)
        return self._report(self._summary)

    async def _connect(self) -> None:
        first_ack: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        try:
            async for event in self._client.import_documents(self._requests(first_ack)):
                self._take(event, first_ack)
        finally:
            if not first_ack.done():
                first_ack.set_result(None)  # the requests would wait for it for ever
        if self._summary is None:
            raise CallFailed("the import ended without a summary", code="UNAVAILABLE")

    async def _requests(
        self, first_ack: asyncio.Future[int | None]
    ) -> AsyncIterator[documents_pb.ImportDocumentsRequest]:
        config = documents_pb.ImportConfig(import_id=self._import_id)
        yield documents_pb.ImportDocumentsRequest(config=config)
        first_sequence = await first_ack
        if first_sequence is None:
            return
        waiting = chunks(self._rows(), first_sequence)
        while (chunk := await asyncio.to_thread(next, waiting, None)) is not None:
            self._sent_count += len(chunk.documents)
            yield documents_pb.ImportDocumentsRequest(
                chunk=documents_pb.ImportChunk(first_sequence=chunk.first_sequence, documents=chunk.documents)
            )

    def _rows(self) -> Iterator[Row]:
        """The good rows; remembers where each stands and what is wrong with the others."""
        self._places, self._problems = [], []
        for entry in self._source.entries():
            if isinstance(entry, Problem):
                self._problems.append(entry)
            else:
                self._places.append(entry.place)
                yield entry

    def _take(
        self, event: documents_pb.ImportDocumentsResponse, first_ack: asyncio.Future[int | None]
    ) -> None:
        if event.HasField("ack"):
            self._next_sequence = event.ack.next_sequence
            self._on_stored(self._next_sequence)
            if not first_ack.done():
                first_ack.set_result(self._next_sequence)
            if self._resumed_at is None:
                self._resumed_at = self._next_sequence
        elif event.HasField("item_errors"):
            self._refused.update({one.index: one.error for one in event.item_errors.errors})
        elif event.HasField("summary"):
            self._summary = event.summary

    def _report(self, summary: documents_pb.ImportSummary) -> Report:
        counts = documents_pb.ImportSummary()
        counts.CopyFrom(summary)
        counts.failed_count += len({one.place for one in self._problems})
        return Report(
            import_id=self._import_id,
            summary=counts,
            problems=(*self._problems, *self._refusals()),
            resumed_at=self._resumed_at or 0,
            sent_count=self._sent_count,
        )

    def _refusals(self) -> Iterator[Problem]:
        for sequence, error in sorted(self._refused.items()):
            place = self._places[sequence]
            for one in error.fields:
                yield Problem(place=place, field=one.field, description=one.description)
            if not error.fields:
                yield Problem(place=place, description=error.message)
