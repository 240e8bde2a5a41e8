"""Counts what the event loop does between two looks at its sockets, in steps and not in seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from types import CodeType, FrameType
from typing import Any

# Calls by which the loop looks for what has come meanwhile.
_LOOKS = {"poll", "select", "control"}


@dataclass(kw_only=True)
class LoopSteps:
    """`most` is the largest number of calls of the product's own functions in one turn, `during` what they were in.

    `longest` is the longest text that each function was given.
    """

    most: int = 0
    during: str = ""
    longest: dict[CodeType, int] = field(default_factory=dict)
    _now: int = 0
    _first: str = ""

    def longest_for(self, function: Callable[..., Any]) -> int:
        """0 when it was not called."""
        return self.longest.get(function.__code__, 0)

    def note(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and "retrieval_service" in frame.f_code.co_filename:
            self._first = self._first or frame.f_code.co_qualname
            self._now += 1
            size = max(map(_characters, frame.f_locals.values()), default=0)
            self.longest[frame.f_code] = max(1, size, self.longest.get(frame.f_code, 0))
        elif event == "c_call" and argument.__name__ in _LOOKS:
            if self._now > self.most:
                self.most, self.during = self._now, self._first
            self._now, self._first = 0, ""


def _characters(value: object) -> int:
    """Of a text, or of the longest text right in a value."""
    if isinstance(value, str | bytes):
        return len(value)
    if is_dataclass(value):
        texts = (getattr(value, one.name, None) for one in fields(value))
        return max((len(text) for text in texts if isinstance(text, str | bytes)), default=0)
    return 0


@contextmanager
def counted_steps() -> Iterator[LoopSteps]:
    """Of this thread alone, and so of the loop that runs in it; what other threads do is not counted."""
    steps = LoopSteps()
    sys.setprofile(steps.note)
    try:
        yield steps
    finally:
        sys.setprofile(None)
