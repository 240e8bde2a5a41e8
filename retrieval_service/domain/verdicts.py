"""What the passages that were found promise before anybody has read them."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """Whether an answer may be made from passages: stated, offered as what perhaps helps, or not at all."""

    ANSWERS = "answers"
    PERHAPS = "perhaps"
    NOTHING = "nothing"
