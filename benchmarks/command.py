"""The command line that all benchmarks share."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
import uvloop

from benchmarks import reporting
from benchmarks.reporting import Figure

Sizes = TypeVar("Sizes")
QUIET = logging.CRITICAL  # a benchmark prints its table and nothing else


@dataclass(frozen=True, kw_only=True)
class Benchmark(Generic[Sizes]):
    """`quick` sizes prove in seconds that the benchmark works; their figures mean nothing."""

    title: str
    run: Callable[[Sizes], Awaitable[list[Figure]]]
    full: Sizes
    quick: Sizes

    async def figures(self, *, quick: bool) -> list[Figure]:
        return await self.run(self.quick if quick else self.full)


def main(benchmark: Benchmark[Sizes]) -> None:
    """Runs one benchmark as the command line asks."""
    options = parsed(benchmark.title)
    figures = uvloop.run(quietly(benchmark, quick=options.quick))
    reporting.show(benchmark.title, figures, as_json=options.json)


async def quietly(benchmark: Benchmark[Any], *, quick: bool) -> list[Figure]:
    hush()
    return await benchmark.figures(quick=quick)


def hush() -> None:
    """No log lines among the figures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(QUIET))


def parsed(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="small sizes: seconds, to see that it works")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    return parser.parse_args()
