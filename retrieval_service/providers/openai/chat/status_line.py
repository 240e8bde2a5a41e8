"""What a model says before its answer: the line whether it has found one."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

from retrieval_service.domain.fragments import AnswerPart, Ending, Judged, SpokenPart, TextPart
from retrieval_service.domain.verdicts import Judgement
from retrieval_service.providers.openai.chat.thoughts import Habit, Thoughts

# Models make bold, or code, what they are told to write.
_MARKS = "*_`#\"' \t\r\n\ufeff"
_KEY = "status"
_IS = r"[:：=–—-]"
_WORDS = {
    "answer": Judgement.ANSWERED,
    "answered": Judgement.ANSWERED,
    "partly": Judgement.PARTLY,
    "partial": Judgement.PARTLY,
    "partially": Judgement.PARTLY,
    "unknown": Judgement.UNKNOWN,
}
_BEGUN = rf"[{_MARKS}]{{0,16}}status[{_MARKS}]{{0,8}}{_IS}[{_MARKS}]{{0,8}}"
_LINE = re.compile(rf"{_BEGUN}({'|'.join(_WORDS)})\b[*_`\"'.]{{0,8}}", re.IGNORECASE)
_MAY_BEGIN = re.compile(rf"status[{_MARKS}]{{0,8}}(?:{_IS}|\Z)", re.IGNORECASE)
# A word that nobody asked for, as the line is asked for: in capitals, and alone on its line.
_OTHER = re.compile(
    rf"[{_MARKS}]{{0,16}}STATUS[*_`\"' ]{{0,8}}{_IS}[*_`\"' ]{{0,8}}\w{{0,24}}[*_`\"'. ]{{0,8}}\n"
)
# What is longer and has not ended is no such line.
_LONGEST = 64
# Models repeat it.
_MOST_LINES = 3


class StatusLine:
    """Feed the model's text in any pieces. One that writes no such line is passed on as it is, and not judged.

    Its thoughts are dropped first. A line whose word is none that was asked for is no judgement, and not shown.
    """

    def __init__(self, habit: Habit | None = None) -> None:
        self._thoughts = Thoughts(habit)
        self._is_judged = False
        self._has_said = False
        self._lines = 0
        self._restarts = 0
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
        return heard if self._is_settled else [*heard, *self._settle(is_last=True)]

    def _heard(self, text: str) -> list[Judged | TextPart]:
        if self._restarts < self._thoughts.restarts:  # what was said before was none of the answer
            self._restarts, self._is_settled, self._lines, self._held = self._thoughts.restarts, False, 0, ""
        if not text:
            return []
        if self._is_settled:
            return self._said(text)
        self._held += text
        return self._settle() if self._is_over() else []

    def _is_over(self) -> bool:
        """Whether nothing that follows can make it another line."""
        begun = self._held.lstrip(_MARKS)
        if not (_KEY.startswith(begun.casefold()) or _MAY_BEGIN.match(begun)):
            return True
        return "\n" in begun or len(self._held) > _LONGEST

    def _settle(self, *, is_last: bool = False) -> list[Judged | TextPart]:
        """One may be followed by another."""
        line = self._line()
        if line is None:
            self._is_settled = True
            held, self._held = self._held, ""
            return self._said(held)
        self._lines, self._is_at_start = self._lines + 1, True
        self._kept_back += line.end()
        self._held = self._held[line.end() :]
        judged = self._judgement(line)
        return [*judged, *(self._settle(is_last=is_last) if is_last or self._is_over() else [])]

    def _line(self) -> re.Match[str] | None:
        if self._lines == _MOST_LINES:
            return None
        return _LINE.match(self._held) or _OTHER.match(self._held)

    def _judgement(self, line: re.Match[str]) -> list[Judged | TextPart]:
        """The first word counts, and none that comes after text."""
        word = line[1].lower() if line.lastindex else ""
        if not word or self._is_judged or self._has_said:
            return []
        self._is_judged = True
        return [Judged(judgement=_WORDS[word])]

    def _said(self, text: str) -> list[Judged | TextPart]:
        """Without the empty lines between the line and the answer."""
        if self._is_at_start:
            words = text.lstrip()
            self._kept_back += len(text) - len(words)
            self._is_at_start, text = not words, words
        self._has_said = self._has_said or bool(text)
        return [TextPart(text=text)] if text else []


async def judged(
    spoken: AsyncGenerator[SpokenPart], habit: Habit | None = None
) -> AsyncGenerator[AnswerPart]:
    """What the model says, the line apart; `habit` is what is known of the model from its other answers."""
    line = StatusLine(habit)
    async with aclosing(spoken) as parts:
        async for part in parts:
            if isinstance(part, Ending):
                for rest in line.finish():
                    yield rest
                yield part
                return
            for told in line.feed(part.text):
                yield told
