"""`kladez eval search`: how good the search is on a test set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from retrieval_service import config
from retrieval_service.cli import output
from retrieval_service.cli import profile as profiles
from retrieval_service.cli.commands.search_and_ask import Mode
from retrieval_service.cli.connection import dialled, operator_client
from retrieval_service.cli.evals import datasets
from retrieval_service.cli.evals.datasets import Dataset
from retrieval_service.cli.evals.search_runs import Measurement, filled_tenant, measure
from retrieval_service.cli.options import Options, options_of
from retrieval_service.cli.up import parts
from retrieval_service.client import Client
from retrieval_service.domain.insights.ranking_metrics import Scores

NAMES = tuple(one.name for one in fields(Scores))


def evaluate(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="passages.jsonl, queries.jsonl and qrels.tsv.")],
    mode: Annotated[list[Mode] | None, typer.Option(help="Default: each of them; may be repeated.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first queries.")] = None,
) -> None:
    """Measure the search on a test set, in a tenant that is deleted afterwards.

    Without a running service a temporary one is started, of which nothing is left.
    """
    options = options_of(context)
    dataset = datasets.load(folder)
    measured = asyncio.run(_evaluate(options, dataset, tuple(mode or Mode), limit))
    if options.as_json:
        output.json_value(as_json(dataset, measured, limit))
    else:
        _print(measured)


def as_json(dataset: Dataset, measured: Mapping[Mode, Measurement], limit: int | None) -> dict[str, object]:
    return {
        "dataset": dataset.name,
        "passage_count": dataset.passage_count,
        "query_count": len(dataset.queries[:limit]),
        "modes": {mode.value: _fields(one) for mode, one in measured.items()},
    }


async def _evaluate(
    options: Options, dataset: Dataset, modes: Sequence[Mode], limit: int | None
) -> dict[Mode, Measurement]:
    queries = dataset.queries[:limit]
    measured: dict[Mode, Measurement] = {}
    async with operator_or_temporary(options) as operator, filled_tenant(operator, dataset) as client:
        with output.progress() as display:
            for mode in modes:
                task = display.add_task(f"Asking, {mode}", total=len(queries))
                measured[mode] = await measure(client, queries, mode.wire, partial(display.advance, task))
    return measured


@asynccontextmanager
async def operator_or_temporary(options: Options) -> AsyncIterator[Client]:
    """The service that was named or that runs already; otherwise one of our own, for this time."""
    if options.address or options.key or await _is_running(options):
        async with operator_client(options) as client:
            yield client
        return
    output.note("No service runs: starting a temporary one.", style="dim")
    async with (
        parts.temporary_service(config.load()) as target,
        dialled(target.address, target.key) as client,
    ):
        yield client


async def _is_running(options: Options) -> bool:
    profile = await asyncio.to_thread(profiles.load, options.data_dir)
    if profile is None:
        return False
    host, _, port = profile.service_address.rpartition(":")
    return await parts.is_listening(host, int(port))


def _print(measured: Mapping[Mode, Measurement]) -> None:
    headings = ("mode", *(name.replace("_at_", "@") for name in NAMES))
    rows = [
        (mode.value, *(f"{getattr(one.scores, name):.4f}" for name in NAMES))
        for mode, one in measured.items()
    ]
    output.table(headings, rows)
    for mode, one in measured.items():
        if one.degraded_count:
            output.note(f"{mode}: {one.degraded_count} queries were degraded: {one.degraded_reason}")


def _fields(one: Measurement) -> dict[str, object]:
    degraded = {"degraded_count": one.degraded_count, "degraded_reason": one.degraded_reason}
    return {**asdict(one.scores), **degraded}
