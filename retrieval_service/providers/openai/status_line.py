"""What a model says before its answer: the line whether it has found one, and, of some models, their thoughts."""

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
# Models that think aloud, as servers of one's own pass them on.
_OPENING, _CLOSING = "<think>", "</think>"


class Thoughts:
    """Feed the model's text in any pieces: what it thinks before it answers is dropped, also where that never ends.

    `removed` is how many code points were dropped.
    """

    def __init__(self) -> None:
        self.removed = 0
        self._held = ""
        self._has_begun = False
        self._is_over = False

    def feed(self, text: str) -> str:
        if self._is_over:
            return text
        self._held += text
        if not self._has_begun:
            begun = self._held.lstrip()
            if not begun.startswith(_OPENING):
                return "" if _OPENING.startswith(begun) and len(self._held) <= _LONGEST else self.finish()
            self._has_begun = True
        return self._think()

    def finish(self) -> str:
        """What was kept back and proved to be no thought."""
        said, self._held = self._held, ""
        self._is_over = True
        if self._has_begun:
            self.removed += len(said)
            return ""
        return said

    def _think(self) -> str:
        end = self._held.find(_CLOSING)
        dropped = end + len(_CLOSING) if end >= 0 else max(0, len(self._held) - len(_CLOSING) + 1)
        self.removed += dropped
        self._held = self._held[dropped:]
        if end < 0:
            return ""
        self._has_begun = False
        return self.finish()


class StatusLine:
    """Feed the model's text in any pieces. One that writes no such line is passed on as it is, and not judged.

    Its thoughts are dropped first.
    """

    def __init__(self) -> None:
        self._thoughts = Thoughts()
        self._kept_back = 0
        self._held = ""
        self._is_settled = False
        self._is_at_start = False

    @property
    def removed(self) -> int:
        """How many code points of the model's text are kept back."""
        return self._thoughts.removed + self._kept_back

    def feed(self, text: str) -> list[Judged | TextPart]:
        return self._heard(self._thoughts.feed(text))

    def finish(self) -> list[Judged | TextPart]:
        heard = self._heard(self._thoughts.finish())
        return heard if self._is_settled else [*heard, *self._settle()]

    def _heard(self, text: str) -> list[Judged | TextPart]:
        if not text:
            return []
        if self._is_settled:
            return self._said(text)
        self._held += text
        return self._settle() if self._is_over() else []

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
        self._is_at_start, self._kept_back = True, line.end()
        return [Judged(judgement=Judgement(line[1].lower())), *self._said(self._held[line.end() :])]

    def _said(self, text: str) -> list[Judged | TextPart]:
        """Without the empty lines between the line and the answer."""
        if self._is_at_start:
            words = text.lstrip()
            self._kept_back += len(text) - len(words)
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
