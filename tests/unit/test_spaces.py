"""Means of vectors, and what embedding costs."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval_service.domain.spaces import dollars, mean

EAST, NORTH = np.array([1, 0], np.float32), np.array([0, 1], np.float32)


def test_mean_of_unit_vectors_is_of_unit_length() -> None:
    assert np.allclose(mean([EAST, NORTH]), [0.5**0.5, 0.5**0.5])
    assert np.allclose(mean([EAST]), EAST)


def test_opposites_have_a_mean_all_the_same() -> None:
    assert np.allclose(mean([EAST, -EAST]), EAST)


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("openai", "text-embedding-3-small", 0.02),
        ("local", "all-MiniLM-L6-v2", 0.0),
        ("openai", "text-embedding-9", None),
        ("openai-compatible", "text-embedding-3-small", None),
    ],
)
def test_price_is_told_only_where_it_is_known(provider: str, model: str, expected: float | None) -> None:
    assert dollars(provider, model, 1_000_000) == expected
