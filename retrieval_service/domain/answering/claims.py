"""What of an answer claims nothing: greetings and questions; Russian, English and Portuguese."""

from __future__ import annotations

import re

from retrieval_service.domain.answering.claim_phrases import COURTESY, PROMISES

_DECORATION = re.compile(r"[*_`#>|~\s-]+")
_WORD = re.compile(r"[^\W_]+")
_COLON = re.compile(r":(?!\d)")
# What is longer says too much to be a title or a lead-in.
LONGEST_TITLE = 120
# What goes on for longer says more than a courtesy.
_LONGEST_COURTESY = 600
_MOST_NAMES = 2
_BETWEEN_COURTESIES = frozenset({"и", "and", "e"})


def is_no_claim(text: str) -> bool:
    """Greetings and questions rest on nothing, and so does what has no word."""
    said = _plain(text)
    return said.endswith("?") or not _WORD.search(said) or _is_courtesy(said.strip(" ,.!:;…—–"))


def is_lead_in(text: str) -> bool:
    """Whether it can only be meant to name what follows: "Here is what we know:"."""
    said = _plain(text)
    return len(said) <= LONGEST_TITLE and said.endswith(":") and len(_COLON.findall(said)) == 1


def promises_in(text: str) -> frozenset[str]:
    """What no title says without meaning it, named like facts: that something is free, or forever."""
    return frozenset(name for name, promise in PROMISES.items() if promise.search(text))


def word_count(text: str) -> int:
    return len(_WORD.findall(text))


def _plain(text: str) -> str:
    """One line without the marks of Markdown."""
    return _DECORATION.sub(" ", text).strip()


def _is_courtesy(said: str) -> bool:
    """Nothing but politeness, and perhaps a name."""
    if len(said) > _LONGEST_COURTESY or not COURTESY.match(said):
        return False
    names = [word for word in _WORD.findall(COURTESY.sub(" ", said)) if word not in _BETWEEN_COURTESIES]
    return len(names) <= _MOST_NAMES and all(name[0].isupper() for name in names) and not promises_in(said)
