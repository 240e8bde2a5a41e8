"""All benchmarks, one after another, in one table."""

from __future__ import annotations

import uvloop

from benchmarks import (
    command,
    delta,
    fairness,
    first_token,
    freshness,
    indexing,
    queue,
    recall,
    reporting,
    responsiveness,
    search_overhead,
    wire,
)
from benchmarks.reporting import Figure

BENCHMARKS = (
    search_overhead.BENCHMARK,
    recall.BENCHMARK,
    indexing.BENCHMARK,
    delta.BENCHMARK,
    first_token.BENCHMARK,
    freshness.BENCHMARK,
    fairness.BENCHMARK,
    queue.BENCHMARK,
    wire.BENCHMARK,
    responsiveness.BENCHMARK,
)


async def run_all(*, quick: bool) -> list[Figure]:
    figures: list[Figure] = []
    for benchmark in BENCHMARKS:
        figures += await command.quietly(benchmark, quick=quick)
    return figures


def run() -> None:
    options = command.parsed("All benchmarks; about ten minutes.")
    figures = uvloop.run(run_all(quick=options.quick))
    reporting.show("Kladez in numbers", figures, as_json=options.json)


# Without a guard: processes that are spawned never import a package's main module.
run()
