"""Measures retrieval through the service: imports a test set, asks its queries, scores the rankings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service.cli.evals.datasets import Dataset, Query
from retrieval_service.cli.failures import Failed
from retrieval_service.cli.imports.import_commands import import_with_progress
from retrieval_service.cli.waiting import until_indexed
from retrieval_service.client import Client
from retrieval_service.domain.insights import ranking_metrics
from retrieval_service.domain.insights.ranking_metrics import Scores

CONCURRENCY = 4
PAGE_SIZE = 30


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Mean scores of one mode; degraded queries were answered in another mode, for that reason."""

    scores: Scores
    degraded_count: int
    degraded_reason: str


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """One query's scores; the reason is empty unless the answer was degraded."""

    scores: Scores
    degraded_reason: str


@asynccontextmanager
async def filled_tenant(operator: Client, dataset: Dataset) -> AsyncIterator[Client]:
    """A client for a tenant that holds the passages, indexed; the tenant is deleted afterwards."""
    tenant = tenants_pb.Tenant(name=f"kladez eval {dataset.name}"[:200])
    created = (await operator.create_tenant(tenants_pb.CreateTenantRequest(tenant=tenant))).tenant
    try:
        client = operator.for_tenant(created.tenant_id)
        await _fill(client, dataset)
        yield client
    finally:
        await operator.delete_tenant(tenants_pb.DeleteTenantRequest(tenant_id=created.tenant_id))


async def measure(
    client: Client,
    queries: Sequence[Query],
    mode: search_pb.SearchMode.ValueType,
    on_answer: Callable[[], None],
) -> Measurement:
    """The mean over all queries, a few of them at a time."""
    waiting = iter(queries)
    answers: list[_Answer] = []
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENCY):
                group.create_task(_ask_each(client, waiting, mode, answers, on_answer))
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    reasons = [answer.degraded_reason for answer in answers if answer.degraded_reason]
    return Measurement(
        scores=ranking_metrics.mean([answer.scores for answer in answers]),
        degraded_count=len(reasons),
        degraded_reason=next(iter(reasons), ""),
    )


async def _fill(client: Client, dataset: Dataset) -> None:
    report = await import_with_progress(client, dataset.passages)
    if report.problems:
        first = report.problems[0]
        raise Failed(f"{first.place}: {first.field} {first.description}")
    status = await until_indexed(client)
    if status.error_count:
        raise Failed(f"{status.error_count} of {dataset.passage_count} passages could not be indexed.")


async def _ask_each(
    client: Client,
    waiting: Iterator[Query],
    mode: search_pb.SearchMode.ValueType,
    answers: list[_Answer],
    on_answer: Callable[[], None],
) -> None:
    for query in waiting:
        request = search_pb.SearchRequest(query=query.text, mode=mode, page_size=PAGE_SIZE)
        response = await client.search(request)
        ranking = ranking_metrics.unique(hit.external_id for hit in response.hits)
        scores = ranking_metrics.score(ranking, query.relevance)
        answers.append(_Answer(scores=scores, degraded_reason=response.degraded_reason))
        on_answer()
