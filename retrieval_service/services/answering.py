"""Answers a question from a tenant's documents, streams it with citations and keeps it in the chat log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID, uuid4

import structlog

from retrieval_service import errors
from retrieval_service.domain import phrases
from retrieval_service.domain.citations import CitationStream, Cited, Delta
from retrieval_service.domain.conditions import Conditions
from retrieval_service.domain.fragments import Ending, FinishReason, Fragment, Prompt, Turn
from retrieval_service.domain.records import LoggedAnswer, Tenant, Usage
from retrieval_service.providers.ports import Answerer
from retrieval_service.services.metering import Meter
from retrieval_service.services.searching import Found, Hit, Query, Searcher
from retrieval_service.stores import chats, tenants
from retrieval_service.stores.database import Database

log = structlog.get_logger("kladez.answering")

FRAGMENTS = 5
HISTORY_TURNS = 4
SNIPPET_CHARACTERS = 2_000
RUNNING_RETRY_SECONDS = 1.0
# The log is written even when the caller has gone, but nobody waits for it longer than this.
LOGGING_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Question:
    """`request_id` makes a repeat return the stored answer; `language` is "" for the question's own."""

    text: str
    session_id: UUID | None = None
    request_id: UUID | None = None
    language: str = ""
    conditions: Conditions = field(default_factory=Conditions)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A fragment as a reader sees it."""

    number: int
    document_id: str
    chunk_id: str
    source_type: str
    external_id: str
    title: str
    url: str
    snippet: str
    score: float


@dataclass(frozen=True, kw_only=True)
class Started:
    """The first event."""

    answer_id: UUID
    session_id: UUID | None
    references: Sequence[Reference]


@dataclass(frozen=True, kw_only=True)
class Completed:
    """The last event; the answer is stored."""

    answer: LoggedAnswer


AnswerEvent = Started | Delta | Cited | Completed


@dataclass(kw_only=True)
class Draft:
    """An answer while it is being written; times are seconds of a monotonic clock."""

    answer_id: UUID
    question: Question
    started_at: float
    language: str = ""
    text: str = ""
    answerer: str = ""
    references: Sequence[Reference] = ()
    citations: list[tuple[int, int, list[int]]] = field(default_factory=list)
    ending: Ending | None = None
    first_text_at: float | None = None


class Answering:
    """`clock` is monotonic, in seconds."""

    def __init__(
        self,
        database: Database,
        searcher: Searcher,
        answerer: Answerer,
        meter: Meter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._searcher = searcher
        self._answerer = answerer
        self._meter = meter
        self._clock = clock
        self._running: set[tuple[UUID, UUID]] = set()

    async def open_session(self, tenant_id: UUID, *, channel: str, user_key: str, language: str) -> UUID:
        async with self._database.tenant(tenant_id) as scope:
            return await chats.open_session(scope, channel=channel, user_key=user_key, language=language)

    async def get(self, tenant_id: UUID, answer_id: UUID) -> LoggedAnswer:
        async with self._database.tenant(tenant_id) as scope:
            answer = await chats.get(scope, answer_id)
        if answer is None:
            raise errors.NotFound("there is no such answer")
        return answer

    async def answer(self, tenant_id: UUID, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        """The events of one answer; closing the iterator stops the model and logs what was written."""
        key = (tenant_id, question.request_id or uuid4())
        if key in self._running:
            raise errors.AnswerRunning(retry_after_seconds=RUNNING_RETRY_SECONDS)
        self._running.add(key)
        try:
            stored = await self._stored(tenant_id, question)
            events = replay(stored) if stored else self._write(tenant_id, question)
            async with aclosing(events):
                async for event in events:
                    yield event
        finally:
            self._running.discard(key)

    async def _stored(self, tenant_id: UUID, question: Question) -> LoggedAnswer | None:
        if question.request_id is None:
            return None
        async with self._database.tenant(tenant_id) as scope:
            stored = await chats.get_by_request(scope, question.request_id)
        if stored and stored.question != question.text:
            reason = "was used for another question before"
            raise errors.Invalid([errors.Violation("request_id", reason)])
        return stored if stored and stored.status == "completed" else None

    async def _write(self, tenant_id: UUID, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        started_at = self._clock()
        async with asyncio.TaskGroup() as group:
            search = group.create_task(self._find(tenant_id, question))
            begin = group.create_task(self._begin(tenant_id, question))
        found, (answer_id, tenant, history) = search.result(), begin.result()
        draft = Draft(answer_id=answer_id, question=question, started_at=started_at)
        draft.language = question.language or found.language or default_language(tenant)
        relevant = (await self._searcher.relevant(tenant_id, found, question.text))[:FRAGMENTS]
        fragments = numbered(relevant)
        draft.references = [
            reference(fragment, hit) for fragment, hit in zip(fragments, relevant, strict=True)
        ]
        status = "interrupted"
        try:
            yield Started(answer_id=answer_id, session_id=question.session_id, references=draft.references)
            async with aclosing(self._parts(draft, prompt(draft, tenant, fragments, history))) as events:
                async for event in events:
                    yield event
            status = "completed"
        except (GeneratorExit, asyncio.CancelledError):
            status = "cancelled"
            raise
        finally:
            await asyncio.shield(self._finish(tenant_id, draft, status))
        yield Completed(answer=await self.get(tenant_id, answer_id))

    async def _find(self, tenant_id: UUID, question: Question) -> Found:
        query = Query(text=question.text, conditions=question.conditions, limit=FRAGMENTS * 2)
        return await self._searcher.search(tenant_id, query)

    async def _begin(self, tenant_id: UUID, question: Question) -> tuple[UUID, Tenant, list[tuple[str, str]]]:
        """Logs the question before anything can go wrong; returns the answer's id, the tenant, the history."""
        async with self._database.tenant(tenant_id) as scope:
            tenant = await tenants.get(scope.connection, tenant_id)
            session_id = question.session_id
            if tenant is None or tenant.deleted_at is not None:
                raise errors.NotFound("there is no such tenant")
            if session_id is not None and not await chats.session_exists(scope, session_id):
                raise errors.NotFound("there is no such session")
            history = await chats.recent_turns(scope, session_id, limit=HISTORY_TURNS) if session_id else []
            answer_id = await chats.begin(
                scope,
                answer_id=uuid4(),
                session_id=session_id,
                request_id=question.request_id,
                question=question.text,
                language=question.language,
            )
        if answer_id is None:
            raise errors.AnswerRunning(retry_after_seconds=RUNNING_RETRY_SECONDS)
        return answer_id, tenant, history

    async def _parts(self, draft: Draft, asked: Prompt) -> AsyncGenerator[Delta | Cited, None]:
        """What the model writes, cut into text and citations; without fragments the model is not asked."""
        if not asked.fragments:
            draft.ending = Ending(finish_reason=FinishReason.NO_RELEVANT_CONTENT)
            text = phrases.not_found_text(asked.language, asked.shop_name, asked.fallback_contact)
            yield self._noted(draft, Delta(text=text))
            return
        draft.answerer = self._answerer.name
        citations = CitationStream(frozenset(fragment.number for fragment in asked.fragments))
        async with aclosing(self._answerer.stream(asked)) as parts:
            async for part in parts:
                if isinstance(part, Ending):
                    draft.ending = part
                    continue
                for event in citations.feed(part.text):
                    yield self._noted(draft, event)
        for event in citations.finish():
            yield self._noted(draft, event)

    def _noted(self, draft: Draft, event: Delta | Cited) -> Delta | Cited:
        if isinstance(event, Cited):
            draft.citations.append((event.start, event.end, list(event.numbers)))
            return event
        draft.first_text_at = draft.first_text_at or self._clock()
        draft.text += event.text
        return event

    async def _finish(self, tenant_id: UUID, draft: Draft, status: str) -> None:
        ending = draft.ending or Ending(finish_reason=FinishReason.STOP)
        unanswered = ending.finish_reason is FinishReason.NO_RELEVANT_CONTENT
        amounts = Usage(
            answers=1,
            unanswered=int(unanswered),
            input_tokens=ending.input_tokens,
            output_tokens=ending.output_tokens,
        )
        self._meter.count(tenant_id, amounts)
        async with asyncio.timeout(LOGGING_SECONDS), self._database.tenant(tenant_id) as scope:
            await chats.finish(scope, draft.answer_id, self._outcome(draft, ending, status))

    def _outcome(self, draft: Draft, ending: Ending, status: str) -> chats.Outcome:
        first = draft.first_text_at
        return chats.Outcome(
            answer=draft.text,
            language=draft.language,
            context=[asdict(one) for one in draft.references],
            citations=draft.citations,
            status=status,
            finish_reason=ending.finish_reason if status == "completed" else "",
            answerer=draft.answerer,
            input_tokens=ending.input_tokens,
            output_tokens=ending.output_tokens,
            first_token_ms=None if first is None else round((first - draft.started_at) * 1_000),
            latency_ms=round((self._clock() - draft.started_at) * 1_000),
        )


async def replay(stored: LoggedAnswer) -> AsyncGenerator[AnswerEvent, None]:
    """The events of an answer that was given before."""
    references = [Reference(**one) for one in stored.context]
    yield Started(answer_id=stored.id, session_id=stored.session_id, references=references)
    yield Delta(text=stored.answer)
    for start, end, numbers in stored.citations:
        yield Cited(start=start, end=end, numbers=tuple(numbers))
    yield Completed(answer=stored)


def numbered(hits: Sequence[Hit]) -> tuple[Fragment, ...]:
    return tuple(
        Fragment(
            number=number,
            document_id=str(hit.passage.document_id),
            chunk_id=str(hit.passage.chunk_id),
            title=hit.passage.title,
            url=hit.passage.url,
            text=hit.passage.text,
            language=hit.passage.language,
            score=hit.score,
        )
        for number, hit in enumerate(hits, start=1)
    )


def reference(fragment: Fragment, hit: Hit) -> Reference:
    return Reference(
        number=fragment.number,
        document_id=fragment.document_id,
        chunk_id=fragment.chunk_id,
        source_type=hit.passage.source_type,
        external_id=hit.passage.external_id,
        title=fragment.title,
        url=fragment.url,
        snippet=fragment.text[:SNIPPET_CHARACTERS],
        score=fragment.score,
    )


def prompt(
    draft: Draft,
    tenant: Tenant,
    fragments: tuple[Fragment, ...],
    history: Sequence[tuple[str, str]],
) -> Prompt:
    settings: dict[str, Any] = dict(tenant.settings)
    return Prompt(
        question=draft.question.text,
        language=draft.language,
        shop_name=tenant.name,
        fallback_contact=settings.get("fallback_contact", ""),
        instructions=settings.get("system_prompt", ""),
        fragments=fragments,
        history=tuple(Turn(question=question, answer=answer) for question, answer in history),
    )


def default_language(tenant: Tenant) -> str:
    languages = tenant.settings.get("languages") or ["en"]
    return languages[0]
