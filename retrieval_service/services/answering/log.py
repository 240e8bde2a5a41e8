"""Stores answers in the chat log: at the beginning, every second, and at the end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import structlog

from retrieval_service import errors
from retrieval_service.domain.answering.answers import AnswerStatus, Question, WrittenAnswer
from retrieval_service.domain.answering.conversation import PastTurn, past_turn, within_budget
from retrieval_service.domain.answering.logged import AnswerOutcome, LoggedAnswer, LoggedTurn
from retrieval_service.domain.answering.pseudonyms import Pseudonyms
from retrieval_service.domain.answering.session_proofs import SessionProof
from retrieval_service.domain.tenants.quotas import Quotas, seconds_until_tomorrow
from retrieval_service.domain.tenants.tenants import Tenant
from retrieval_service.services.answering.history import Recaller
from retrieval_service.services.answering.jobs import AnswerJob, another_request
from retrieval_service.stores.chats import chats
from retrieval_service.stores.database import Database

log = structlog.get_logger("kladez.answer_log")

KEPT_EVERY_SECONDS = 1.0
# Longer than a database may stall unnoticed. After this time without a sign, a writer counts as dead.
LEASE_SECONDS = 10.0
# The longest wait for the log, which is written even when everything else has ended.
LAST_WORDS_SECONDS = 10.0
LOOK_SECONDS = 0.2
MOST_TURNS = 20
SPENT = {
    "tenant": "the questions of this day are used up",
    "channel": "this channel's share of the questions of this day is used up",
    "visitor": "this visitor's questions of this day are used up",
}
NOBODY = chats.Asker(user_key="", language="")


class AlreadyBegun(Exception):
    """The request has an answer already, or a writer."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A logged question, whose it is, and what was said before it, oldest first; `asker` is a keyed hash.

    `language` is that of the customer's interface, empty when it was never said.
    """

    answer_id: UUID
    asker: str
    language: str
    tenant: Tenant
    history: Sequence[PastTurn]


class AnswerLog:
    """`history_tokens` is about how much of a conversation is remembered; `clock` is monotonic, in seconds."""

    def __init__(
        self,
        database: Database,
        pseudonyms: Pseudonyms,
        recaller: Recaller,
        *,
        history_tokens: int,
        quotas: Quotas,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._pseudonyms = pseudonyms
        self._recaller = recaller
        self._history_tokens = history_tokens
        self._quotas = quotas
        self._clock = clock

    async def begin(self, job: AnswerJob) -> Begun:
        """Logs the question first; raises `AlreadyBegun`, `QuotaSpent`, or `NotFound` for a foreign session.

        A reply to an answer of another conversation is `Invalid`.
        """
        question = job.question
        await self._check_reply(job.tenant_id, question)
        session_id, fetch_turns = question.session_id, no_turns
        # The customer waits, and the end of the answer takes its beginning along to the disk.
        async with self._database.at_once(job.tenant_id, reuses_plans=True, waits_for_disk=False) as scope:
            if session_id:
                fetch_turns = await chats.recent_turns(
                    scope, session_id, in_reply_to=question.in_reply_to, limit=MOST_TURNS
                )
            fetch_beginning = await chats.begin(
                scope,
                answer_id=uuid4(),
                question=question,
                counting=counting(self._pseudonyms, job.tenant_id, question, self._quotas),
                writer=job.writer,
                lease_seconds=LEASE_SECONDS,
            )
        looked_up, turns = await fetch_beginning(), await fetch_turns()
        beginning = await within_quotas(self._database, job.tenant_id, looked_up)
        if session_id and beginning.asker is None:
            raise errors.NotFound("there is no such session")
        if beginning.answer_id is None:
            raise AlreadyBegun
        job.answer_id = beginning.answer_id
        asker = beginning.asker or NOBODY
        return Begun(
            answer_id=job.answer_id,
            asker=self._pseudonyms.of(job.tenant_id, asker.user_key, session_id),
            language=asker.language,
            tenant=beginning.tenant,
            history=await self._remembered(job.tenant_id, turns),
        )

    async def keep(self, job: AnswerJob, written: WrittenAnswer) -> None:
        """Stores the answer every second until cancelled; stops the job when it is cancelled or taken over."""
        while True:
            await asyncio.sleep(KEPT_EVERY_SECONDS)
            with contextlib.suppress(errors.Unavailable):
                async with self._database.tenant(job.tenant_id) as scope:
                    is_cancel_wanted = await chats.keep(
                        scope,
                        written.answer_id,
                        written.outcome(AnswerStatus.RUNNING, self._clock()),
                        writer=job.writer,
                        lease_seconds=LEASE_SECONDS,
                    )
                if is_cancel_wanted is None:
                    job.interrupt("the answer is another writer's, finished or erased")
                elif is_cancel_wanted:
                    job.cancel()

    async def finish(self, job: AnswerJob, outcome: AnswerOutcome) -> LoggedAnswer:
        """Raises `AnswerInterrupted` when another server took the answer over, or it was erased."""
        if job.answer_id is None:
            raise RuntimeError("an answer that was never begun cannot be finished")
        try:
            async with asyncio.timeout(LAST_WORDS_SECONDS), self._database.tenant(job.tenant_id) as scope:
                is_ours = await chats.finish(scope, job.answer_id, outcome, writer=job.writer)
                stored = await chats.get(scope, job.answer_id) if is_ours else None
        except TimeoutError as error:
            raise errors.Unavailable("the answer could not be stored in time") from error
        if stored is None:
            log.warning("answer_lost", tenant_id=str(job.tenant_id), answer_id=str(job.answer_id))
            raise errors.AnswerInterrupted
        return stored

    async def check(self, tenant_id: UUID, proof: SessionProof) -> None:
        """Raises `NotFound` for a conversation that is not there or not the caller's."""
        async with self._database.tenant(tenant_id) as scope:
            if not await chats.session_exists(scope, proof):
                raise errors.NotFound("there is no such session")

    async def find(
        self, tenant_id: UUID, *, answer_id: UUID | None = None, request_id: UUID | None = None
    ) -> LoggedAnswer:
        """Finds an answer by one of the two ids; raises `NotFound`."""
        async with self._database.tenant(tenant_id) as scope:
            if request_id:
                answer = await chats.get_by_request(scope, request_id)
            else:
                answer = await chats.get(scope, answer_id) if answer_id else None
        if answer is None:
            raise errors.NotFound("there is no such answer")
        return answer

    async def followed(self, tenant_id: UUID, question: Question) -> LoggedAnswer:
        """The request's answer, after its writer has ended."""
        while True:
            answer = await self.find(tenant_id, request_id=question.request_id)
            if not question.is_of(answer):
                raise another_request()
            if answer.status != AnswerStatus.RUNNING:
                return answer
            await asyncio.sleep(LOOK_SECONDS)

    async def cancelled(self, tenant_id: UUID, answer: LoggedAnswer) -> LoggedAnswer:
        """The answer, after its writer on any server has stopped; polls every second."""
        while answer.status == AnswerStatus.RUNNING:
            async with self._database.tenant(tenant_id) as scope:
                await chats.want_cancel(scope, answer.id)
            await asyncio.sleep(LOOK_SECONDS)
            answer = await self.find(tenant_id, answer_id=answer.id)
        return answer

    async def run_housekeeping(self) -> None:
        """Housekeeping: marks the answers of dead writers as interrupted."""
        async with self._database.operator() as operator:
            abandoned = await chats.mark_abandoned(operator)
        if abandoned:
            log.warning("answers_abandoned", answers=abandoned)

    async def _check_reply(self, tenant_id: UUID, question: Question) -> None:
        """Nothing is logged, and nothing told of a conversation that is not the caller's."""
        if question.in_reply_to is None or question.session_id is None:
            return
        proof = SessionProof(session_id=question.session_id, token_hash=question.token_hash)
        async with self._database.tenant(tenant_id) as scope:
            if not await chats.session_exists(scope, proof):
                raise errors.NotFound("there is no such session")
            if not await chats.has_turn(scope, proof.session_id, question.in_reply_to):
                raise errors.Invalid([errors.Violation("in_reply_to", "is no answer of this conversation")])

    async def _remembered(self, tenant_id: UUID, recent: Sequence[LoggedTurn]) -> Sequence[PastTurn]:
        last = within_budget(map(past_turn, recent), self._history_tokens)
        return await self._recaller.recalled(tenant_id, last)


def counting(pseudonyms: Pseudonyms, tenant_id: UUID, question: Question, quotas: Quotas) -> chats.Counting:
    """No model answers a courtesy, so it costs nobody a question. What a channel calls a hash may be none."""
    visitor = question.visitor
    return chats.Counting(
        visitor=None if visitor is None else pseudonyms.of(tenant_id, visitor, None),
        key=str(question.key_id or ""),
        is_free=question.courtesy is not None or question.is_exempt,
        quotas=quotas,
    )


async def within_quotas(
    database: Database, tenant_id: UUID, beginning: chats.Beginning | None
) -> chats.Beginning:
    """Raises `QuotaSpent`, and `NotFound` without a tenant; what was counted too late is given back."""
    if beginning is None or beginning.tenant.deleted_at is not None:
        raise errors.NotFound("there is no such tenant")
    if beginning.counted_late:
        async with database.tenant(tenant_id) as scope:
            await chats.give_back(scope, beginning.counted_late)
    if beginning.spent:
        raise quota_spent(beginning.spent)
    return beginning


def quota_spent(kind: str) -> errors.QuotaSpent:
    seconds = seconds_until_tomorrow(datetime.now(UTC))
    return errors.QuotaSpent(SPENT[kind], retry_after_seconds=seconds, quota=kind)


async def no_turns() -> list[LoggedTurn]:
    return []
