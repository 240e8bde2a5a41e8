"""Writes one answer: gathers its fragments, has it written, and stores it in the chat log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import structlog

from retrieval_service import errors, metrics
from retrieval_service.domain.answering.answers import (
    AnswerEvent,
    AnswerStatus,
    Completed,
    Started,
    WrittenAnswer,
)
from retrieval_service.domain.answering.citations import Delta
from retrieval_service.domain.answering.follow_ups import may_continue
from retrieval_service.domain.answering.logged import AnswerOutcome, LoggedAnswer
from retrieval_service.domain.fragments import UNANSWERED, Fragment, Prompt, PromptPart
from retrieval_service.domain.numeric_lists.listings import lines_of
from retrieval_service.domain.tenants.settings import TenantSettings
from retrieval_service.domain.tenants.tenants import Tenant
from retrieval_service.domain.usage import Usage
from retrieval_service.domain.verdicts import Verdict
from retrieval_service.services.answering.asked_field import Pointer
from retrieval_service.services.answering.context import Gatherer
from retrieval_service.services.answering.generation import Composer
from retrieval_service.services.answering.jobs import AnswerJob, AnswerJobs
from retrieval_service.services.answering.log import AlreadyBegun, AnswerLog, Begun
from retrieval_service.services.answering.numeric_lists import Lister
from retrieval_service.services.answering.openai_answers import RemoteAnswerer
from retrieval_service.services.answering.query_rewriting import Rewording
from retrieval_service.services.answering.question_splitting import FRAGMENTS, Gathered
from retrieval_service.services.answering.sink import AnswerSink
from retrieval_service.services.answering.small_talk import Courtesies
from retrieval_service.services.answering.trials import Trials
from retrieval_service.services.retrieval.backend_choice import Chooser
from retrieval_service.services.retrieval.context_expansion import Widened, Widener, as_found
from retrieval_service.services.retrieval.references import fragments_of, references_of
from retrieval_service.services.retrieval.search import Found, Hit
from retrieval_service.services.usage import Meter
from retrieval_service.text import languages
from retrieval_service.text.small_talk.small_talk import Pleasantry, Said

log = structlog.get_logger("kladez.answering")


class AnswerWriter:
    """`clock` is monotonic, in seconds."""

    def __init__(
        self,
        jobs: AnswerJobs,
        answer_log: AnswerLog,
        trials: Trials,
        gatherer: Gatherer,
        lister: Lister,
        widener: Widener,
        courtesies: Courtesies,
        pointer: Pointer,
        chooser: Chooser,
        composer: Composer,
        rewording: Rewording,
        meter: Meter,
        remote: RemoteAnswerer | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jobs = jobs
        self._log = answer_log
        self._trials = trials
        self._gatherer = gatherer
        self._lister = lister
        self._widener = widener
        self._courtesies = courtesies
        self._pointer = pointer
        self._chooser = chooser
        self._composer = composer
        self._rewording = rewording
        self._meter = meter
        self._remote = remote
        self._clock = clock

    async def write(self, job: AnswerJob) -> None:
        """Writes the answer, unless the request has one. An answer that another server writes is waited for."""
        while True:
            try:
                await self._write_anew(job)
                return
            except AlreadyBegun:
                stored = await self._log.followed(job.tenant_id, job.question)
            if stored.status == AnswerStatus.CANCELLED:
                raise errors.AnswerCancelled
            if stored.status == AnswerStatus.COMPLETED:
                for event in replay(stored):
                    await job.tell(event)
                return

    async def _write_anew(self, job: AnswerJob) -> None:
        """Raises `AlreadyBegun` before the first event."""
        started_at = self._clock()
        begun, gathered = await self._begin(job)
        written = WrittenAnswer(
            answer_id=begun.answer_id,
            question=job.question,
            started_at=started_at,
            safety_identifier=begun.asker,
        )
        keeper = await self._jobs.spawn(self._log_of(job).keep(job, written))
        is_whole = False
        try:
            await self._answer(job.tenant_id, AnswerSink(job, written, self._clock), begun, gathered)
            is_whole = True
        finally:
            job.seal()
            await keeper.close()
            status = AnswerStatus.COMPLETED if is_whole else job.status
            stored = await self._finish(job, written, written.outcome(status, self._clock()))
        await job.tell(Completed(answer=stored))

    async def _begin(self, job: AnswerJob) -> tuple[Begun, Gathered | None]:
        """Searches while the question is being logged, if it is known already what to search for."""
        try:
            async with asyncio.TaskGroup() as group:
                # The slowest step begins first: a task begins when this one waits.
                logging = group.create_task(self._log_of(job).begin(job))
                gathered = await self._gather_at_once(job)
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        return logging.result(), gathered

    async def _gather_at_once(self, job: AnswerJob) -> Gathered | None:
        """None when the conversation or the provider has to be asked first, or nothing was asked."""
        question = job.question
        if question.courtesy:
            return None
        if question.session_id is not None and may_continue(question.text):
            return None
        if (await self._chooser.chosen(job.tenant_id)).is_remote:
            return None
        return await self._gatherer.gather(job.tenant_id, question, question.text)

    async def _answer(
        self, tenant_id: UUID, sink: AnswerSink, begun: Begun, gathered: Gathered | None
    ) -> None:
        """Answers with the provider's search where the tenant uses it, else or after its failure from fragments."""
        written = sink.written
        if said := written.question.courtesy:
            await self._write_courtesy(sink, begun, said)
            return
        if gathered is None:
            await self._understand(tenant_id, written, begun)
            if await self._write_remotely(tenant_id, sink, begun):
                return
            gathered = await self._gather(tenant_id, written)
        await self._write_from_fragments(tenant_id, sink, begun, gathered)

    async def _write_remotely(self, tenant_id: UUID, sink: AnswerSink, begun: Begun) -> bool:
        """False when the tenant is searched here, or cannot be searched at the provider right now."""
        chosen = await self._chooser.chosen(tenant_id)
        if self._remote is None or not chosen.is_remote:
            return False
        written = sink.written
        asked_in = written.question.language or written.language
        detected = asked_in or await asyncio.to_thread(
            languages.language_among, written.question.text, own_languages(begun.tenant)
        )
        written.language = detected or undecided_language(written.question.text, begun, ())
        try:
            await self._remote.write(sink, begun.tenant, chosen.store_id, prompt(written, begun, ()))
        except (errors.ProviderUnavailable, errors.ProviderRefused) as error:
            if sink.has_begun:
                raise
            log.warning("backend_degraded", tenant_id=str(tenant_id), error=str(error))
            written.degraded_reason = str(error)
            return False
        return True

    async def _write_from_fragments(
        self, tenant_id: UUID, sink: AnswerSink, begun: Begun, gathered: Gathered
    ) -> None:
        written = sink.written
        conditions = written.question.conditions
        asked = gathered.found.read_as or written.asked
        gathered = await self._lister.listed(tenant_id, written.asked, conditions, gathered)
        # A message that needs its conversation is no courtesy.
        alone = written.question.text if written.reworded else asked
        said = await self._courtesies.meant(tenant_id, alone, gathered)
        again = await self._again(tenant_id, written, begun, said)
        if said and not again:
            await self._write_courtesy(sink, begun, said)
            return
        gathered = again or gathered
        widened = await self._widened(tenant_id, gathered)
        fragments = cited_by_number(written, begun, gathered.found, widened)
        listing = lines_of(gathered.listing, written.language) if gathered.listing else ()
        given = replace(
            prompt(written, begun, fragments, gathered.verdict),
            listing=tuple(listing),
            parts=parts_of(gathered, widened, fragments),
            read_as=gathered.found.read_as,
        )
        if not (self._composer.reads or listing or again):
            given = await self._pointer.pointed(tenant_id, gathered.found, given)
        # Sources by strangers may take long to make safe.
        sink.open(asyncio.to_thread(references_of, widened, fragments, begun.tenant))
        try:
            await self._composer.write(sink, given)
        finally:
            await sink.opened()

    async def _again(
        self, tenant_id: UUID, written: WrittenAnswer, begun: Begun, said: Said | None
    ) -> Gathered | None:
        """The sources of the last answer or offer, when the customer wants more of it."""
        if not (said and said.pleasantry is Pleasantry.AGAIN and begun.history):
            return None
        titles = begun.history[-1].titles
        return await self._gatherer.entries(tenant_id, written.question, titles, written.degraded_reason)

    async def _widened(self, tenant_id: UUID, gathered: Gathered) -> list[Widened]:
        """The entries of a list are numbered as they were found. A model reads the faint ones too."""
        faint = gathered.sifted.faint if self._composer.reads else ()
        relevant = gathered.hits or faint[:FRAGMENTS]
        if gathered.listing:
            return as_found(relevant)
        return await self._widener.widen(tenant_id, relevant)

    async def _write_courtesy(self, sink: AnswerSink, begun: Begun, said: Said) -> None:
        undecided = undecided_language(sink.written.question.text, begun, ())
        contact = TenantSettings.from_json(begun.tenant.settings).fallback_contact
        await sink.start()
        await sink.add_text(sink.written.end_as_pleasantry(said, undecided, contact))

    async def _gather(self, tenant_id: UUID, written: WrittenAnswer) -> Gathered:
        question, reason = written.question, written.degraded_reason
        if written.reworded is None:
            return await self._gatherer.gather(tenant_id, question, question.text, reason)
        gathered = await self._gatherer.gather_for_follow_up(tenant_id, question, written.reworded, reason)
        if gathered.is_literal:
            written.reworded = None
        return gathered

    async def _understand(self, tenant_id: UUID, written: WrittenAnswer, begun: Begun) -> None:
        """A follow-up takes from the conversation what it needs to be searched for."""
        question = written.question
        if not begun.history or not may_continue(question.text):
            return
        reworded = await self._rewording.standalone(question.text, begun.history, own_languages(begun.tenant))
        written.reworded = reworded
        written.language = question.language or reworded.language
        tokens = Usage(input_tokens=reworded.input_tokens, output_tokens=reworded.output_tokens)
        written.rewording = tokens
        self._meter.count_answer(tenant_id, self._composer.name, tokens)

    async def _finish(self, job: AnswerJob, written: WrittenAnswer, outcome: AnswerOutcome) -> LoggedAnswer:
        """The rewording was counted when it was done, under the name of the model that did it."""
        is_counted = not job.question.is_trial
        is_unanswered = outcome.finish_reason in UNANSWERED
        amounts = Usage(
            answers=int(is_counted),
            unanswered=int(is_counted and is_unanswered),
            input_tokens=outcome.input_tokens - written.rewording.input_tokens,
            output_tokens=outcome.output_tokens - written.rewording.output_tokens,
        )
        self._meter.count_answer(job.tenant_id, outcome.answerer, amounts)
        metrics.note_answer(
            outcome.finish_reason,
            outcome.status,
            is_degraded=bool(outcome.degraded_reason),
            first_token_ms=outcome.first_token_ms,
        )
        return await self._log_of(job).finish(job, outcome)

    def _log_of(self, job: AnswerJob) -> AnswerLog | Trials:
        return self._trials if job.question.is_trial else self._log


def replay(stored: LoggedAnswer) -> Iterator[AnswerEvent]:
    """The events of a stored answer."""
    yield Started(answer_id=stored.id, session_id=stored.session_id, references=stored.references)
    yield Delta(text=stored.answer)
    yield from stored.citations
    yield from stored.unsupported
    yield Completed(answer=stored)


def cited_by_number(
    written: WrittenAnswer, begun: Begun, found: Found, widened: Sequence[Widened]
) -> tuple[Fragment, ...]:
    """What the answer is made from, or offers; none when nothing the tenant knows has to do with the question."""
    relevant = [one.hit for one in widened]
    asked_in = written.question.language or written.language
    written.language = (
        asked_in or found.language or undecided_language(written.question.text, begun, relevant)
    )
    written.degraded_reason = found.degraded_reason
    return fragments_of(widened, begun.tenant)


def parts_of(
    gathered: Gathered, widened: Sequence[Widened], fragments: Sequence[Fragment]
) -> tuple[PromptPart, ...]:
    """The questions of a message with several, with what was found for each, scored for it."""
    numbered = {
        chunk_id: fragment
        for one, fragment in zip(widened, fragments, strict=True)
        for chunk_id in one.chunk_ids
    }
    return tuple(
        PromptPart(
            said=asking.said,
            question=asking.text,
            fragments=tuple(_scored(asking.hits, numbered)),
            is_sure=asking.is_sure,
        )
        for asking in gathered.askings
    )


def _scored(hits: Sequence[Hit], numbered: Mapping[UUID, Fragment]) -> list[Fragment]:
    """Hits that became one section count once, with the best score."""
    scored: dict[int, Fragment] = {}
    for hit in hits:
        fragment = replace(numbered[hit.passage.chunk_id], score=hit.score)
        scored.setdefault(fragment.number, fragment)
    return list(scored.values())


def prompt(
    written: WrittenAnswer,
    begun: Begun,
    fragments: tuple[Fragment, ...],
    verdict: Verdict = Verdict.ANSWERS,
) -> Prompt:
    settings = TenantSettings.from_json(begun.tenant.settings)
    return Prompt(
        question=written.asked,
        language=written.language,
        shop_name=begun.tenant.name,
        fallback_contact=settings.fallback_contact,
        instructions=settings.system_prompt,
        fragments=fragments,
        history=tuple(turn.as_turn for turn in begun.history),
        link_domains=settings.allowed_link_domains,
        safety_identifier=written.safety_identifier,
        verdict=verdict,
        follow_up=written.question.text if written.reworded else "",
    )


def undecided_language(text: str, begun: Begun, hits: Sequence[Hit]) -> str:
    """For words that tell none, like a name: that of the customer's interface, or of what was said before."""
    if begun.language:
        return begun.language
    last = begun.history[-1].question if begun.history else ""
    before = languages.language_among(last, own_languages(begun.tenant))
    return before or language_of(text, begun.tenant, hits)


def language_of(text: str, tenant: Tenant, hits: Sequence[Hit]) -> str:
    """That of what was found when it is written alike, else the tenant's first: brands and codes are often Latin."""
    own = own_languages(tenant)
    found = next((hit.passage.language for hit in hits[:1]), "")
    return found if found in own and languages.is_written_like(text, found) else own[0]


def own_languages(tenant: Tenant) -> Sequence[str]:
    """The languages of the tenant's answers, the likeliest first."""
    return TenantSettings.from_json(tenant.settings).languages
