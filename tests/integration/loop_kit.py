"""Counts what the event loop does between two looks at its sockets, in steps and not in seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

# Calls by which the loop looks for what has come meanwhile.
_LOOKS = {"poll", "select", "control"}


@dataclass(kw_only=True)
class LoopSteps:
    """`most` is the largest number of calls of the product's own functions in one turn, `during` what they were in."""

    most: int = 0
    during: str = ""
    called: set[CodeType] = field(default_factory=set)
    _now: int = 0
    _first: str = ""

    def has_called(self, function: Callable[..., Any]) -> bool:
        return function.__code__ in self.called

    def note(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and "retrieval_service" in frame.f_code.co_filename:
            self._first = self._first or frame.f_code.co_qualname
            self._now += 1
            self.called.add(frame.f_code)
        elif event == "c_call" and argument.__name__ in _LOOKS:
            if self._now > self.most:
                self.most, self.during = self._now, self._first
            self._now, self._first = 0, ""


@contextmanager
def counted_steps() -> Iterator[LoopSteps]:
    """Of this thread alone, and so of the loop that runs in it; what other threads do is not counted."""
    steps = LoopSteps()
    sys.setprofile(steps.note)
    try:
        yield steps
    finally:
        sys.setprofile(None)
