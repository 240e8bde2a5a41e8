"""Runs the checks of a model's text: the end of a line checks the whole line, which takes time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

Event = TypeVar("Event")

# Checking a few words takes less time than a thread.
MOST_CHARACTERS_AT_ONCE = 400


class Proofreading:
    """Checks one answer: short pieces on the event loop, so that they are shown at once, others in a thread."""

    def __init__(self) -> None:
        self._is_line_over = False

    async def read(self, check: Callable[[str], list[Event]], text: str) -> list[Event]:
        """The end of a line may wait for the piece behind it, so that one counts too."""
        was_over, self._is_line_over = self._is_line_over, "\n" in text
        if was_over or self._is_line_over or len(text) > MOST_CHARACTERS_AT_ONCE:
            return await asyncio.to_thread(check, text)
        return check(text)
