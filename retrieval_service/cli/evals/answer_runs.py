"""Asks labelled questions through the service and judges what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service.cli.failures import Failed
from retrieval_service.cli.up import demo
from retrieval_service.cli.waiting import until_indexed
from retrieval_service.client import Client
from retrieval_service.domain.insights.answer_metrics import GivenAnswer, Judged, LabelledQuestion

CONCURRENCY = 4
CONTACT = "help@tea-mile.example"
STATE_NOTHING = (answers_pb.FINISH_REASON_NO_RELEVANT_CONTENT, answers_pb.FINISH_REASON_NOT_SURE)


@asynccontextmanager
async def demo_tenant(operator: Client) -> AsyncIterator[Client]:
    """A client for a tenant with the demo shop's catalogues, indexed; the tenant is deleted afterwards."""
    settings = tenants_pb.TenantSettings(languages=demo.LANGUAGES, fallback_contact=CONTACT)
    tenant = tenants_pb.Tenant(name="kladez eval answers", settings=settings)
    created = (await operator.create_tenant(tenants_pb.CreateTenantRequest(tenant=tenant))).tenant
    try:
        client = operator.for_tenant(created.tenant_id)
        for language in demo.LANGUAGES:
            await demo.import_catalogue(language, client)
        await until_indexed(client)
        yield client
    finally:
        await operator.delete_tenant(tenants_pb.DeleteTenantRequest(tenant_id=created.tenant_id))


async def judge(
    client: Client, questions: Sequence[LabelledQuestion], on_answer: Callable[[], None]
) -> tuple[list[Judged], str]:
    """In the order of the questions, a few asked at a time; and the name of what wrote the answers."""
    waiting = iter(enumerate(questions))
    judged: dict[int, Judged] = {}
    answerers: set[str] = set()
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENCY):
                group.create_task(_ask_each(client, waiting, judged, answerers, on_answer))
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    return [judged[place] for place in sorted(judged)], " and ".join(sorted(answerers - {""}))


async def _ask_each(
    client: Client,
    waiting: Iterator[tuple[int, LabelledQuestion]],
    judged: dict[int, Judged],
    answerers: set[str],
    on_answer: Callable[[], None],
) -> None:
    for place, question in waiting:
        completed = await _answer(client, question.text)
        judged[place] = Judged(question=question, answer=_given(completed))
        answerers.add(completed.answer.answerer)
        on_answer()


async def _answer(client: Client, text: str) -> answers_pb.AnswerCompleted:
    """On trial: no customer asked it."""
    async for event in client.stream_answer(answers_pb.StreamAnswerRequest(question=text, trial=True)):
        if event.HasField("completed"):
            return event.completed
    raise Failed("An answer broke off.")


def _given(completed: answers_pb.AnswerCompleted) -> GivenAnswer:
    answer = completed.answer
    ids = {one.number: one.external_id for one in answer.references}
    numbers = [number for citation in answer.citations for number in citation.numbers]
    return GivenAnswer(
        text=answer.text,
        language=answer.language,
        cited=list(dict.fromkeys(ids[number] for number in numbers)),
        is_refusal=completed.finish_reason in STATE_NOTHING,
    )
