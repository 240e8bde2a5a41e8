"""Where a model's words are checked: a line's end has the whole line held to its sources, which takes a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

Event = TypeVar("Event")

# A few words within a line are looked at in less time than a thread is asked for.
MOST_CHARACTERS_AT_ONCE = 400


class Proofreading:
    """Of one answer: its short pieces on the event loop, so that they are told at once; the others in a thread."""

    def __init__(self) -> None:
        self._is_line_over = False

    async def read(self, check: Callable[[str], list[Event]], text: str) -> list[Event]:
        """The end of a line may wait for the piece behind it, so that one counts too."""
        was_over, self._is_line_over = self._is_line_over, "\n" in text
        if was_over or self._is_line_over or len(text) > MOST_CHARACTERS_AT_ONCE:
            return await asyncio.to_thread(check, text)
        return check(text)
