"""Text that cannot be said yet, and what must come before it is worth another look."""

from __future__ import annotations

import re
import sys


class HeldText:
    """A growing text that is read from its front.

    Whoever cannot go on names the characters that may change this, and how long the text may become without
    them: until then it is not read again, so a text that comes letter by letter costs what it costs at once.
    """

    def __init__(self) -> None:
        self.text = ""
        self._more: list[str] = []
        self._length = 0
        self._wakes: re.Pattern[str] | None = None
        self._room = 0

    def add(self, piece: str) -> bool:
        """Whether there is something to read now: `text` has all of it then."""
        self._more.append(piece)
        self._length += len(piece)
        if self._wakes and self._length < self._room and not self._wakes.search(piece):
            return False
        self.collect()
        return bool(self.text)

    def collect(self) -> None:
        """Everything that came is in `text`."""
        self.text += "".join(self._more)
        self._more.clear()

    def wait_for(self, wakes: re.Pattern[str], *, room: int = sys.maxsize) -> None:
        self._wakes, self._room = wakes, room

    def wait_for_anything(self) -> None:
        self._wakes = None

    def drop_until(self, position: int) -> None:
        """What was read is gone."""
        self.text = self.text[position:]
        self._length = len(self.text)
