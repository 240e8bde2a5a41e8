"""How the work of a function grows with its text, told by ratios of processor time and never by a clock's limit."""

from __future__ import annotations

import gc
import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

# Below this much processor time a ratio is noise.
FLOOR_SECONDS = 0.002
# n log n from one size to its double is 1.1 here; twice the size in four times the time is 2.
WORST_EXPONENT = 1.5
# Whoever looks suspicious is looked at again; the best of several looks counts, for others use the processor too.
_TRIES = 2
_DOUBLINGS = 2
_CONFIRMATIONS = 3
# More of the processor is given to no single look: what needs it is judged by having needed it.
_PATIENCE_SECONDS = 1.0

# Processor seconds for a text of so many characters.
Run = Callable[[int], float]


@dataclass(frozen=True, kw_only=True)
class Growth:
    """`exponent` is 1 for work that doubles with the size, 2 where it grows fourfold; 0 where there is no work."""

    exponent: float = 0.0
    seconds: float = 0.0
    characters: int = 0

    @property
    def is_too_fast(self) -> bool:
        return self.exponent > WORST_EXPONENT


class _TooLong(Exception):
    """The processor's time is up."""


def growth(run: Run, sizes: Sequence[int]) -> Growth:
    """The worst one over about four times the size, looked at again where it is a bad one."""
    last = run(sizes[-1])
    if last < FLOOR_SECONDS:
        return Growth()
    seen = [Growth(seconds=run(size), characters=size) for size in sizes[:-1]]
    seen.append(Growth(seconds=last, characters=sizes[-1]))
    worst = Growth()
    for place, larger in enumerate(seen[1:], start=1):
        step = _compared(seen[max(0, place - 2)], larger.characters, larger.seconds)
        if step.seconds >= FLOOR_SECONDS and step.is_too_fast:
            step = _mildest(run, step.characters)
        if step.seconds >= FLOOR_SECONDS:
            worst = max(worst, step, key=lambda one: one.exponent)
    return worst


def processor_seconds(act: Callable[[], None]) -> float:
    """Of this thread alone, without the garbage collector's turns, and no more than patience allows."""
    gc.disable()
    start = time.thread_time()
    try:
        with _patience():
            act()
    except _TooLong:
        return _PATIENCE_SECONDS
    finally:
        gc.enable()
    return time.thread_time() - start


@contextmanager
def _patience() -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, _PATIENCE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _compared(smaller: Growth, size: int, seconds: float) -> Growth:
    ratio = max(seconds, 1e-9) / max(smaller.seconds, 1e-9)
    exponent = math.log(ratio) / math.log(size / smaller.characters)
    if smaller.seconds >= _PATIENCE_SECONDS:
        exponent = math.inf
    return Growth(exponent=exponent, seconds=seconds, characters=size)


def _mildest(run: Run, size: int) -> Growth:
    """Of several confirmations: a busy machine makes one of them look bad, and hardly all of them."""
    mildest = _confirmed(run, size)
    for _ in range(_CONFIRMATIONS - 1):
        if mildest.is_too_fast:
            mildest = min(mildest, _confirmed(run, size), key=lambda one: one.exponent)
    return mildest


def _confirmed(run: Run, size: int) -> Growth:
    """From a size to four times that, or to where patience ends."""
    first = Growth(seconds=_best(run, size), characters=size)
    larger = first
    for doubled in (size << step for step in range(1, _DOUBLINGS + 1)):
        larger = _compared(first, doubled, _best(run, doubled))
        if larger.seconds * 2 > _PATIENCE_SECONDS:
            break
    return larger


def _best(run: Run, size: int) -> float:
    best = run(size)
    for _ in range(_TRIES - 1):
        if best * _TRIES < _PATIENCE_SECONDS:
            best = min(best, run(size))
    return best
