"""What of an answer claims nothing: greetings, questions, "I don't know" and whom to ask instead; ru, en and pt."""

from __future__ import annotations

import re

from retrieval_service.domain.claim_phrases import CONCESSION, COURTESY, DENIAL, PROMISES, REFERRAL, TURN

_DECORATION = re.compile(r"[*_`#>|~\s-]+")
_WORD = re.compile(r"[^\W_]+")
_COLON = re.compile(r":(?!\d)")
# "The documents, however, do not say": nothing is claimed of them before the turn.
_ONLY_SOURCES = re.compile(
    r"(?:[^\W_]+ ){0,3}(?:materi|docum|source|материал|документ|источник|fonte)[^\W_]*", re.IGNORECASE
)

# What is longer says too much to be a title or a lead-in, or only to send somebody elsewhere.
LONGEST_TITLE = 120
_LONGEST_REFERRAL = 120
# What goes on for longer without a turn says more than that nothing is known.
_LONGEST_DENIAL = 600
# "Please, you can also …": a referral soon comes to the point.
_BEFORE_REFERRAL = 45
_MOST_NAMES = 2
_BETWEEN_COURTESIES = frozenset({"и", "and", "e"})


def is_no_claim(text: str) -> bool:
    """Greetings, questions, "I don't know" and "ask our team" rest on nothing."""
    said = _plain(text)
    return said.endswith("?") or all(map(_side_claims_nothing, _sides(said)))


def is_lead_in(text: str) -> bool:
    """Whether it can only be meant to name what follows: "Here is what we know:"."""
    said = _plain(text)
    return len(said) <= LONGEST_TITLE and said.endswith(":") and len(_COLON.findall(said)) == 1


def is_denial(text: str) -> bool:
    """Whether it begins by saying, in whatever words, that the sources have no answer."""
    return DENIAL.search(_plain(text), 0, _LONGEST_DENIAL) is not None


def promises_in(text: str) -> frozenset[str]:
    """What no title says without meaning it, named like facts: that something is free, or forever."""
    return frozenset(name for name, promise in PROMISES.items() if promise.search(text))


def word_count(text: str) -> int:
    return len(_WORD.findall(text))


def _plain(text: str) -> str:
    """One line without the marks of Markdown."""
    return _DECORATION.sub(" ", text).strip()


def _sides(said: str) -> list[str]:
    """Of "I don't know, but …" both, without punctuation: each may claim something."""
    concession = CONCESSION.match(said)
    parts = [concession[0], said[concession.end() :]] if concession else [said]
    sides = [side.strip(" ,.!:;…—–") for part in parts for side in TURN.split(part) if _WORD.search(side)]
    return sides[1:] if len(sides) > 1 and _ONLY_SOURCES.fullmatch(sides[0]) else sides


def _side_claims_nothing(side: str) -> bool:
    if len(side) > _LONGEST_DENIAL:
        return False
    return DENIAL.search(side) is not None or _is_courtesy(side) or _is_referral(side)


def _is_courtesy(side: str) -> bool:
    """Nothing but politeness, and perhaps a name."""
    if not COURTESY.match(side):
        return False
    names = [word for word in _WORD.findall(COURTESY.sub(" ", side)) if word not in _BETWEEN_COURTESIES]
    return len(names) <= _MOST_NAMES and all(name[0].isupper() for name in names) and not promises_in(side)


def _is_referral(side: str) -> bool:
    found = REFERRAL.search(side) if len(side) <= _LONGEST_REFERRAL else None
    return found is not None and found.start() <= _BEFORE_REFERRAL and not promises_in(side)
