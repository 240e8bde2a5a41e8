"""Requests of bounded size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval_service import errors
from retrieval_service.providers.openai.batching import BatchLimits, batches

LIMITS = BatchLimits(texts=4, tokens=50, bytes=90)


@given(st.lists(st.text(min_size=1, max_size=20)))
def test_batches_keep_every_text_in_order_within_every_limit(texts: list[str]) -> None:
    runs = list(batches(texts, LIMITS, window_tokens=30))
    assert [text for run in runs for text in run] == texts
    for run in runs:
        sizes = [len(text.encode()) for text in run]
        assert 1 <= len(run) <= LIMITS.texts
        assert sum(min(size, 30) for size in sizes) <= LIMITS.tokens
        assert sum(sizes) <= LIMITS.bytes


def test_text_larger_than_the_limit_travels_alone() -> None:
    runs = list(batches(["a", "b" * 99, "c"], LIMITS, window_tokens=99))
    assert runs == [["a"], ["b" * 99], ["c"]]


def test_full_windows_stay_below_the_token_limit() -> None:
    runs = list(batches(["x" * 8191] * 64, BatchLimits(), window_tokens=8191))
    assert [len(run) for run in runs] == [36, 28]


def test_long_cyrillic_texts_stay_below_the_byte_limit() -> None:
    runs = list(batches(["слово " * 2000] * 64, BatchLimits(), window_tokens=512))
    assert [len(run) for run in runs] == [22, 22, 20]


def test_nothing_makes_no_request() -> None:
    assert list(batches([], LIMITS, window_tokens=10)) == []


def test_limit_of_zero_is_misconfigured() -> None:
    with pytest.raises(errors.Misconfigured):
        BatchLimits(texts=0)
