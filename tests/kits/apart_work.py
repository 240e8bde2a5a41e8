"""What tests have done in another process: importable by name from both."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator


def counted(count: int) -> Iterator[int]:
    yield from range(count)


def process_id() -> Iterator[int]:
    print("what a library prints is no answer")  # noqa: T201
    yield os.getpid()


def niceness() -> Iterator[int]:
    yield os.nice(0)


def broken() -> Iterator[int]:
    yield 1
    raise ValueError("out of order")


def dying() -> Iterator[int]:
    yield 1
    sys.stdout.flush()
    os._exit(3)


def endless() -> Iterator[int]:
    yield 1
    while True:
        time.sleep(0.01)
