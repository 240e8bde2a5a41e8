"""What the passages that were found promise, and what a model that has read them says of them."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """Whether an answer may be made from passages: stated, offered as what perhaps helps, or not at all."""

    ANSWERS = "answers"
    PERHAPS = "perhaps"
    NOTHING = "nothing"


class Judgement(StrEnum):
    """Whether the passages answer the question, by who has read them."""

    ANSWERED = "answer"
    PARTLY = "partly"
    UNKNOWN = "unknown"
