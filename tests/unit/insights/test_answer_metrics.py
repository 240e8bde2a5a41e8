"""What is counted when answers to labelled questions are judged."""

from __future__ import annotations

import pytest

from retrieval_service.domain.insights.answer_metrics import (
    GivenAnswer,
    Judged,
    LabelledQuestion,
    by_language,
    figures,
)


def judged(
    *expected: str, cited: tuple[str, ...] = (), refused: bool = False, language: str = "en", text: str = ""
) -> Judged:
    question = LabelledQuestion(
        id="q", language="en", text="?", expected=frozenset(expected), contains="14 Days" if expected else ""
    )
    answer = GivenAnswer(text=text, language=language, cited=cited, is_refusal=refused)
    return Judged(question=question, answer=answer)


def test_one_right_document_among_the_cited_makes_an_answer_right() -> None:
    found = figures([judged("a", "b", cited=("x", "a")), judged("a", cited=("x",))])
    assert found.answerable_accuracy == 0.5
    assert found.citation_precision == pytest.approx(1 / 3)
    assert found.citation_recall == pytest.approx(1 / 3)


def test_refusing_an_answerable_question_is_wrong_and_an_unanswerable_one_right() -> None:
    found = figures([judged("a", refused=True), judged(refused=True), judged(cited=("x",))])
    assert found.answerable_accuracy == 0.0
    assert found.unanswerable_accuracy == 0.5
    assert found.citation_precision is None


def test_right_document_that_is_offered_is_shown_and_not_stated() -> None:
    found = figures([judged("a", cited=("x", "a"), refused=True), judged("a", refused=True)])
    assert found.answerable_accuracy == 0.0
    assert found.shown_accuracy == 0.5


def test_text_is_compared_whatever_the_case_and_language_with_the_questions() -> None:
    found = figures([judged("a", text="within 14 days"), judged("a", text="soon", language="ru")])
    assert found.expected_text == 0.5
    assert found.language_match == 0.5


def test_nothing_to_count_is_none_and_not_zero() -> None:
    found = figures([])
    assert found.question_count == 0
    assert found.answerable_accuracy is found.unanswerable_accuracy is found.language_match is None


def test_languages_are_counted_apart() -> None:
    assert list(by_language([judged("a", cited=("a",)), judged(refused=True)])) == ["en"]
