"""Brings the index of documents up to their latest versions: read, think, write, with no transaction in between."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import structlog

from retrieval_service import errors
from retrieval_service.domain import headings, languages
from retrieval_service.domain.chunking import Chunk, ChunkPolicy, split
from retrieval_service.domain.hashing import chunk_hash, embedding_text
from retrieval_service.domain.html_text import html_to_text
from retrieval_service.domain.index_jobs import Outcome, estimated_tokens
from retrieval_service.domain.lexical import indexed_text, passage_terms
from retrieval_service.domain.records import Usage
from retrieval_service.domain.retry import delay_seconds
from retrieval_service.domain.spaces import Embedded, Space, Vector
from retrieval_service.providers.ports import Embedder
from retrieval_service.stores import chunks, documents, index_jobs, jobs, usage
from retrieval_service.stores.chunks import Change, KeptChunk, NewChunk, Place, Source, StoredChunk
from retrieval_service.stores.database import Database
from retrieval_service.stores.jobs import Job

log = structlog.get_logger("kladez.indexing")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A change without its vectors; `texts` are to be embedded for the chunks with these ids, in order.

    `saved_tokens` is what embedding the unchanged chunks would have cost, estimated.
    """

    change: Change
    texts: tuple[str, ...]
    embed_ids: tuple[UUID, ...]
    unchanged_count: int
    saved_tokens: int
    is_gone: bool = False

    @property
    def outcome(self) -> Outcome:
        if self.is_gone:
            return Outcome.REMOVED
        changes = self.change.added or self.change.removed or self.texts
        return Outcome.INDEXED if changes else Outcome.SKIPPED


@dataclass(frozen=True, kw_only=True)
class EmbeddedChunks:
    """Vectors by chunk id for a whole batch, and the tokens they cost together."""

    vectors: dict[UUID, Vector]
    tokens: int


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A document at one version and the chunks it has in the index."""

    job: Job
    source: Source | None
    stored: Sequence[StoredChunk]


class JobLost(Exception):
    """Another worker took the job over while we worked on it."""


class Indexer:
    """Indexes batches of claimed jobs under one worker's name."""

    def __init__(
        self,
        database: Database,
        embedder: Embedder,
        *,
        space_id: int,
        policy: ChunkPolicy,
        worker: str,
        max_attempts: int,
    ) -> None:
        self._database = database
        self._embedder = embedder
        self._space_id = space_id
        self._policy = policy
        self._worker = worker
        self._max_attempts = max_attempts

    async def index(self, batch: Sequence[Job]) -> None:
        """Ends every job of the batch: done, put back for later, or given up with the reason kept."""
        for job in batch:
            if job.attempts > self._max_attempts:
                await self._fail(job, "every attempt ended with the death of its worker", final=True)
        alive = [job for job in batch if job.attempts <= self._max_attempts]
        for tenant_id, tenant_jobs in by_tenant(alive).items():
            readings = await self._read(tenant_id, tenant_jobs)
            await self._index_readings(readings)

    async def _index_readings(self, readings: Sequence[Reading]) -> None:
        try:
            plans = [(reading, await self._plan(reading)) for reading in readings]
            vectors = await self._embed([plan for _, plan in plans])
        except errors.ProviderUnavailable as error:
            await self._fail_all(readings, str(error), final=False)
        except (errors.KladezError, ValueError) as error:
            await self._isolate(readings, error)
        else:
            for reading, plan in plans:
                await self._write(reading, plan, vectors)

    async def _isolate(self, readings: Sequence[Reading], error: Exception) -> None:
        """One document spoils its batch: the others go on without it."""
        if len(readings) == 1:
            locked = isinstance(error, errors.ProviderLocked)
            final = isinstance(error, errors.ProviderRefused) and not locked
            await self._fail_all(readings, f"{type(error).__name__}: {error}", final=final)
            return
        for reading in readings:
            await self._index_readings([reading])

    async def _read(self, tenant_id: UUID, tenant_jobs: Sequence[Job]) -> list[Reading]:
        async with self._database.tenant(tenant_id) as scope:
            found = await chunks.sources(scope, [job.document_id for job in tenant_jobs])
            sources = {source.id: source for source in found}
            return [
                Reading(
                    job=job,
                    source=sources.get(job.document_id),
                    stored=await chunks.of_document(scope, self._space_id, job.document_id),
                )
                for job in tenant_jobs
            ]

    async def _plan(self, reading: Reading) -> Plan:
        source = reading.source
        if source is None or source.is_deleted:
            version = source.version if source else 0
            return nothing_left(reading.job.document_id, version, reading.stored)
        return await asyncio.to_thread(plan, source, reading.stored, self._policy, self._embedder.space)

    async def _embed(self, plans: Sequence[Plan]) -> EmbeddedChunks:
        texts = [text for plan in plans for text in plan.texts]
        ids = [chunk_id for plan in plans for chunk_id in plan.embed_ids]
        if not texts:
            return EmbeddedChunks(vectors={}, tokens=0)
        embedded: Embedded = await self._embedder.embed_passages(texts)
        return EmbeddedChunks(vectors=dict(zip(ids, embedded.vectors, strict=True)), tokens=embedded.tokens)

    async def _write(self, reading: Reading, plan: Plan, embedded: EmbeddedChunks) -> None:
        job, amounts = reading.job, used(plan, embedded)
        try:
            written = await self._finish(reading, plan, embedded, amounts)
        except JobLost:
            log.warning("job_lost", tenant_id=str(job.tenant_id), document_id=str(job.document_id))
            return
        log.info(
            "document_indexed" if written else "document_superseded",
            tenant_id=str(job.tenant_id),
            document_id=str(job.document_id),
            chunks_added=len(plan.change.added),
            chunks_removed=len(plan.change.removed),
            chunks_unchanged=plan.unchanged_count,
            chunks_embedded=amounts.embedded_chunks,
            tokens_embedded=amounts.embedded_tokens,
        )

    async def _finish(self, reading: Reading, plan: Plan, embedded: EmbeddedChunks, amounts: Usage) -> bool:
        """False when a newer version came, whose own job is what an index job waits for then."""
        job, change = reading.job, with_vectors(plan.change, embedded.vectors)
        async with self._database.tenant(job.tenant_id) as scope:
            if not await jobs.finish(scope, job, worker=self._worker):
                raise JobLost
            written = await chunks.apply(scope, self._space_id, change)
            await usage.add(scope, amounts)
            if written or reading.source is None:
                await index_jobs.record(
                    scope,
                    job.document_id,
                    plan.outcome,
                    embedded_tokens=amounts.embedded_tokens,
                    saved_tokens=plan.saved_tokens,
                )
        return written

    async def _fail_all(self, readings: Iterable[Reading], error: str, *, final: bool) -> None:
        for reading in readings:
            await self._fail(reading.job, error, final=final)

    async def _fail(self, job: Job, error: str, *, final: bool) -> None:
        async with self._database.tenant(job.tenant_id) as scope:
            await documents.lock(scope, job.document_id)
            status = await jobs.fail(
                scope,
                job,
                worker=self._worker,
                error=error,
                delay_seconds=delay_seconds(job.attempts),
                max_attempts=self._max_attempts,
                final=final,
            )
            if status == "error":
                await chunks.mark_failed(scope, job.document_id, error)
                await index_jobs.record(scope, job.document_id, Outcome.FAILED)
        log.warning(
            "indexing_failed",
            tenant_id=str(job.tenant_id),
            document_id=str(job.document_id),
            attempts=job.attempts,
            status=status,
            error=error,
        )


def by_tenant(batch: Iterable[Job]) -> dict[UUID, list[Job]]:
    grouped: defaultdict[UUID, list[Job]] = defaultdict(list)
    for job in batch:
        grouped[job.tenant_id].append(job)
    return grouped


def plan(source: Source, stored: Sequence[StoredChunk], policy: ChunkPolicy, space: Space) -> Plan:
    """What changes: chunks with a known hash keep their ids, each stored one at most once.

    Slow for long documents: call it in a thread.
    """
    content = html_to_text(source.content) if source.content_type == "text/html" else source.content
    language = source.language or languages.detect_language(content)
    reusable = by_hash(stored)
    matches = [
        match(chunk, source.title, language, reusable)
        for chunk in placed(split(content, source.content_type, policy), source.ancestors)
    ]
    wanted = [one for one in matches if readable(one.text, space) and not (one.old and one.old.has_vector)]
    wanted_ids = {one.id for one in wanted}
    unchanged = [one for one in matches if one.old and one.id not in wanted_ids]
    change = Change(
        document_id=source.id,
        version=source.version,
        added=[new_chunk(one, source.title, language) for one in matches if one.old is None],
        kept=[KeptChunk(id=one.id, place=place(one.chunk)) for one in matches if one.old],
        removed=[old.id for leftovers in reusable.values() for old in leftovers],
    )
    return Plan(
        change=change,
        texts=tuple(one.text for one in wanted),
        embed_ids=tuple(one.id for one in wanted),
        unchanged_count=len(unchanged),
        saved_tokens=sum(estimated_tokens(one.text) for one in unchanged if readable(one.text, space)),
    )


def placed(parts: Iterable[Chunk], ancestors: Sequence[str]) -> Iterator[Chunk]:
    """The chunks under the titles that stand above their document."""
    return (replace(part, heading=headings.below(ancestors, part.heading)) for part in parts)


def nothing_left(document_id: UUID, version: int, stored: Iterable[StoredChunk]) -> Plan:
    """The plan for a document that is deleted or gone."""
    change = Change(document_id=document_id, version=version, removed=[old.id for old in stored])
    return Plan(change=change, texts=(), embed_ids=(), unchanged_count=0, saved_tokens=0, is_gone=True)


def by_hash(stored: Iterable[StoredChunk]) -> dict[bytes, list[StoredChunk]]:
    """Last first, so that `pop()` gives equal chunks back in the order they stand in."""
    grouped: defaultdict[bytes, list[StoredChunk]] = defaultdict(list)
    for chunk in sorted(stored, key=lambda old: -old.chunk_index):
        grouped[chunk.chunk_hash].append(chunk)
    return grouped


@dataclass(frozen=True, kw_only=True)
class Match:
    """A chunk of the new version and the stored one it equals, if any; `text` is what would be embedded."""

    id: UUID
    chunk: Chunk
    old: StoredChunk | None
    digest: bytes
    text: str


def match(chunk: Chunk, title: str, language: str, reusable: dict[bytes, list[StoredChunk]]) -> Match:
    """Takes the equal stored chunk out of `reusable`."""
    digest = chunk_hash(chunk.text, title, chunk.heading) + language.encode()
    old = reusable[digest].pop() if reusable.get(digest) else None
    text = embedding_text(title, chunk.heading, chunk.text)
    return Match(id=old.id if old else uuid4(), chunk=chunk, old=old, digest=digest, text=text)


def new_chunk(matched: Match, title: str, language: str) -> NewChunk:
    chunk = matched.chunk
    return NewChunk(
        id=matched.id,
        place=place(chunk),
        text=chunk.text,
        chunk_hash=matched.digest,
        language=language,
        terms=passage_terms(indexed_text(title, chunk.heading, chunk.text), language),
        vector=None,
    )


def place(chunk: Chunk) -> Place:
    return Place(index=chunk.index, heading=chunk.heading, start=chunk.start, end=chunk.end)


def readable(text: str, space: Space) -> bool:
    """Whether the space's model makes anything of the text's script; vectors of others would be noise."""
    return not space.scripts or languages.dominant_script(text) in space.scripts


def with_vectors(change: Change, vectors: dict[UUID, Vector]) -> Change:
    return replace(
        change,
        added=[replace(chunk, vector=vectors.get(chunk.id)) for chunk in change.added],
        kept=[replace(chunk, vector=vectors.get(chunk.id)) for chunk in change.kept],
    )


def used(plan: Plan, embedded: EmbeddedChunks) -> Usage:
    """The document's share of a batch's tokens, by its share of the texts."""
    share = len(plan.texts) / len(embedded.vectors) if embedded.vectors else 0.0
    return Usage(
        embedded_chunks=len(plan.texts),
        embedded_tokens=round(embedded.tokens * share),
        unchanged_chunks=plan.unchanged_count,
    )
