"""The tokenizer of XLM-RoBERTa against numbers that the package tokenizers gave, and against any text at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_service.providers.local.e5_file import E5File, Vocabulary
from retrieval_service.providers.local.model_files import E5, E5_FILE, locate
from retrieval_service.providers.local.unigram import Unigram

START, PADDING, END, UNKNOWN, MASK = 0, 1, 2, 3, 250_001
HOSTILE = {
    "no spaces": "abcdefghij" * 20_000,
    "one letter": "a" * 100_000,
    "eighteen characters out of one": "\ufdfa" * 5_000,
    "NUL": "\0" * 100_000,
    "halves of surrogate pairs": "\ud800" * 100_000,
    "accents alone": "\u0300" * 9_999,
    "accents in disorder": "a" + "\u0300\u0316" * 50_000,
    "unknown signs": "\N{MELTING FACE}" * 50_000,
    "marks of a word's start": "\u2581" * 100_000,
}


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return E5File(locate(E5) / E5_FILE).vocabulary


@pytest.fixture(scope="module")
def unigram(vocabulary: Vocabulary) -> Unigram:
    return Unigram(vocabulary)


def small(*pieces: tuple[str, float]) -> Unigram:
    known = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *pieces, ("<mask>", 0.0)]
    return Unigram(
        Vocabulary(
            pieces=tuple(piece for piece, _ in known),
            scores=[score for _, score in known],
            start=START,
            end=END,
            padding=PADDING,
            unknown=UNKNOWN,
            characters={ord("\u00a0"): " "},
        )
    )


def longest_hold(work: Callable[[], object]) -> float:
    """How long the work kept the interpreter's lock, at most, in seconds of its own processor time."""
    with ThreadPoolExecutor(1) as threads:
        clock = time.pthread_getcpuclockid(threads.submit(threading.get_ident).result())
        seen, longest = time.clock_gettime(clock), 0.0
        working = threads.submit(work)
        while not working.done():
            time.sleep(0.0005)
            now = time.clock_gettime(clock)
            seen, longest = now, max(longest, now - seen)
        return longest


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", []),
        (" \t\r\n", []),
        ("query: Сколько стоит доставка?", [41, 1294, 12, 191405, 18510, 86478, 32]),
        (
            "Os grãos são torrados às terças e sextas.",
            [2027, 4452, 3680, 7, 3854, 130352, 3617, 11845, 81526, 7, 28, 46236, 7, 5],
        ),
        (
            "Delivery costs $3 in town and $5 elsewhere.",
            [232062, 84458, 124459, 23, 59444, 136, 147307, 234311, 5],
        ),
        ("東京都に住んでいます。", [6, 104397, 202042, 12219, 30]),
        ("สวัสดีครับ", [6, 92185, 36955, 3641, 5242]),
        ("ﬁ ① ½ km²", [809, 106, 78660, 1785, 304]),
        ("ＡＢＣ１２３", [47457, 48636]),
        ("don't—stop…", [2301, 25, 18, 2451, 19111, 27]),
        ("a\u00a0b\u3000c", [10, 876, 501]),
        ("\N{MELTING FACE}\N{MELTING FACE} a", [6, UNKNOWN, 10]),
        ("\ufdfa", [16509, 1423, 4472, 8756]),
    ],
)
def test_known_encodings(unigram: Unigram, text: str, numbers: list[int]) -> None:
    assert unigram.encode(text, 512) == [START, *numbers, END]
    assert unigram.count(text) == len(numbers)


@pytest.mark.parametrize("text", ["<s>", "</s> x <pad>", "<mask>", "<unk>", "a</s>b", "\u2581<s>"])
def test_special_tokens_written_by_a_user_stay_plain_text(unigram: Unigram, text: str) -> None:
    assert not {START, PADDING, END, UNKNOWN, MASK} & set(unigram.encode(text, 512)[1:-1])


def test_composed_and_decomposed_letters_are_the_same_word(unigram: Unigram) -> None:
    assert unigram.encode("и\u0306од, são", 99) == unigram.encode("йод, sa\u0303o", 99)


def test_the_likeliest_cut_wins_over_the_longest_piece() -> None:
    unigram = small(("\u2581", -9.0), ("\u2581ab", -9.0), ("c", -9.0), ("\u2581a", -2.0), ("bc", -2.0))
    assert unigram.encode("abc", 9) == [START, 7, 8, END]


def test_unknown_neighbours_are_one_piece_and_words_are_not_joined() -> None:
    unigram = small(("\u2581", -1.0), ("a", -1.0))
    assert unigram.encode("xyaxy x", 99) == [START, 4, UNKNOWN, 5, UNKNOWN, 4, UNKNOWN, END]


def test_a_long_text_is_cut_with_both_special_tokens_in_place(unigram: Unigram) -> None:
    cut = unigram.encode("tea " * 1_000, 10)
    assert (cut[0], cut[-1], len(cut)) == (START, END, 10)
    assert unigram.encode("tea", 2) == [START, END]
    with pytest.raises(ValueError, match="below the 2 special tokens"):
        unigram.encode("tea", 1)


def test_a_word_that_is_taken_in_parts_begins_once() -> None:
    unigram = small(("\u2581a", -1.0), ("a", -1.0))
    inner = unigram.encode("a" * 2_500, 9_999)[1:-1]
    assert (inner.count(4), inner.count(5)) == (1, 2_499)


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_texts_are_read_within_bounds(unigram: Unigram, kind: str) -> None:
    text = HOSTILE[kind]
    assert len(unigram.encode(text, 512)) <= 512
    assert unigram.count(text) <= 18 * len(text)


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_texts_let_other_threads_run(unigram: Unigram, kind: str) -> None:
    # The least of three: where the machine is busy, this thread may have waited for a core.
    assert min(longest_hold(lambda: unigram.count(HOSTILE[kind])) for _ in range(3)) < 0.05


any_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=200)


@settings(max_examples=200, deadline=None, database=None)
@given(any_text, any_text)
def test_texts_joined_by_a_space_count_as_their_sum(unigram: Unigram, left: str, right: str) -> None:
    assert unigram.count(f"{left} {right}") == unigram.count(left) + unigram.count(right)


def test_likelihood_is_that_of_the_pieces_together_and_0_of_a_whole_word() -> None:
    unigram = small(("\u2581lamp", -5.0), ("shade", -7.0))
    assert (unigram.likelihood("lamp"), unigram.likelihood("lampshade")) == (0.0, -12.0)
    assert unigram.likelihood("\N{MELTING FACE}") == -17.0
