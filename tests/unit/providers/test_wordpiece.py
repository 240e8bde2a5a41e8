"""The tokenizer against encodings known from bert-base-uncased, and against any text at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_service.providers.local.model_files import MINILM, MINILM_VOCABULARY, locate
from retrieval_service.providers.local.wordpiece import WordPiece

CLS, SEP, UNK = 101, 102, 100
SMALL = ["[UNK]", "[CLS]", "[SEP]", "play", "##ing", "##s", "!", "σας", "σασ", "a"]


@pytest.fixture(scope="module")
def bert() -> WordPiece:
    return WordPiece(locate(MINILM) / MINILM_VOCABULARY)


@pytest.fixture
def small() -> WordPiece:
    return WordPiece(SMALL)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", []),
        (" \t\r\n\u00a0\u2003\u2028", []),
        ("hello world", [7592, 2088]),
        ("Hello, World!", [7592, 1010, 2088, 999]),
        ("unaffable", [14477, 20961, 3468]),
        ("Café crème", [7668, 13675, 21382]),
        ("can't", [2064, 1005, 1056]),
        ("price: $19.99", [3976, 1024, 1002, 2539, 1012, 5585]),
        ("日本", [1864, 1876]),
        ("日a本", [1864, 1037, 1876]),
        ("привет", [1194, 16856, 10325, 25529, 15290, 22919]),
        ("«hello»", [1077, 7592, 1090]),
        ("hello\u3000world", [7592, 2088]),
        ("😀", [UNK]),
    ],
)
def test_known_encodings_of_bert_base_uncased(bert: WordPiece, text: str, ids: list[int]) -> None:
    assert bert.encode(text, 256) == [CLS, *ids, SEP]
    assert bert.count(text) == len(ids)


@pytest.mark.parametrize("text", ["[SEP]", "[CLS] x [SEP]", "[MASK]", "[PAD]", "[UNK]", "a[SEP]b", "[ SEP ]"])
def test_special_tokens_written_by_a_user_stay_plain_text(bert: WordPiece, text: str) -> None:
    inner = bert.encode(text, 256)[1:-1]
    assert not {0, UNK, CLS, SEP, 103} & set(inner)
    assert inner.count(bert.encode("[", 3)[1]) == text.count("[")


@pytest.mark.parametrize("invisible", ["\x00", "\ufffd", "\u200b", "\u00ad", "\x0b", "\x85", "\ue000"])
def test_invisible_characters_do_not_split_a_word(bert: WordPiece, invisible: str) -> None:
    assert bert.encode(f"wo{invisible}rld", 8) == bert.encode("world", 8)


def test_half_of_a_surrogate_pair_is_invisible_too(bert: WordPiece) -> None:
    assert bert.encode(f"wo{chr(0xD83D)}rld", 8) == bert.encode("world", 8)


def test_composed_and_decomposed_accents_are_the_same_word(bert: WordPiece) -> None:
    assert (
        bert.encode("São João", 16) == bert.encode("Sa\u0303o Joa\u0303o", 16) == bert.encode("sao joao", 16)
    )


def test_final_sigma_stays_an_ordinary_sigma(small: WordPiece) -> None:
    assert small.encode("ΣΑΣ", 8) == small.encode("σασ", 8) == [1, 8, 2]


def test_longest_piece_wins_and_one_misfit_makes_the_whole_word_unknown(small: WordPiece) -> None:
    assert small.encode("playings!", 16) == [1, 3, 4, 5, 6, 2]
    assert small.encode("playingx", 16) == [1, 0, 2]


def test_a_word_above_a_hundred_characters_is_one_unknown(bert: WordPiece) -> None:
    assert bert.count("a" * 100) > 1
    assert bert.encode("a" * 101, 256) == [CLS, UNK, SEP]


def test_long_text_is_cut_with_both_special_tokens_in_place(bert: WordPiece) -> None:
    ids = bert.encode("return policy " * 500, 256)
    assert len(ids) == 256
    assert (ids[0], ids[-1]) == (CLS, SEP)
    assert ids[1:-1] == bert.encode("return policy " * 127, 256)[1:-1]


def test_room_below_the_special_tokens_is_refused(small: WordPiece) -> None:
    assert small.encode("a a a", 2) == [1, 2]
    with pytest.raises(ValueError, match="max_tokens is 1"):
        small.encode("a", 1)


def test_ten_megabytes_without_a_space_are_read(small: WordPiece) -> None:
    assert small.count("a" * 10_000_000) == 1
    assert small.encode("a" * 10_000_000, 256) == [1, 0, 2]


def test_a_long_row_of_unordered_accents_is_not_quadratic(small: WordPiece) -> None:
    assert small.count("a" + "\u0301\u0323" * 200_000) == 1


def test_a_vocabulary_without_special_tokens_is_refused() -> None:
    with pytest.raises(KeyError, match="CLS"):
        WordPiece(["hello"])


@settings(deadline=None, max_examples=50)
@given(text=st.text(st.characters(), max_size=100), max_tokens=st.integers(2, 64))
def test_any_text_gives_ids_of_the_vocabulary_within_the_room(
    bert: WordPiece, text: str, max_tokens: int
) -> None:
    ids = bert.encode(text, max_tokens)
    assert len(ids) == min(bert.count(text) + 2, max_tokens)
    assert all(0 <= token_id < 30_522 for token_id in ids)
    assert not {CLS, SEP} & set(ids[1:-1])


@settings(deadline=None, max_examples=50)
@given(left=st.text(max_size=40), right=st.text(max_size=40))
def test_texts_joined_by_a_space_count_as_their_sum(bert: WordPiece, left: str, right: str) -> None:
    assert bert.count(f"{left} {right}") == bert.count(left) + bert.count(right)


def test_only_a_word_that_the_vocabulary_has_whole_is_one_token(bert: WordPiece) -> None:
    assert [bert.is_one_token(word) for word in ("pillow", "pilllow", "", "\N{MELTING FACE}", "a b")] == [
        *(True, False, False, False, False)
    ]
