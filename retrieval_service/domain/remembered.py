"""What is remembered of an earlier question: the words that the business's own documents know, and no others."""

from __future__ import annotations

import re
from collections.abc import Callable

from retrieval_service.domain.follow_ups import ASKING_WORDS
from retrieval_service.domain.words import words

_SPACES = re.compile(r"(\s+)")


def remembered(question: str, is_known: Callable[[str], bool]) -> str:
    """The question without every piece between spaces that has another word: names, papers, numbers of orders."""
    pieces = _SPACES.split(question)
    kept = [one for one in pieces if all(word in ASKING_WORDS or is_known(word) for word in words(one))]
    return " ".join("".join(kept).split())
