"""Parts of an answer that claim nothing, such as greetings and questions; Russian, English and Portuguese."""

from __future__ import annotations

import re

from retrieval_service.domain.answering.claim_phrases import COURTESY, PROMISES

_DECORATION = re.compile(r"[*_`#>|~\s-]+")
_WORD = re.compile(r"[^\W_]+")
_COLON = re.compile(r":(?!\d)")
# A longer text says too much for a title or a lead-in.
LONGEST_TITLE = 120
# A longer text says more than a courtesy.
_LONGEST_COURTESY = 600
_MOST_NAMES = 2
_BETWEEN_COURTESIES = frozenset({"и", "and", "e"})


def is_no_claim(text: str) -> bool:
    """Whether the text claims nothing: greetings, questions, and texts without a word."""
    said = _plain(text)
    return said.endswith("?") or not _WORD.search(said) or _is_courtesy(said.strip(" ,.!:;…—–"))


def is_lead_in(text: str) -> bool:
    """Whether the text only introduces what follows: "Here is what we know:"."""
    said = _plain(text)
    return len(said) <= LONGEST_TITLE and said.endswith(":") and len(_COLON.findall(said)) == 1


def promises_in(text: str) -> frozenset[str]:
    """Promises that even a title makes, named like facts: that something is free, or forever."""
    return frozenset(name for name, promise in PROMISES.items() if promise.search(text))


def word_count(text: str) -> int:
    return len(_WORD.findall(text))


def _plain(text: str) -> str:
    """One line without Markdown."""
    return _DECORATION.sub(" ", text).strip()


def _is_courtesy(said: str) -> bool:
    """Whether it is only a courtesy, perhaps with a name."""
    if len(said) > _LONGEST_COURTESY or not COURTESY.match(said):
        return False
    names = [word for word in _WORD.findall(COURTESY.sub(" ", said)) if word not in _BETWEEN_COURTESIES]
    return len(names) <= _MOST_NAMES and all(name[0].isupper() for name in names) and not promises_in(said)
