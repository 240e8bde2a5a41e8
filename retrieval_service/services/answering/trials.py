"""Trial answers, which show what a customer would see and are in no log of customers."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from retrieval_service.domain.answering.answers import WrittenAnswer
from retrieval_service.domain.answering.logged import AnswerOutcome, LoggedAnswer
from retrieval_service.domain.answering.pseudonyms import Pseudonyms
from retrieval_service.domain.tenants.quotas import Quotas
from retrieval_service.services.answering.jobs import AnswerJob
from retrieval_service.services.answering.log import Begun, counting, within_quotas
from retrieval_service.stores.chats import chats
from retrieval_service.stores.database import Database


class Trials:
    """Replaces the `AnswerLog` for trials: counts the question for the quotas, and logs nothing."""

    def __init__(self, database: Database, pseudonyms: Pseudonyms, *, quotas: Quotas) -> None:
        self._database = database
        self._pseudonyms = pseudonyms
        self._quotas = quotas

    async def begin(self, job: AnswerJob) -> Begun:
        """Raises `QuotaSpent`."""
        counted = counting(self._pseudonyms, job.tenant_id, job.question, self._quotas)
        async with self._database.tenant(job.tenant_id) as scope:
            looked_up = await chats.count_trial(scope, question=job.question, counting=counted)
        beginning = await within_quotas(self._database, job.tenant_id, looked_up)
        job.answer_id = uuid4()
        return Begun(
            answer_id=job.answer_id,
            asker=self._pseudonyms.of(job.tenant_id, "", None),
            language="",
            tenant=beginning.tenant,
            history=(),
        )

    async def keep(self, job: AnswerJob, written: WrittenAnswer) -> None:
        """Does nothing: an answer that is not stored cannot be taken over."""

    async def finish(self, job: AnswerJob, outcome: AnswerOutcome) -> LoggedAnswer:
        if job.answer_id is None:
            raise RuntimeError("an answer that was never begun cannot be finished")
        return LoggedAnswer(
            id=job.answer_id,
            session_id=None,
            request_id=None,
            question=job.question.text,
            answer=outcome.answer,
            language=outcome.language,
            references=outcome.references,
            citations=outcome.citations,
            status=outcome.status,
            finish_reason=outcome.finish_reason,
            answerer=outcome.answerer,
            input_tokens=outcome.input_tokens,
            output_tokens=outcome.output_tokens,
            created_at=datetime.now(UTC),
            degraded_reason=outcome.degraded_reason,
            standalone_question=outcome.standalone_question,
            unsupported=outcome.unsupported,
            wants_human=outcome.wants_human,
        )
