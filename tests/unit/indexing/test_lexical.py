"""Sparse vectors of passages and questions, and what their inner products find."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_service.domain.indexing import lexical
from retrieval_service.domain.indexing.lexical import (
    Frequencies,
    SparseVector,
    Terms,
    TermStatistics,
    indexed_text,
    passage_terms,
    query_terms,
    rare_stems,
)
from retrieval_service.text import words


def inner_product(left: SparseVector, right: SparseVector) -> float:
    _, of_left, of_right = np.intersect1d(left.indices, right.indices, return_indices=True)
    return float(left.values[of_left] @ right.values[of_right])


def statistics_of(passages: list[Terms]) -> TermStatistics:
    return TermStatistics.from_vectors(
        len(passages), [one.stems.indices for one in passages], [one.grams.indices for one in passages]
    )


def stems_and_grams(
    question: str, languages: list[str], *passages: tuple[str, str]
) -> list[tuple[float, float]]:
    """Both scores of a question for passages given as (text, language)."""
    analysed = [passage_terms(text, language) for text, language in passages]
    query = query_terms(question, languages, statistics_of(analysed))
    return [
        (inner_product(query.stems, one.stems), inner_product(query.grams, one.grams)) for one in analysed
    ]


def shares_a_gram(one: str, other: str) -> bool:
    return bool(set(words.grams(one)) & set(words.grams(other)))


@pytest.mark.parametrize(
    ("question", "text", "language"),
    [
        ("refunds", "We refunded the order", "en"),
        ("возврата", "Возвратом занимается магазин", "ru"),
        ("ёлка", "Елками торгуем в декабре", "ru"),
        ("entregas", "A entrega leva dois dias", "pt"),
        ("Lieferungen", "Die Lieferung dauert", "de"),
        ("DELIVERY", "delivery by post", "en"),
    ],
)
def test_forms_of_one_word_share_their_stem(question: str, text: str, language: str) -> None:
    found, other = stems_and_grams(question, [language], (text, language), ("zzz", language))
    assert found[0] > 0
    assert other == (0, 0)


def test_latin_words_in_a_russian_text_are_stemmed_as_english() -> None:
    ((stems, _),) = stems_and_grams("bicycle", ["en"], ("Купите bicycles у нас", "ru"))
    assert stems > 0


def test_article_codes_meet_in_every_language() -> None:
    ((stems, _),) = stems_and_grams("sku123s", ["en"], ("Artigo SKU123s no estoque", "pt"))
    assert stems > 0


@pytest.mark.parametrize("language", ["", "uk", "zh", "xx"])
def test_languages_without_a_stemmer_are_found_by_whole_words(language: str) -> None:
    ((stems, _),) = stems_and_grams("доставка", ["ru"], ("доставка товару", language))
    assert stems > 0


def test_asking_in_more_languages_does_not_count_a_word_twice() -> None:
    passages = (("The hotel has a restaurant", "en"), ("O hotel tem um restaurante", "pt"), ("отель", "ru"))
    in_english = stems_and_grams("hotel", ["en"], *passages)
    in_all = stems_and_grams("hotel", ["en", "pt", "ru"], *passages)
    assert in_all[0] == pytest.approx(in_english[0])
    assert in_english[1][0] == 0
    assert in_all[1][0] > 0


def test_function_words_of_a_question_do_not_score_as_stems() -> None:
    found, other = stems_and_grams(
        "what is the warranty", ["en"], ("Warranty lasts two years", "en"), ("What is the time", "en")
    )
    assert found[0] > 0
    assert other[0] == 0


def test_names_meet_across_alphabets() -> None:
    found, other = stems_and_grams(
        "Сколько стоит Скандинавия", ["ru"], ("Scandinavia tours", "en"), ("Brazilian football", "en")
    )
    assert found[1] > 2 * other[1]
    assert found[0] == 0


@pytest.mark.parametrize(("one", "other"), [("denver", "денвер"), ("chopin", "шопин"), ("preço", "preco")])
def test_spellings_of_one_sound_share_grams(one: str, other: str) -> None:
    assert shares_a_gram(one, other)


def test_typos_are_found_by_grams() -> None:
    found, other = stems_and_grams("гарнтия", ["ru"], ("Гарантия два года", "ru"), ("Оплата картой", "ru"))
    assert found[1] > 0
    assert other[1] == 0


def test_scripts_without_spaces_are_found_by_pairs_of_letters() -> None:
    found, other = stems_and_grams("运费", ["zh"], ("请问运费多少钱", "zh"), ("营业时间", "zh"))
    assert found[0] > 0
    assert found[1] > 0
    assert other == (0, 0)


def test_rare_words_weigh_more_than_common_ones() -> None:
    passages = [passage_terms(text, "en") for text in ("red bicycle", "red car", "red boat")]
    query = query_terms("red bicycle", ["en"], statistics_of(passages))
    scores = [inner_product(query.stems, one.stems) for one in passages]
    assert scores[0] > 3 * scores[1] > 0
    assert scores[1] == scores[2]


def test_passage_weights_are_those_of_bm25() -> None:
    text = " ".join(["alpha"] * 3 + ["beta"] * (lexical.AVERAGE_WORDS - 3))
    weights = sorted(passage_terms(text, "en").stems.values)
    assert weights[0] == pytest.approx(3 * 2.2 / (3 + 1.2))
    assert weights[1] == pytest.approx(117 * 2.2 / (117 + 1.2))


def test_longer_passages_weigh_the_same_word_less() -> None:
    short, long = (passage_terms("alpha " + "beta " * count, "en").stems.values.min() for count in (10, 500))
    assert short > long


def test_title_and_heading_are_searched_like_the_text() -> None:
    text = indexed_text("Bicycle shop", "Returns > Period", "Fourteen days.")
    ((stems, grams),) = stems_and_grams("bicycle return", ["en"], (text, "en"))
    assert stems > 0
    assert grams > 0
    assert indexed_text("", "", "Fourteen days.") == "Fourteen days."


def test_word_of_a_passage_newer_than_the_statistics_is_found() -> None:
    newer = passage_terms("unicorn", "en").stems
    query = query_terms("unicorn", ["en"], statistics_of([passage_terms("bicycle", "en")]))
    assert set(newer.indices) <= set(query.stems.indices)


def test_question_to_an_empty_tenant_is_weighed_all_the_same() -> None:
    query = query_terms("bicycle", ["en"], statistics_of([]))
    assert (query.stems.values > 0).all()
    assert query.stems.indices.size


def test_frequencies_count_passages() -> None:
    frequencies = Frequencies.from_vectors([np.array([1, 5], np.int32), np.array([5, 9], np.int32)])
    assert frequencies.of(np.array([1, 2, 5, 9, 10], np.int32)).tolist() == [1, 0, 2, 1, 0]


def test_counts_ahead_of_the_passages_still_give_positive_weights() -> None:
    indices = passage_terms("bicycle", "en").stems.indices
    ahead = Frequencies(indices=indices, counts=np.array([7]))
    query = query_terms("bicycle", ["en"], TermStatistics(chunk_count=5, stems=ahead, grams=ahead))
    assert (query.stems.values > 0).all()


def test_rare_stems_stop_at_the_share_of_the_tenant() -> None:
    passages = [passage_terms(f"common {'rare' if number < 2 else 'usual'}", "en") for number in range(100)]
    statistics = statistics_of(passages)
    rare, common = (passage_terms(word, "en").stems.indices for word in ("rare", "common"))
    kept = rare_stems(query_terms("common rare usual", ["en"], statistics), statistics)
    assert set(rare) <= set(kept)
    assert not set(common) & set(kept)


def test_rarest_stem_is_kept_however_common_it_is() -> None:
    passages = [passage_terms("common", "en") for _ in range(10)]
    statistics = statistics_of(passages)
    kept = rare_stems(query_terms("common", ["en"], statistics), statistics)
    assert set(passages[0].stems.indices) <= set(kept)


def test_vectors_past_the_limit_lose_their_lightest_terms() -> None:
    text = "often often often " + " ".join(f"word{number}" for number in range(lexical.MAX_ELEMENTS + 50))
    stems = passage_terms(text, "en").stems
    often = passage_terms("often", "en").stems.indices[0]
    assert len(stems.indices) == lexical.MAX_ELEMENTS
    assert often in stems.indices
    assert (np.diff(stems.indices) > 0).all()


def test_term_numbers_are_stable_across_releases() -> None:
    assert passage_terms("bicycles", "en").stems.indices.tolist() == [432056731]
    assert passage_terms("дом", "ru").grams.indices.tolist() == [83988853, 350805272]


@settings(max_examples=40, deadline=None, database=None)
@given(st.text(max_size=200), st.sampled_from(["", "en", "ru", "pt", "zh", "ar"]))
def test_any_text_gives_vectors_that_postgres_accepts(text: str, language: str) -> None:
    terms = passage_terms(text, language)
    for vector in (terms.stems, terms.grams):
        assert vector.indices.dtype == np.int32
        assert vector.values.dtype == np.float32
        assert (np.diff(vector.indices) > 0).all()
        assert ((vector.indices > 0) & (vector.indices < lexical.DIMENSIONS)).all()
        assert (np.isfinite(vector.values) & (vector.values > 0)).all()


@settings(max_examples=40, deadline=None, database=None)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=5), st.text(max_size=60))
def test_any_question_scores_are_finite_and_never_negative(texts: list[str], question: str) -> None:
    for scores in stems_and_grams(question, ["en", "ru"], *((text, "en") for text in texts)):
        assert all(np.isfinite(score) and score >= 0 for score in scores)
