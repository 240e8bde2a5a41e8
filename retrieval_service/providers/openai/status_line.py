"""The line with which a model says whether it has found an answer, apart from what it says to the customer."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

from retrieval_service.domain.fragments import AnswerPart, Ending, Judged, SpokenPart, TextPart
from retrieval_service.domain.verdicts import Judgement

# Models make bold, or code, what they are told to write.
_MARKS = "*_`#\"' \t\r\n"
_KEY = "status:"
_LINE = re.compile(
    rf"[{_MARKS}]{{0,16}}status:[{_MARKS}]{{0,8}}(answer|partly|unknown)\b[*_`\"'.]{{0,8}}", re.IGNORECASE
)
# What is longer and has not ended is no such line.
_LONGEST = 64


class StatusLine:
    """Feed the model's text in any pieces. One that writes no such line is passed on as it is, and not judged.

    `removed` is how many code points of its text are kept back.
    """

    def __init__(self) -> None:
        self.removed = 0
        self._held = ""
        self._is_settled = False
        self._is_at_start = False

    def feed(self, text: str) -> list[Judged | TextPart]:
        if self._is_settled:
            return self._said(text)
        self._held += text
        return self._settle() if self._is_over() else []

    def finish(self) -> list[Judged | TextPart]:
        return [] if self._is_settled else self._settle()

    def _is_over(self) -> bool:
        """Whether nothing that follows can make it another line."""
        begun = self._held.lstrip(_MARKS).casefold()
        if not (begun.startswith(_KEY) or _KEY.startswith(begun)):
            return True
        return "\n" in begun or len(self._held) > _LONGEST

    def _settle(self) -> list[Judged | TextPart]:
        self._is_settled = True
        line = _LINE.match(self._held)
        if line is None:
            return self._said(self._held)
        self._is_at_start, self.removed = True, line.end()
        return [Judged(judgement=Judgement(line[1].lower())), *self._said(self._held[line.end() :])]

    def _said(self, text: str) -> list[Judged | TextPart]:
        """Without the empty lines between the line and the answer."""
        if self._is_at_start:
            words = text.lstrip()
            self.removed += len(text) - len(words)
            self._is_at_start, text = not words, words
        return [TextPart(text=text)] if text else []


async def judged(spoken: AsyncGenerator[SpokenPart]) -> AsyncGenerator[AnswerPart]:
    """What the model says, the line apart."""
    line = StatusLine()
    async with aclosing(spoken) as parts:
        async for part in parts:
            if isinstance(part, Ending):
                for rest in line.finish():
                    yield rest
                yield part
                return
            for told in line.feed(part.text):
                yield told
