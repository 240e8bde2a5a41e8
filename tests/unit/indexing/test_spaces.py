"""Means of vectors, and what embedding costs."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval_service.domain.indexing.costs import price_table
from retrieval_service.domain.indexing.spaces import Level, Scale, Space, Turns, mean
from retrieval_service.services.indexing.embedders import Embedders

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


LEVEL = Level(mean=0.8, deviation=0.02)
TURNS = Turns(centres={"en": EAST, "ru": NORTH, "pt": -EAST}, unrelated={"ru>en": LEVEL})
QUESTION = np.array([0.0, 2.0, 7.0], np.float32)


def test_question_is_turned_to_the_language_of_the_passages_and_stays_as_long() -> None:
    turned = TURNS.turned(QUESTION, "ru", ["en"])
    assert turned is not None
    assert turned.tolist() == [2.0, 0.0, 7.0]
    assert turned.dtype == np.float32


@pytest.mark.parametrize(
    ("asked_in", "written_in"),
    [("ru", ["ru"]), ("ru", ["en", "ru"]), ("fi", ["en"]), ("", ["en"]), ("ru", ["fi"]), ("ru", [])],
)
def test_question_stays_where_passages_speak_its_language_or_nothing_is_known(
    asked_in: str, written_in: list[str]
) -> None:
    assert TURNS.turned(QUESTION, asked_in, written_in) is None


def test_turned_questions_are_read_by_a_scale_of_their_own() -> None:
    usual = Scale(unrelated={"ru>en": Level(mean=0.7, deviation=0.03), "en>en": LEVEL})
    space = Space(
        provider="local", model="m", revision="1", dimensions=3, max_tokens=9, scale=usual, turns=TURNS
    )
    turned = space.of_turned()
    assert turned.key == space.key
    assert turned.scale is not None
    assert turned.scale.unrelated == {"ru>en": LEVEL, "en>en": LEVEL}
