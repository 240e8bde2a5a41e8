"""A word is found in each part of a passage as if the part stood alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval_service.text import words as analysis
from retrieval_service.text.lexicon.synonyms import synonyms
from retrieval_service.text.lexicon.wording import SAME_WORD, SYNONYM, pieces_of, term, wording

# Forms, misspellings, synonyms and strangers of each other.
WORDS = [
    "delivery",
    "deliveries",
    "delivry",
    "shipping",
    "ship",
    "teapot",
    "tea",
    "pots",
    "чай",
    "chai",
    "290",
]


def found_alone(word: str, text: str) -> float:
    """The definition, read over one text word by word."""
    words = set(analysis.words(text))
    stems = {analysis.stem(one, "en")[1] for one in words}
    if analysis.stem(word, "en")[1] in stems:
        return 1.0
    if stems & synonyms(word, "en"):
        return SYNONYM
    likenesses = [
        len(pieces_of(word) & pieces_of(one)) / len(pieces_of(word) | pieces_of(one)) for one in words
    ]
    best = max(likenesses, default=0.0)
    return best if best >= SAME_WORD else 0.0


@given(
    st.sampled_from(WORDS), st.lists(st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join), max_size=4)
)
def test_parts_have_a_word_as_much_as_each_would_alone(word: str, texts: list[str]) -> None:
    shares = wording(texts, "en").has(term(word, "en"))
    assert list(shares or [0.0] * len(texts)) == [found_alone(word, text) for text in texts]


@pytest.mark.parametrize(("word", "share"), [("deliveries", 1.0), ("shipping", SYNONYM), ("teapot", 0.0)])
def test_form_counts_in_full_and_synonym_less(word: str, share: float) -> None:
    assert wording(["Nothing.", "Free delivery."], "en").has(term(word, "en")) == (
        [0.0, share] if share else ()
    )


def test_text_without_words_has_none() -> None:
    assert wording([], "en").has(term("tea", "en")) == ()
    assert wording([""], "en").has(term("tea", "en")) == ()
