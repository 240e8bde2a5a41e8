"""How good answers to labelled questions are: right sources, honest refusals, the asker's language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class LabelledQuestion:
    """A question and the documents, by the caller's own ids, any of which answers it: none for an unanswerable.

    `contains` stands in every right answer, whatever the case; "" when nothing is known to.
    """

    id: str
    language: str
    text: str
    expected: frozenset[str]
    contains: str = ""

    @property
    def is_answerable(self) -> bool:
        return bool(self.expected)


@dataclass(frozen=True, kw_only=True)
class GivenAnswer:
    """What came back; `cited` are external ids without repetitions.

    `is_refusal` tells an "I don't know", and what only perhaps helps, which is cited too.
    """

    text: str
    language: str
    cited: Sequence[str]
    is_refusal: bool


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A question beside its answer."""

    question: LabelledQuestion
    answer: GivenAnswer

    @property
    def is_right(self) -> bool:
        """An answerable question is answered from a right document, an unanswerable one is refused."""
        if not self.question.is_answerable:
            return self.answer.is_refusal
        return not self.answer.is_refusal and self.is_shown

    @property
    def is_shown(self) -> bool:
        """A right document is stated or offered."""
        return not self.question.expected.isdisjoint(self.answer.cited)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Shares in [0, 1]; None where there was nothing to count.

    Precision is of the cited documents, recall of the expected ones of all answerable questions together.
    """

    question_count: int
    answerable_accuracy: float | None
    shown_accuracy: float | None
    unanswerable_accuracy: float | None
    citation_precision: float | None
    citation_recall: float | None
    language_match: float | None
    expected_text: float | None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A recorded run; `figures` by language, "" for all of them, each by the names of `Figures`."""

    id: UUID
    set_name: str
    answerer: str
    figures: Mapping[str, Mapping[str, Any]]
    created_at: datetime


def figures(judged: Sequence[Judged]) -> Figures:
    answerable = [one for one in judged if one.question.is_answerable]
    answered = [one for one in answerable if not one.answer.is_refusal]
    hits = sum(len(one.question.expected & set(one.answer.cited)) for one in answered)
    return Figures(
        question_count=len(judged),
        answerable_accuracy=_share(one.is_right for one in answerable),
        shown_accuracy=_share(one.is_shown for one in answerable),
        unanswerable_accuracy=_share(one.is_right for one in judged if not one.question.is_answerable),
        citation_precision=_ratio(hits, sum(len(one.answer.cited) for one in answered)),
        citation_recall=_ratio(hits, sum(len(one.question.expected) for one in answerable)),
        language_match=_share(one.answer.language == one.question.language for one in judged),
        expected_text=_share(_has_text(one) for one in answerable if one.question.contains),
    )


def by_language(judged: Iterable[Judged]) -> dict[str, Figures]:
    """The figures of each language in alphabetical order."""
    grouped: dict[str, list[Judged]] = {}
    for one in judged:
        grouped.setdefault(one.question.language, []).append(one)
    return {language: figures(grouped[language]) for language in sorted(grouped)}


def _has_text(judged: Judged) -> bool:
    return judged.question.contains.casefold() in judged.answer.text.casefold()


def _share(outcomes: Iterable[bool]) -> float | None:
    counted = list(outcomes)
    return _ratio(sum(counted), len(counted))


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
