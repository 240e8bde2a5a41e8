"""Answers with the model's own search in a tenant's files, once Postgres has approved of all that it found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from uuid import UUID

from retrieval_service import errors
from retrieval_service.domain.answering.answers import WrittenAnswer
from retrieval_service.domain.answering.checked_stream import CheckedEvent as Said
from retrieval_service.domain.answering.checked_stream import CheckedText
from retrieval_service.domain.answering.file_citations import FileCitations
from retrieval_service.domain.fragments import Ending, Fragment, Judged, Prompt, TextPart
from retrieval_service.domain.sync.remote_files import FileAnswerPart, FileCited, FileSearch, FoundFiles
from retrieval_service.domain.sync.remote_files import Hit as FileHit
from retrieval_service.domain.tenants.tenants import Tenant
from retrieval_service.providers.ports import FileAnswerer
from retrieval_service.services.answering.output_checks import Proofreading
from retrieval_service.services.answering.quotation import PROVIDER_FAILURES, Quoter
from retrieval_service.services.answering.sink import AnswerSink
from retrieval_service.services.retrieval.circuit_breaker import Breaker
from retrieval_service.services.retrieval.context_expansion import as_found
from retrieval_service.services.retrieval.openai_search import RemoteSearcher
from retrieval_service.services.retrieval.references import shown
from retrieval_service.services.retrieval.relevance import Sifted, Sifter

FILES = 5
# The model has to decide, search and begin to write; whoever waits longer is answered from Postgres.
BEGINNING_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """What was found by how many searches, and the first part that is something else, None when none comes."""

    files: Sequence[FileHit]
    first: FileAnswerPart | None
    search_count: int


class RemoteAnswerer:
    """Nobody waits longer than `beginning_seconds` for what the provider finds."""

    def __init__(
        self,
        answerer: FileAnswerer,
        searcher: RemoteSearcher,
        sifter: Sifter,
        breaker: Breaker,
        quoter: Quoter,
        *,
        beginning_seconds: float = BEGINNING_SECONDS,
    ) -> None:
        self._answerer = answerer
        self._searcher = searcher
        self._sifter = sifter
        self._breaker = breaker
        self._quoter = quoter
        self._beginning_seconds = beginning_seconds

    async def write(self, sink: AnswerSink, tenant: Tenant, store_id: str, asked: Prompt) -> None:
        """Raises `errors.ProviderUnavailable` or `errors.ProviderRefused`.

        Before the sink has begun nothing has been said, and somebody else may answer; before the first word the
        documents that were found are quoted.
        """
        written = sink.written
        conditions = replace(written.question.conditions, tenant_id=tenant.id)
        where = FileSearch(store_ids=[store_id], conditions=conditions, limit=FILES)
        async with aclosing(self._answerer.stream(asked, where)) as parts:
            async with self._breaker.call(self._beginning_seconds):
                beginning = await begin(parts)
            self._searcher.count(tenant.id, beginning.search_count)
            approved = await self._approved(tenant.id, written, beginning.files)
            what = await asyncio.to_thread(shown, as_found(approved.hits), tenant)
            await sink.start(what.references)
            if not what.fragments:
                await sink.add_text(written.end_as_not_found(asked))
                return
            fragments = whole_documents(what.fragments)
            asked = replace(asked, fragments=fragments, verdict=approved.verdict)
            try:
                await self._write(sink, asked, beginning, parts)
            except PROVIDER_FAILURES as failure:
                await self._quoter.stand_in(sink, asked, failure)
            await self._quoter.end(sink, asked)

    async def _approved(self, tenant_id: UUID, written: WrittenAnswer, files: Sequence[FileHit]) -> Sifted:
        """All that was found, and what it promises; no hits when not even a model may find an answer in it.

        The model has read all it found: if any of it is deleted, replaced or excluded, its words are not used.
        """
        checked = await self._searcher.check(tenant_id, files, written.question.conditions)
        if checked.dropped_count:
            raise errors.ProviderUnavailable("OpenAI still finds documents that have changed.")
        sifted = await self._sifter.remotely_relevant(tenant_id, checked.hits, written.asked)
        is_read = sifted.hits or sifted.faint
        return replace(sifted, hits=checked.hits if is_read else ())

    async def _write(
        self,
        sink: AnswerSink,
        asked: Prompt,
        beginning: Beginning,
        parts: AsyncGenerator[FileAnswerPart, None],
    ) -> None:
        written = sink.written
        written.answerer = self._answerer.name
        checked = await asyncio.to_thread(CheckedText, asked, cites_late=True)
        citations = FileCitations(numbers_of(written), checked)
        known = {hit.file_id for hit in beginning.files}
        proofreading = Proofreading()
        async for part in led_by(beginning.first, parts):
            if isinstance(part, TextPart | FileCited) and written.is_silent:
                continue
            if isinstance(part, TextPart):
                await sink.add_all(await proofreading.read(citations.text, part.text))
            else:
                await sink.add_all(said(citations, written, known, part))
        await sink.add_all(await asyncio.to_thread(citations.finish))


async def begin(parts: AsyncGenerator[FileAnswerPart, None]) -> Beginning:
    """Everything that is found before the model speaks."""
    files: list[FileHit] = []
    search_count = 0
    async for part in parts:
        if not isinstance(part, FoundFiles):
            return Beginning(files=files, first=part, search_count=search_count)
        files += part.hits
        search_count += 1
    return Beginning(files=files, first=None, search_count=search_count)


async def led_by(
    first: FileAnswerPart | None, parts: AsyncGenerator[FileAnswerPart, None]
) -> AsyncGenerator[FileAnswerPart, None]:
    if first:
        yield first
    async for part in parts:
        yield part


def said(
    citations: FileCitations, written: WrittenAnswer, known: set[str], part: FileAnswerPart
) -> Sequence[Said]:
    """What a part adds beside text; the model may not read files that nobody has approved of."""
    match part:
        case FileCited():
            return citations.cited(part)
        case FoundFiles() if not known.issuperset(hit.file_id for hit in part.hits):
            raise errors.ProviderUnavailable("The model went on searching while it wrote.")
        case Judged() | Ending():
            written.note_part(part)
    return ()


def whole_documents(fragments: Sequence[Fragment]) -> tuple[Fragment, ...]:
    """All that was found of each document, under the number of its first reference: files are cited as wholes."""
    found: dict[str, Fragment] = {}
    for one in fragments:
        first = found.get(one.document_id)
        found[one.document_id] = replace(first, text=f"{first.text}\n{one.text}") if first else one
    return tuple(found.values())


def numbers_of(written: WrittenAnswer) -> dict[UUID, int]:
    """The first reference of each document."""
    numbers: dict[UUID, int] = {}
    for one in written.references:
        numbers.setdefault(UUID(one.document_id), one.number)
    return numbers
