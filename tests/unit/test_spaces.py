"""Means of vectors, and what embedding costs."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval_service.domain.costs import price_table
from retrieval_service.domain.spaces import mean
from retrieval_service.services.embedders import Embedders

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
        ("openai-compatible", "text-embedding-3-small", 0.02),
        ("openai-compatible", "org/bge", 0.5),
        ("local", "all-MiniLM-L6-v2", 0.0),
        ("openai", "text-embedding-9", None),
    ],
)
def test_filling_a_space_is_priced_as_the_ledger_prices_it(
    provider: str, model: str, expected: float | None
) -> None:
    embedders = Embedders({}, home_id=1, prices=price_table('{"org/bge": {"embedded": 0.5}}'))
    assert embedders.dollars(provider, model, 1_000_000) == expected
