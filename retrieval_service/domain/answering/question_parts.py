"""The questions of a message in which customers first introduce themselves or tell what happened."""

from __future__ import annotations

import re

from retrieval_service.domain.answering.follow_ups import asks, needs_context
from retrieval_service.text.sentences import split_sentences

_CLAUSE = re.compile(r"[,;:—–]\s+")
# With fewer clauses, the last is no question of its own: "If I pay in cash, how much is it?".
LEAST_CLAUSES = 3


def askings(text: str) -> list[str]:
    """Shorter readings of it, longest first: its questions alone, the last one, and the last clause of that.

    One that means something only together with the rest is none.
    """
    sentences = [one.text.strip() for one in split_sentences(text)]
    questions = [one for one in sentences if one.endswith("?")]
    if not questions:
        return []
    readings = [" ".join(questions), questions[-1], _last_clause(questions[-1])]
    return [one for one in dict.fromkeys(readings) if one and one != text.strip() and not needs_context(one)]


def _last_clause(question: str) -> str:
    clauses = _CLAUSE.split(question)
    return clauses[-1] if len(clauses) >= LEAST_CLAUSES and asks(clauses[-1]) else ""
