"""The remembered part of an earlier question: only words that the tenant's documents know."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Set

from retrieval_service.domain.answering.follow_ups import ASKING_WORDS
from retrieval_service.text.words import words


def remembered(questions: Iterable[str], known: Callable[[Collection[str]], Set[str]]) -> Mapping[str, str]:
    """Each question without every piece between spaces that has another word: names, papers, numbers of orders.

    `known` is asked once, for all words together. Letters that are no word ("I'm") tell nothing without their words.
    """
    pieces = {
        question: [
            (one, frozenset(words(one)) - ASKING_WORDS)
            for one in question.split()
            if not _is_of_letters_alone(one)
        ]
        for question in questions
    }
    said = {word for several in pieces.values() for _, told in several for word in told}
    are_known = known(said)
    return {
        question: " ".join(one for one, told in several if all(word in are_known for word in told))
        for question, several in pieces.items()
    }


def _is_of_letters_alone(piece: str) -> bool:
    return next(iter(words(piece)), None) is None and any(map(str.isalnum, piece))
