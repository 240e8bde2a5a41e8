"""Answers a question from a tenant's documents, streams it with citations and keeps it in the chat log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from uuid import UUID, uuid4

import structlog

from retrieval_service import errors
from retrieval_service.domain import languages
from retrieval_service.domain.answers import (
    AnswerEvent,
    Completed,
    Question,
    Reference,
    Started,
    WrittenAnswer,
)
from retrieval_service.domain.checked_text import CheckedEvent, CheckedText
from retrieval_service.domain.citations import Cited, Delta
from retrieval_service.domain.fragments import Ending, FinishReason, Fragment, Prompt, Turn
from retrieval_service.domain.grounding import Flagged, Reason
from retrieval_service.domain.pseudonyms import Pseudonyms
from retrieval_service.domain.records import LoggedAnswer, Tenant, Usage
from retrieval_service.domain.settings import TenantSettings
from retrieval_service.providers.ports import Answerer
from retrieval_service.services.choosing import Chooser
from retrieval_service.services.metering import Meter
from retrieval_service.services.referencing import numbered, references
from retrieval_service.services.remote_answering import RemoteAnswerer
from retrieval_service.services.retrieving import Retriever
from retrieval_service.services.searching import Found, Query
from retrieval_service.stores import chats, tenants
from retrieval_service.stores.database import Database, TenantScope

log = structlog.get_logger("kladez.answering")

FRAGMENTS = 5
HISTORY_TURNS = 4
RUNNING_RETRY_SECONDS = 1.0
# The log is written even when the caller has gone, but nobody waits for it longer than this.
LOGGING_SECONDS = 10.0


class Answering:
    """`clock` is monotonic, in seconds."""

    def __init__(
        self,
        database: Database,
        retriever: Retriever,
        chooser: Chooser,
        answerer: Answerer,
        meter: Meter,
        pseudonyms: Pseudonyms,
        remote: RemoteAnswerer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._retriever = retriever
        self._chooser = chooser
        self._answerer = answerer
        self._meter = meter
        self._remote = remote
        self._pseudonyms = pseudonyms
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
        written, tenant, history = await self._begin(tenant_id, question)
        status = "interrupted"
        try:
            async with aclosing(self._events(tenant_id, written, tenant, history)) as events:
                async for event in events:
                    yield event
            status = "completed"
        except (GeneratorExit, asyncio.CancelledError):
            status = "cancelled"
            raise
        finally:
            await asyncio.shield(self._finish(tenant_id, written, status))
        yield Completed(answer=await self.get(tenant_id, written.answer_id))

    async def _begin(
        self, tenant_id: UUID, question: Question
    ) -> tuple[WrittenAnswer, Tenant, Sequence[Turn]]:
        """Logs the question before anything can go wrong; `NotFound` for a session of somebody else."""
        started_at = self._clock()
        async with self._database.tenant(tenant_id) as scope:
            tenant = await tenants.get(scope.connection, tenant_id)
            if tenant is None or tenant.deleted_at is not None:
                raise errors.NotFound("there is no such tenant")
            history = await turns(scope, question.session_id)
            asker = await self._asker(scope, question.session_id)
            answer_id = await chats.begin(
                scope,
                answer_id=uuid4(),
                session_id=question.session_id,
                request_id=question.request_id,
                question=question.text,
                language=question.language,
            )
        if answer_id is None:
            raise errors.AnswerRunning(retry_after_seconds=RUNNING_RETRY_SECONDS)
        written = WrittenAnswer(
            answer_id=answer_id, question=question, started_at=started_at, safety_identifier=asker
        )
        return written, tenant, history

    async def _asker(self, scope: TenantScope, session_id: UUID | None) -> str:
        user_key = await chats.user_key(scope, session_id) if session_id else ""
        return self._pseudonyms.of(scope.tenant_id, user_key, session_id)

    async def _events(
        self, tenant_id: UUID, written: WrittenAnswer, tenant: Tenant, history: Sequence[Turn]
    ) -> AsyncGenerator[Started | CheckedEvent, None]:
        """From the provider's search where that is the tenant's; from fragments when it fails before a word."""
        remote = await self._remotely(tenant_id, written, tenant, history)
        if remote:
            is_begun = False
            try:
                async with aclosing(remote) as events:
                    async for event in events:
                        is_begun = True
                        yield event
                return
            except (errors.ProviderUnavailable, errors.ProviderRefused) as error:
                if is_begun:
                    raise
                log.warning("backend_degraded", tenant_id=str(tenant_id), error=str(error))
                written.degraded_reason = str(error)
        async with aclosing(self._from_fragments(tenant_id, written, tenant, history)) as events:
            async for event in events:
                yield event

    async def _from_fragments(
        self, tenant_id: UUID, written: WrittenAnswer, tenant: Tenant, history: Sequence[Turn]
    ) -> AsyncGenerator[Started | CheckedEvent, None]:
        fragments = await self._fragments(tenant_id, written, tenant)
        yield written.started()
        async with aclosing(self._parts(written, prompt(written, tenant, fragments, history))) as events:
            async for event in events:
                yield event

    async def _remotely(
        self, tenant_id: UUID, written: WrittenAnswer, tenant: Tenant, history: Sequence[Turn]
    ) -> AsyncGenerator[Started | CheckedEvent, None] | None:
        """None when the tenant's documents are searched here, or cannot be searched there right now."""
        if self._remote is None:
            return None
        chosen = await self._chooser.chosen(tenant_id)
        if not chosen.is_remote:
            return None
        question = written.question
        detected = await asyncio.to_thread(languages.detect_language, question.text)
        written.language = question.language or detected or default_language(tenant)
        asked = prompt(written, tenant, (), history)
        return self._remote.events(tenant_id, chosen.store_id, written, asked)

    async def _fragments(
        self, tenant_id: UUID, written: WrittenAnswer, tenant: Tenant
    ) -> tuple[Fragment, ...]:
        """What the answer is made from; none when nothing the tenant knows has to do with the question."""
        question = written.question
        query = Query(text=question.text, conditions=question.conditions, limit=FRAGMENTS * 2)
        found = await self._found(tenant_id, written, query)
        relevant = (await self._retriever.relevant(tenant_id, found, question.text))[:FRAGMENTS]
        written.language = question.language or found.language or default_language(tenant)
        written.references = references(relevant)
        written.degraded_reason = found.degraded_reason
        return numbered(relevant)

    async def _found(self, tenant_id: UUID, written: WrittenAnswer, query: Query) -> Found:
        """The provider that has just failed is not asked again."""
        if written.degraded_reason:
            return await self._retriever.search_in_postgres(tenant_id, query, written.degraded_reason)
        return await self._retriever.search(tenant_id, query)

    async def _parts(self, written: WrittenAnswer, asked: Prompt) -> AsyncGenerator[CheckedEvent, None]:
        """What the model writes, made safe and held to its sources; without fragments the model is not asked."""
        if not asked.fragments:
            yield written.note_not_found(asked, self._clock())
            return
        written.answerer = self._answerer.name
        checked = CheckedText(asked)
        async with aclosing(self._answerer.stream(asked)) as parts:
            async for part in parts:
                if isinstance(part, Ending):
                    written.ending = part
                    continue
                for event in checked.feed(part.text):
                    yield written.note(event, self._clock())
        for event in checked.finish():
            yield written.note(event, self._clock())
        if not written.text:
            yield written.note_no_answer(asked, self._clock())

    async def _finish(self, tenant_id: UUID, written: WrittenAnswer, status: str) -> None:
        outcome = written.outcome(status, self._clock())
        unanswered = outcome.finish_reason == FinishReason.NO_RELEVANT_CONTENT
        amounts = Usage(
            answers=1,
            unanswered=int(unanswered),
            input_tokens=outcome.input_tokens,
            output_tokens=outcome.output_tokens,
        )
        self._meter.count_answer(tenant_id, outcome.answerer, amounts)
        async with asyncio.timeout(LOGGING_SECONDS), self._database.tenant(tenant_id) as scope:
            await chats.finish(scope, written.answer_id, outcome)


async def turns(scope: TenantScope, session_id: UUID | None) -> list[Turn]:
    """The conversation so far, oldest first; raises `NotFound` for a session the tenant does not have."""
    if session_id is None:
        return []
    if not await chats.session_exists(scope, session_id):
        raise errors.NotFound("there is no such session")
    recent = await chats.recent_turns(scope, session_id, limit=HISTORY_TURNS)
    return [Turn(question=question, answer=answer) for question, answer in recent]


async def replay(stored: LoggedAnswer) -> AsyncGenerator[AnswerEvent, None]:
    """The events of an answer that was given before."""
    references = [Reference(**one) for one in stored.context]
    yield Started(answer_id=stored.id, session_id=stored.session_id, references=references)
    yield Delta(text=stored.answer)
    for start, end, numbers in stored.citations:
        yield Cited(start=start, end=end, numbers=tuple(numbers))
    for start, end, reason in stored.unsupported:
        yield Flagged(start=start, end=end, reason=Reason(reason))
    yield Completed(answer=stored)


def prompt(
    written: WrittenAnswer, tenant: Tenant, fragments: tuple[Fragment, ...], history: Sequence[Turn]
) -> Prompt:
    settings = TenantSettings.from_json(tenant.settings)
    return Prompt(
        question=written.question.text,
        language=written.language,
        shop_name=tenant.name,
        fallback_contact=settings.fallback_contact,
        instructions=settings.system_prompt,
        fragments=fragments,
        history=tuple(history),
        link_domains=settings.allowed_link_domains,
        safety_identifier=written.safety_identifier,
    )


def default_language(tenant: Tenant) -> str:
    return TenantSettings.from_json(tenant.settings).languages[0]
