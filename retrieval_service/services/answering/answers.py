"""Answers questions from a tenant's documents, and streams each answer to its asker and to repeats of the request."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

from retrieval_service import errors
from retrieval_service.domain.answering.answers import (
    AnswerEvent,
    Question,
)
from retrieval_service.domain.answering.logged import LoggedAnswer
from retrieval_service.domain.answering.session_proofs import SessionProof
from retrieval_service.services.answering.jobs import AnswerJobs
from retrieval_service.services.answering.log import AnswerLog
from retrieval_service.services.answering.writing import AnswerWriter


class Answering:
    """Every answer is a job of the server; callers only listen."""

    def __init__(self, jobs: AnswerJobs, answer_log: AnswerLog, writer: AnswerWriter) -> None:
        self._jobs = jobs
        self._log = answer_log
        self._writer = writer

    async def get(self, tenant_id: UUID, answer_id: UUID) -> LoggedAnswer:
        return await self._log.find(tenant_id, answer_id=answer_id)

    async def answer(self, tenant_id: UUID, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        """The events of one answer from its beginning. The answer continues when nobody listens."""
        job = await self._jobs.join(tenant_id, question, self._writer.write)
        async with aclosing(job.told.listen()) as events:
            async for event in events:
                yield event

    async def cancel(
        self,
        tenant_id: UUID,
        *,
        answer_id: UUID | None = None,
        request_id: UUID | None = None,
        proof: SessionProof | None = None,
    ) -> LoggedAnswer:
        """Cancels by one of the two ids, within the conversation if one is named.

        A completed answer does not change.
        """
        if proof:
            await self._log.check(tenant_id, proof)
        job = self._jobs.of_request(tenant_id, request_id) if request_id else None
        job = self._jobs.of_answer(tenant_id, answer_id) if answer_id else job
        if job and (proof is None or job.question.session_id == proof.session_id):
            job.cancel()
            await job.told.ended()
        answer = await self._log.find(tenant_id, answer_id=answer_id, request_id=request_id)
        if proof and answer.session_id != proof.session_id:
            raise errors.NotFound("there is no such answer")
        return await self._log.cancelled(tenant_id, answer)

    async def wind_down(self, grace_seconds: float) -> None:
        """Waits for answers for a while, then stores them as far as they are written."""
        await self._jobs.wind_down(grace_seconds)
