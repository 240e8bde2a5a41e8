"""The thoughts of models that think aloud, as servers of one's own pass them on: no part of what they say."""

from __future__ import annotations

import re

_NAMES = "think(?:ing)?|thoughts?|reasoning"
# What opens a thought, and what ends one, by the kind of their marks.
_OPENINGS = {
    "tag": rf"<(?:{_NAMES})(?:\s[^<>]{{0,64}})?>",
    "bracket": r"\[THINK(?:ING)?\]",
    "channel": r"<\|channel\|>analysis\b",
}
_CLOSINGS = {
    "tag": rf"</(?:{_NAMES})\s{{0,4}}>",
    "bracket": r"\[/THINK(?:ING)?\]",
    "channel": r"<\|channel\|>final<\|message\|>",
}
_CLOSING = {kind: re.compile(text, re.IGNORECASE) for kind, text in _CLOSINGS.items()}
_ANY_CLOSING = re.compile("|".join(_CLOSINGS.values()), re.IGNORECASE)
_MARK = re.compile(
    "|".join(
        [
            *(f"(?P<{kind}>{text})" for kind, text in _OPENINGS.items()),
            f"(?P<closing>{_ANY_CLOSING.pattern})",
        ]
    ),
    re.IGNORECASE,
)
# What may become one of the marks, as far as it has come.
_BEGINNINGS = (
    *("<think", "<thinking", "<thought", "<thoughts", "<reasoning", "[think]", "[thinking]"),
    *("</think ", "</thinking ", "</thought ", "</thoughts ", "</reasoning ", "[/think]", "[/thinking]"),
    *("<|channel|>analysis", "<|channel|>final<|message|>"),
)
_WITH_ATTRIBUTES = re.compile(rf"</?(?:{_NAMES})\s[^<>]{{0,64}}", re.IGNORECASE)
# The longest mark is shorter.
_LONGEST = 96
_SPACE = "\ufeff"
# A model thinks no longer than so before its answer is an answer; what it thinks beyond that is not kept to be shown.
MOST_AWAITED = 40_000
# So many answers in a row without a thought, and the next one is not waited for.
FORGOTTEN_AFTER = 3
# An answer that begins as models are told to begin it is no thought.
_AS_TOLD = "status"


class Habit:
    """Whether a model begins in the middle of a thought: templates of some open it in the prompt, and it only ends.

    What has streamed by then cannot be taken back, so the answers after it wait for its end, those of other tenants
    too. A question can make a model write such an end: one whose answer has begun as it was told to is not noted, and
    a habit is forgotten again.
    """

    def __init__(self) -> None:
        self._left = 0

    @property
    def is_known(self) -> bool:
        return self._left > 0

    def note(self, *, has_closed: bool) -> None:
        """After an answer: whether a thought ended in it that had not begun."""
        self._left = FORGOTTEN_AFTER if has_closed else max(0, self._left - 1)


class Thoughts:
    """Feed the model's text in any pieces: what it thinks is dropped, also where that never ends.

    `removed` is how many code points were dropped; `restarts` how often all that was said before proved a thought.
    """

    def __init__(self, habit: Habit | None = None) -> None:
        self.removed = 0
        self.restarts = 0
        self._habit = habit or Habit()
        self._held = ""
        self._has_said = False
        self._opening = ""
        self._is_awaiting = self._habit.is_known
        self._awaited: list[str] = []
        self._awaited_size = 0
        self._closing: re.Pattern[str] | None = None

    def feed(self, text: str) -> str:
        self._held += text
        said, at = list[str](), 0
        while (next_at := self._await(at) if self._is_awaiting else self._step(at, said)) is not None:
            at = next_at
        self._opening = (
            (self._opening + "".join(said))[:_LONGEST] if len(self._opening) < _LONGEST else self._opening
        )
        # Both leave what may yet become a mark.
        self._has_said = self._has_said or any(map(str.strip, said))
        return "".join(said)

    def finish(self) -> str:
        """What was kept back and proved to be no thought."""
        said, self._held = "".join([*self._awaited, self._held]), ""
        if not self.restarts:
            self._habit.note(has_closed=False)
        if self._closing is None and self._awaited_size <= MOST_AWAITED:
            return said
        self.removed += len(said)
        return ""

    def _step(self, at: int, said: list[str]) -> int | None:
        """Up to the next mark, of which the place behind it is returned; None when there is none yet."""
        mark = (self._closing or _MARK).search(self._held, at)
        if mark is None:
            self._keep_tail(at, said)
            return None
        before = self._held[at : mark.start()]
        if self._closing or mark["closing"]:
            if self._closing is None:
                self._restart(said, before)
            self._closing = None
            self._drop(before)
        elif before.strip().strip(_SPACE) or self._has_said or said:
            said.append(before)
        else:
            self._drop(before)
        if mark.lastgroup in _CLOSING and mark.re is _MARK:
            self._closing = _CLOSING[mark.lastgroup]
        self._drop(mark[0])
        return mark.end()

    def _restart(self, said: list[str], before: str) -> None:
        self._opening = "".join([self._opening, *said, before])[:_LONGEST]
        self._drop("".join(said))
        said.clear()
        self._noted()

    def _noted(self) -> None:
        """At once: the rest may never be heard."""
        self.restarts += 1
        if _AS_TOLD not in self._opening.casefold():
            self._habit.note(has_closed=True)

    def _keep_tail(self, at: int, said: list[str]) -> None:
        rest = self._held[at:]
        tail = _tail(rest)
        kept = rest if self._is_beginning(rest[:tail], said) else rest[tail:]
        gone, self._held = rest[: len(rest) - len(kept)], kept
        if self._closing:
            self._drop(gone)
        elif gone:
            said.append(gone)

    def _is_beginning(self, rest: str, said: list[str]) -> bool:
        """Empty lines before a thought are a part of it."""
        is_space = not rest.strip().strip(_SPACE) and len(rest) <= _LONGEST
        return is_space and not (self._has_said or said or self._closing)

    def _await(self, at: int) -> int | None:
        """Nothing is said until the thought ends that began in the prompt."""
        end = _ANY_CLOSING.search(self._held, at)
        if end is None:
            place = max(at, len(self._held) - _LONGEST)
            self._keep_awaited(self._held[at:place])
            self._held = self._held[place:]
            return None
        self._noted()
        self._is_awaiting = False
        self.removed += sum(map(len, self._awaited)) + end.end() - at
        self._awaited, self._awaited_size = [], 0
        return end.end()

    def _keep_awaited(self, text: str) -> None:
        self._awaited_size += len(text)
        self._awaited.append(text)
        if self._awaited_size > MOST_AWAITED:
            self.removed += sum(map(len, self._awaited))
            self._awaited = []

    def _drop(self, text: str) -> None:
        self.removed += len(text)


def without_thoughts(text: str) -> str:
    """Of a whole text."""
    thoughts = Thoughts()
    return thoughts.feed(text) + thoughts.finish()


def _tail(text: str) -> int:
    """Where something begins that may become a mark."""
    start = max(0, len(text) - _LONGEST)
    places = (place for place in range(start, len(text)) if text[place] in "<[" and _may_be(text[place:]))
    return next(places, len(text))


def _may_be(text: str) -> bool:
    begun = text.lower()
    return any(one.startswith(begun) for one in _BEGINNINGS) or bool(_WITH_ATTRIBUTES.fullmatch(text))
