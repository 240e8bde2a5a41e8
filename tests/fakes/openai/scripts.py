"""What the fake's model says: by default a quotation of the first fragment it was given."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

FRAGMENT = re.compile(r'<fragment number="(\d+)"[^>]*>\s*(.*?)\s*</fragment>', re.DOTALL)
FIRST_SENTENCE = re.compile(r".+?(?:[.!?…](?=\s)|$)", re.DOTALL)
WORD = re.compile(r"\s*\S+\s*$|\s*\S+")
STATUS = "STATUS:"
NOT_FOUND = "The documents do not say."


class Outcome(StrEnum):
    """How an answer ends when nothing interrupts it."""

    COMPLETED = "completed"
    MAX_OUTPUT_TOKENS = "max_output_tokens"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"


class Interruption(StrEnum):
    """What happens after `interrupted_after` words of an answer."""

    DISCONNECT = "disconnect"
    SILENT_END = "silent_end"
    ERROR_EVENT = "error_event"
    FAILED = "failed"
    HANG = "hang"
    GARBAGE = "garbage"


@dataclass(frozen=True, kw_only=True)
class Script:
    """One way to answer; `text` None quotes the first fragment's first sentence and cites it.

    `status` is what it says of its fragments where it is told to, "unknown" when it finds nothing to quote; a model
    that does not do as it is told has None.

    `behaviour` makes the answer of the last user message.

    A delta is a word, or `delta_characters`.

    `end_delay_seconds` pass between the last event and the end of the stream.
    """

    text: str | None = None
    status: str | None = "answer"
    behaviour: Callable[[str], str] | None = None
    outcome: Outcome = Outcome.COMPLETED
    interruption: Interruption | None = None
    interrupted_after: int = 2
    error_code: str | int | None = "server_error"
    delta_characters: int | None = None
    delta_delay_seconds: float = 0.0
    end_delay_seconds: float = 0.0
    sends_usage: bool = True

    def answer_to(self, task: str) -> str:
        """`task` is the last user message, fragments included."""
        if self.behaviour:
            return self.behaviour(task)
        return self.text if self.text is not None else quotation(task)

    def head_of(self, instructions: str, text: str) -> str:
        """The line before the answer; it counts for no `interrupted_after`."""
        if self.status is None or STATUS not in instructions:
            return ""
        return f"{STATUS} {'unknown' if text == NOT_FOUND else self.status}\n"

    def deltas(self, text: str) -> list[str]:
        """Joined they are the answer again."""
        if self.delta_characters is None:
            return WORD.findall(text)
        step = self.delta_characters
        return [text[at : at + step] for at in range(0, len(text), step)]


def quotation(task: str) -> str:
    """`The sentence. [1]`, with the number that the first fragment bears."""
    fragment = FRAGMENT.search(task)
    sentence = FIRST_SENTENCE.match(fragment[2]) if fragment else None
    return f"{sentence[0].strip()} [{fragment[1]}]" if fragment and sentence else NOT_FOUND
