"""Means of vectors, and what embedding costs."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval_service.domain.costs import price_table
from retrieval_service.domain.spaces import Level, Scale, mean
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


def test_distinction_is_counted_from_unrelated_texts_of_the_same_languages() -> None:
    near, far = Level(mean=0.8, deviation=0.02), Level(mean=0.7, deviation=0.04)
    scale = Scale(unrelated={"pt>pt": near, "en>pt": far})
    assert scale.distinction(0.84, "pt", "pt") == pytest.approx(2.0)
    assert scale.distinction(0.84, "en", "pt") == pytest.approx(3.5)
    assert scale.distinction(0.84, "", "pt") == pytest.approx(2.0)
    assert scale.distinction(0.84, "fi", "fi") == pytest.approx(2.0)
    assert scale.distinction(0.84, "fi", "pt") == pytest.approx(3.5)
    assert Scale().distinction(0.84, "pt", "pt") is None
