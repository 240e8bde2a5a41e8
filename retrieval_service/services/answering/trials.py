"""Trial answers, which show what a customer would see and are in no log of customers."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

from retrieval_service import errors
from retrieval_service.domain.answering.answers import WrittenAnswer
from retrieval_service.domain.answering.logged import AnswerOutcome, LoggedAnswer
from retrieval_service.domain.answering.pseudonyms import Pseudonyms
from retrieval_service.domain.tenants.tenants import Tenant
from retrieval_service.services.answering.jobs import AnswerJob
from retrieval_service.services.answering.log import Begun
from retrieval_service.stores.database import Database
from retrieval_service.stores.tenants import tenants


class Trials:
    """Replaces the `AnswerLog` for trials, and stores nothing."""

    def __init__(self, database: Database, pseudonyms: Pseudonyms) -> None:
        self._database = database
        self._pseudonyms = pseudonyms

    async def begin(self, job: AnswerJob) -> Begun:
        tenant = await self._tenant(job.tenant_id)
        job.answer_id = uuid4()
        return Begun(
            answer_id=job.answer_id,
            asker=self._pseudonyms.of(job.tenant_id, "", None),
            language="",
            tenant=tenant,
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

    async def _tenant(self, tenant_id: UUID) -> Tenant:
        async with self._database.tenant(tenant_id) as scope:
            tenant = await tenants.get(scope.connection, tenant_id)
        if tenant is None or tenant.deleted_at is not None:
            raise errors.NotFound("there is no such tenant")
        return tenant
