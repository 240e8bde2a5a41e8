"""What customers say finds what documents say."""

from __future__ import annotations

import pytest

from retrieval_service.domain.indexing.lexical import TermStatistics, passage_terms, query_terms
from retrieval_service.text.lexicon.synonyms import synonyms
from retrieval_service.text.words import stem


@pytest.mark.parametrize(
    ("word", "other", "language"),
    [
        ("shipping", "delivery", "en"),
        ("наличкой", "наличными", "ru"),
        ("посылки", "доставка", "ru"),
        ("frete", "entrega", "pt"),
        ("niver", "aniversário", "pt"),
    ],
)
def test_any_form_of_a_word_has_the_synonyms_of_its_group(word: str, other: str, language: str) -> None:
    assert stem(other, language)[1] in synonyms(word, language)
    assert stem(word, language)[1] not in synonyms(word, language)


@pytest.mark.parametrize(("word", "language"), [("shipping", "ru"), ("доставка", "en"), ("delivery", "")])
def test_words_of_another_language_have_none(word: str, language: str) -> None:
    assert synonyms(word, language) == frozenset()


def test_question_finds_a_passage_that_says_it_in_other_words() -> None:
    passages = [("Delivery abroad takes a month.", "en"), ("Our tea is grown in the hills.", "en")]
    found = score("how long is shipping", passages)
    assert found[0] > 0 == found[1]


def test_word_itself_counts_more_than_its_synonym() -> None:
    passages = [
        ("Shipping takes a month.", "en"),
        ("Delivery takes a month.", "en"),
        ("A month of tea.", "en"),
    ]
    same, synonymous, neither = score("shipping", passages)
    assert same > synonymous > neither == 0


def score(question: str, passages: list[tuple[str, str]]) -> list[float]:
    analysed = [passage_terms(text, language) for text, language in passages]
    statistics = TermStatistics.from_vectors(
        len(analysed), [one.stems.indices for one in analysed], [one.grams.indices for one in analysed]
    )
    query = query_terms(question, ["en"], statistics).stems
    weights = dict(zip(query.indices.tolist(), query.values.tolist(), strict=True))
    return [
        sum(
            weights.get(index, 0.0) * value
            for index, value in zip(one.stems.indices.tolist(), one.stems.values.tolist(), strict=True)
        )
        for one in analysed
    ]
