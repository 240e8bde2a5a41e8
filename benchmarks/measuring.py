"""Times calls so that a busy machine disturbs all contenders alike: in turns, and by medians of rounds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import TypeVar

Call = Callable[[], Awaitable[object]]
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds; each is the median over the rounds of that percentile of a round."""

    p50: float
    p95: float


async def in_turns(
    contenders: Mapping[str, Callable[[], Awaitable[Outcome]]], rounds: int
) -> dict[str, list[Outcome]]:
    """What each contender returned, round by round; every round begins with another one."""
    results: dict[str, list[Outcome]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds):
        start = number % len(names)
        for name in (*names[start:], *names[:start]):
            results[name].append(await contenders[name]())
    return results


async def latencies(
    contenders: Mapping[str, Call], *, warm_up: int, rounds: int, calls: int
) -> dict[str, Latency]:
    """One caller, `calls` calls of each contender in a round, after `warm_up` calls that do not count."""
    await in_turns({name: repeated(call, warm_up) for name, call in contenders.items()}, 1)
    timed = await in_turns({name: repeated(call, calls) for name, call in contenders.items()}, rounds)
    return {name: latency(rows) for name, rows in timed.items()}


def repeated(call: Call, calls: int) -> Callable[[], Awaitable[list[float]]]:
    async def run() -> list[float]:
        return [await seconds(call) for _ in range(calls)]

    return run


async def seconds(call: Call) -> float:
    """How long the call took."""
    started = time.perf_counter()
    await call()
    return time.perf_counter() - started


def latency(rounds: Sequence[Sequence[float]]) -> Latency:
    """From seconds, round by round."""
    return Latency(
        p50=1_000 * median(median(row) for row in rounds),
        p95=1_000 * median(percentile_95(row) for row in rounds),
    )


def percentile_95(values: Sequence[float]) -> float:
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


async def throughput(
    contenders: Mapping[str, Call], *, rounds: int, clients: int, round_seconds: float
) -> dict[str, list[float]]:
    """Calls per second of each contender, round by round, with `clients` callers at once."""

    def of(call: Call) -> Callable[[], Awaitable[float]]:
        return lambda: calls_per_second(call, clients, round_seconds)

    return await in_turns({name: of(call) for name, call in contenders.items()}, rounds)


async def calls_per_second(call: Call, clients: int, round_seconds: float) -> float:
    started = time.perf_counter()

    async def keep_calling() -> int:
        done = 0
        while time.perf_counter() < started + round_seconds:
            await call()
            done += 1
        return done

    done = await asyncio.gather(*(keep_calling() for _ in range(clients)))
    return sum(done) / (time.perf_counter() - started)
