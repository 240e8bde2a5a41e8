"""The fifteen sets of questions hold together: every label points to what is there, and both halves are alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.answers import sets
from benchmarks.answers.judging import shows
from benchmarks.answers.sets import AnswerSet, Kind, Question, Split

SETS = sets.own()
TITLES = {"products": "name", "faq": "question", "policies": "title"}
# At least so many of each kind in a set.
LEAST = {
    Kind.PLAIN: 5,
    Kind.OWN_WORDS: 4,
    Kind.PARAPHRASE: 6,
    Kind.SHORT: 3,
    Kind.COLLOQUIAL: 3,
    Kind.TYPO: 4,
    Kind.ATTRIBUTE: 2,
    Kind.FOLLOW_UP: 4,
    Kind.TWO_IN_ONE: 3,
    Kind.CROSS_LINGUAL: 2,
    Kind.NEAR_MISS: 8,
    Kind.OTHER_TRADE: 3,
}

one_set = pytest.fixture(params=SETS, ids=lambda one: one.name)(lambda request: request.param)


def entries(one: AnswerSet) -> list[dict[str, Any]]:
    shop = one.shop()
    return [entry for name in TITLES for entry in shop[name]]


def words(value: object) -> Iterator[str]:
    """Every text, number and "yes" of an entry, as a person would read them."""
    if isinstance(value, dict):
        for one in value.values():
            yield from words(one)
    elif isinstance(value, list):
        for one in value:
            yield from words(one)
    else:
        yield str(value)


def names(questions: list[Question]) -> list[str]:
    return [question.id for question in questions]


def test_there_is_a_set_for_each_language_and_trade() -> None:
    folders = {path.parent.relative_to(sets.ROOT).as_posix() for path in sets.ROOT.glob("*/*/questions.json")}
    assert folders == {one.name for one in SETS}
    assert len(SETS) == len(sets.LANGUAGES) * len(sets.TRADES) == 15


def test_readme_tells_how_many_questions_there_are() -> None:
    readme = (sets.ROOT / "README.md").read_text(encoding="utf-8")
    total = sum(len(one.questions) for one in SETS)
    assert f"{total} questions" in readme
    assert f"{sum(len(entries(one)) for one in SETS)} entries" in readme


def test_entries_are_many_and_told_apart(one_set: AnswerSet) -> None:
    found = entries(one_set)
    assert len(found) >= 50
    assert all(entry["id"].isascii() for entry in found)
    assert max(Counter(entry["id"] for entry in found).values()) == 1
    shop = one_set.shop()
    titles = [entry[title].casefold() for name, title in TITLES.items() for entry in shop[name]]
    assert max(Counter(titles).values()) == 1


def test_no_question_is_there_twice(one_set: AnswerSet) -> None:
    assert max(Counter(question.id for question in one_set.questions).values()) == 1
    asked = Counter((tuple(one.previous), one.text.casefold()) for one in one_set.questions)
    assert max(asked.values()) == 1


def test_expected_entries_exist_and_unanswerable_questions_have_none(one_set: AnswerSet) -> None:
    known = {entry["id"] for entry in entries(one_set)}
    assert names([one for one in one_set.questions if not one.expected <= known]) == []
    assert names([one for one in one_set.questions if bool(one.expected) != one.kind.is_answerable]) == []


def test_expected_words_stand_in_an_expected_entry(one_set: AnswerSet) -> None:
    """So that the rule for a good answer can be met, and by nothing else than the entry's own words."""
    texts = {entry["id"]: "\n".join(words(entry)) for entry in entries(one_set)}
    unshown = [
        question
        for question in one_set.questions
        if question.contains and not any(shows(texts[name], question.contains) for name in question.expected)
    ]
    assert names(unshown) == []


def test_kinds_are_what_their_names_say(one_set: AnswerSet) -> None:
    for question in one_set.questions:
        assert bool(question.previous) == (question.kind is Kind.FOLLOW_UP), question.id
        assert (question.language != one_set.language) == (question.kind is Kind.CROSS_LINGUAL), question.id
        assert len(question.parts) == (2 if question.kind is Kind.TWO_IN_ONE else 0), question.id
        assert not question.parts or frozenset.union(*question.parts) == question.expected, question.id


def test_every_kind_is_there_and_halved(one_set: AnswerSet) -> None:
    kinds = Counter(question.kind for question in one_set.questions)
    assert {kind for kind, least in LEAST.items() if kinds[kind] < least} == set()
    assert set(kinds) == set(LEAST)
    halves = Counter((question.kind, question.split) for question in one_set.questions)
    uneven = {kind for kind in kinds if abs(halves[kind, Split.DEV] - halves[kind, Split.HELD]) > 1}
    assert uneven == set()
    assert len(sets.of_split(one_set, Split.DEV).questions) * 2 == len(one_set.questions)


def test_both_halves_make_the_whole() -> None:
    halves = [sets.of_split(SETS[0], split).questions for split in Split]
    assert sorted(names([*halves[0], *halves[1]])) == sorted(names([*SETS[0].questions]))
    assert sets.of_split(SETS[0], None) == SETS[0]
