"""Gives a business a tenant of its own, and asks it each of its questions once, as a customer would."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence

from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from benchmarks.answers.judging import Asked, Ending
from benchmarks.answers.sets import AnswerSet, Question, WrongSet
from retrieval_service.cli.commands.search_and_ask import Mode
from retrieval_service.cli.imports.import_commands import import_with_progress
from retrieval_service.cli.waiting import until_indexed
from retrieval_service.client import Client
from retrieval_service.domain.insights.ranking_metrics import unique
from retrieval_service.text import languages

CONTACT = "help@example.com"
CHANNEL = "widget"
PAGE_SIZE = 30
QUOTED = "extractive"


async def ask_all(operator: Client, asked_set: AnswerSet, on_answer: Callable[[], None]) -> list[Asked]:
    """In the order of the questions, one after another: latencies are a lone customer's."""
    client = await tenant_of(operator, asked_set)
    asked: list[Asked] = []
    for question in asked_set.questions:
        asked.append(await ask(client, asked_set, question))
        on_answer()
    return asked


async def tenant_of(operator: Client, asked_set: AnswerSet) -> Client:
    """A client for a new tenant with all that the business knows, indexed."""
    shop = await asyncio.to_thread(asked_set.shop)
    settings = tenants_pb.TenantSettings(languages=[asked_set.language], fallback_contact=CONTACT)
    tenant = tenants_pb.Tenant(name=shop.pop("name", asked_set.name), settings=settings)
    created = (await operator.create_tenant(tenants_pb.CreateTenantRequest(tenant=tenant))).tenant
    client = operator.for_tenant(created.tenant_id)
    await _import(client, asked_set, shop)
    status = await until_indexed(client)
    if status.error_count or not status.synced_count:
        raise WrongSet(
            f"{asked_set.name}: {status.error_count} documents failed, {status.synced_count} are indexed."
        )
    return client


async def _import(client: Client, asked_set: AnswerSet, shop: Mapping[str, object]) -> None:
    """As a stranger would: no row says its language. Raises `WrongSet` when one is refused."""
    problems: list[str] = []
    if shop:
        shop_json = json.dumps(shop, ensure_ascii=False).encode()
        response = await client.import_shop(documents_pb.ImportShopRequest(shop_json=shop_json))
        problems += [
            f"{error.list}.{error.field}, line {error.line}: {error.description}" for error in response.errors
        ]
    if texts := await asyncio.to_thread(asked_set.texts):
        report = await import_with_progress(client, texts)
        problems += [f"{problem.place}: {problem.description}" for problem in report.problems]
    if articles := await asyncio.to_thread(asked_set.articles):
        await client.batch_upsert_documents(documents_pb.BatchUpsertDocumentsRequest(documents=articles))
    if problems:
        raise WrongSet(f"{asked_set.name}: {problems[0]}")


async def ask(client: Client, asked_set: AnswerSet, question: Question) -> Asked:
    """On a conversation of its own, after the turns before it."""
    opened = await client.create_session(answers_pb.CreateSessionRequest(channel=CHANNEL))
    for earlier in question.previous:
        await _answer(client, opened.session_id, earlier)
    started = time.perf_counter()
    completed = await _answer(client, opened.session_id, question.text)
    seconds = time.perf_counter() - started
    answer = completed.answer
    return Asked(
        set_name=asked_set.name,
        set_language=asked_set.language,
        question=question,
        ending=ending_of(completed.finish_reason),
        text=answer.text,
        language=language_of(answer),
        answerer=answer.answerer,
        cited=cited_in(answer),
        ranks=await ranks_of(client, question),
        seconds=seconds,
    )


async def _answer(client: Client, session_id: str, text: str) -> answers_pb.AnswerCompleted:
    request = answers_pb.StreamAnswerRequest(question=text, session_id=session_id)
    events = [event async for event in client.stream_answer(request)]
    return events[-1].completed


def ending_of(reason: answers_pb.FinishReason.ValueType) -> Ending:
    return Ending(answers_pb.FinishReason.Name(reason).removeprefix("FINISH_REASON_"))


def language_of(answer: answers_pb.Answer) -> str:
    """What the service says of phrases of its own; what a model wrote is looked at."""
    is_written = answer.answerer not in {"", QUOTED}
    return languages.detect_language(answer.text) or answer.language if is_written else answer.language


def cited_in(answer: answers_pb.Answer) -> Sequence[str]:
    """Documents in the order in which the text cites them."""
    ids = {one.number: one.external_id for one in answer.references}
    return unique(ids[number] for citation in answer.citations for number in citation.numbers)


async def ranks_of(client: Client, question: Question) -> dict[Mode, int | None]:
    """A follow-up says too little on its own, and nothing is right for what cannot be answered."""
    if question.previous or not question.expected:
        return {}
    found = [(mode, await _search(client, question, mode)) for mode in Mode]
    # Where the embedder reads no such script, words are searched in its place: that says nothing of its meaning.
    kept = [(mode, one) for mode, one in found if mode is not Mode.SEMANTIC or one.mode == mode.wire]
    return {mode: _rank(response, question) for mode, response in kept}


async def _search(client: Client, question: Question, mode: Mode) -> search_pb.SearchResponse:
    return await client.search(
        search_pb.SearchRequest(query=question.text, mode=mode.wire, page_size=PAGE_SIZE)
    )


def _rank(response: search_pb.SearchResponse, question: Question) -> int | None:
    documents = unique(hit.external_id for hit in response.hits)
    return next((rank for rank, one in enumerate(documents, start=1) if one in question.expected), None)
