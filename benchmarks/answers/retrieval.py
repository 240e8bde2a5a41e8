"""nDCG@10 of each way of searching on public test sets, also of questions in another language than the passages."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvloop
from kladez.v1 import space_service_pb2 as spaces_pb

from benchmarks import command, installation, reporting
from benchmarks.answers import served_model
from benchmarks.processes import running, running_service
from benchmarks.reporting import Figure, at_least
from retrieval_service.cli import output
from retrieval_service.cli.commands import spaces
from retrieval_service.cli.commands.search_and_ask import Mode
from retrieval_service.cli.evals import answer_sets, datasets
from retrieval_service.cli.evals.datasets import Dataset, Query
from retrieval_service.cli.evals.search_runs import Measurement, filled_tenant, measure
from retrieval_service.client import Client

DATA_VARIABLE = "KLADEZ_DATA"
SINGLE = (Mode.SEMANTIC, Mode.FULL_TEXT)
LEAST_OVER_SINGLE = -0.01
# Of a model whose scale the service measures by itself.
LEAST_OVER_SINGLE_SERVED = -0.02


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Whose questions are asked of whose passages, and the nDCG@10 that the hybrid search is held to.

    Sets are folders of `passages.jsonl`, `queries.jsonl` and `qrels.tsv`; two of a trial share their ids.
    """

    asks: str
    passages: str
    bar: float

    @property
    def name(self) -> str:
        return self.passages if self.asks == self.passages else f"{self.asks} → {self.passages}"


SETS = ("xquad_en", "xquad_ru", "faquad_pt")
TRIALS = (
    Trial(asks="xquad_en", passages="xquad_en", bar=0.983),
    Trial(asks="xquad_ru", passages="xquad_en", bar=0.88),
    Trial(asks="xquad_ru", passages="xquad_ru", bar=0.975),
    Trial(asks="xquad_en", passages="xquad_ru", bar=0.88),
    Trial(asks="faquad_pt", passages="faquad_pt", bar=0.937),
)


async def run(loaded: Mapping[str, Dataset], options: argparse.Namespace) -> list[Figure]:
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(installation.temporary_postgres())
        if options.served:
            port = await stack.enter_async_context(running(served_model.serve, None))
            settings = served_model.settings(port)
        else:
            settings = installation.chosen_settings(by_environment=options.environment)
        operator = await stack.enter_async_context(running_service(dsn, synthetic=False, settings=settings))
        figures: list[Figure] = []
        for name in loaded:
            figures += await of_passages(operator, loaded, name, options.limit, is_served=options.served)
        return figures


async def of_passages(
    operator: Client, loaded: Mapping[str, Dataset], name: str, limit: int | None, *, is_served: bool = False
) -> list[Figure]:
    """What is asked of one test set's passages, which are indexed once, and how the cosines are read."""
    figures: list[Figure] = []
    async with filled_tenant(operator, loaded[name]) as client:
        space = await served_model.read_space(client)
        for trial in (one for one in TRIALS if one.passages == name and one.asks in loaded):
            queries = answer_sets.sample(loaded[trial.asks].queries, limit)
            measured = await scores(client, trial, queries)
            figures += described(trial, measured, len(queries), is_served=is_served)
    figures.append(
        Figure(what=f"share of the vectors, {name}", value=space.scale.share, from_what=told(space))
    )
    return figures


def told(space: spaces_pb.Space) -> str:
    """As `kladez space list` tells it."""
    return f"{space.key}: {spaces.cosines(space)}"


async def scores(client: Client, trial: Trial, queries: Sequence[Query]) -> dict[Mode, Measurement]:
    measured: dict[Mode, Measurement] = {}
    with output.progress() as display:
        for mode in Mode:
            task = display.add_task(f"{trial.name}, {mode}", total=len(queries))
            measured[mode] = await measure(client, queries, mode.wire, partial(display.advance, task))
    return measured


def described(
    trial: Trial, measured: Mapping[Mode, Measurement], count: int, *, is_served: bool
) -> list[Figure]:
    """Bars for the nDCG itself are those of our own models."""
    ndcg = {mode: one.scores.ndcg_at_10 for mode, one in measured.items()}
    return [
        Figure(
            what=f"nDCG@10 {trial.name}, hybrid",
            value=ndcg[Mode.HYBRID],
            bar=None if is_served else at_least(trial.bar),
            from_what=f"{'; '.join(_told(mode, one) for mode, one in measured.items())}; {count:,} questions",
        ),
        Figure(
            what=f"hybrid over the better single one, {trial.name}",
            value=ndcg[Mode.HYBRID] - max(ndcg[mode] for mode in SINGLE),
            bar=at_least(LEAST_OVER_SINGLE_SERVED if is_served else LEAST_OVER_SINGLE),
        ),
    ]


def _told(mode: Mode, one: Measurement) -> str:
    """Where the embedder reads no such script, words are searched in its place."""
    otherwise = f" ({one.degraded_count:,} in another way)" if one.degraded_count else ""
    return f"{mode} {one.scores.ndcg_at_10:.4f}{otherwise}"


def load(folder: Path, names: Sequence[str]) -> dict[str, Dataset]:
    return {name: datasets.load(folder / name) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get(DATA_VARIABLE), metavar="FOLDER")
    parser.add_argument("--set", choices=SETS, action="append", help="may be repeated; default: each")
    parser.add_argument("--limit", type=int, help="at most so many questions of each set, from all over it")
    parser.add_argument("--environment", action="store_true", help="as the environment's settings say")
    parser.add_argument(
        "--served", action="store_true", help="with a model over HTTP, as `served_model` has it"
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    options = parser.parse_args()
    if options.data is None:
        parser.error(f"--data or {DATA_VARIABLE} names the folder with {', '.join(SETS)}")
    command.hush()
    figures = uvloop.run(run(load(options.data, options.set or SETS), options))
    reporting.show("Search on public test sets", figures, as_json=options.json)


if __name__ == "__main__":
    main()
