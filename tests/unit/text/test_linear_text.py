"""No text can hold the service up: the work of every public function grows no faster than its text.

`python -m tests.text_trials` prints what is tried here, and with `--whole` more of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import pytest
import structlog

from tests.text_trials.families import families
from tests.text_trials.finding import Found
from tests.text_trials.growth import growth, processor_seconds
from tests.text_trials.patterns import Pattern, patterns
from tests.text_trials.recipes import RECIPES, finder
from tests.text_trials.trying import SIZES, first_bad, tried_shortly

LEAST_FAMILIES = 60
LEAST_FUNCTIONS = 400
LEAST_PATTERNS = 100
# So that a failure names its part of the program, and a run can be cut short.
PARTS = 16


@cache
def found() -> Found:
    return finder().find()


@pytest.fixture(autouse=True)
def quiet_log() -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())


def test_every_public_function_that_reads_text_is_tried_or_explained() -> None:
    assert found().unexplained == {}
    assert len(found().trials) > LEAST_FUNCTIONS


def test_no_recipe_is_for_a_function_that_is_gone() -> None:
    assert RECIPES.keys() <= {trial.name for trial in found().trials}


def test_there_are_enough_families_of_texts_and_no_two_are_one() -> None:
    texts = [family.write(SIZES[0][0]) for family in families(whole=False)]
    assert len(set(texts)) == len(texts) >= LEAST_FAMILIES


@pytest.mark.parametrize("part", range(PARTS))
def test_work_grows_no_faster_than_the_text(part: int) -> None:
    trials = found().trials[part::PARTS]
    seen = (one for turn, trial in enumerate(trials) for one in tried_shortly(trial, turn))
    assert [str(one) for one in seen if one.growth.is_too_fast] == []


def test_no_pattern_reads_a_text_again_and_again() -> None:
    looked_at = list(patterns())
    assert len(looked_at) > LEAST_PATTERNS
    assert [str(bad) for one in looked_at if (bad := first_bad(one))] == []


@pytest.mark.parametrize(
    ("expression", "is_refused"),
    [
        (r"(?<!\w)\w++@", False),
        (r"\w+@", True),
        (r"\[[^\[\]]*\]", False),
        (r"\[[^\]]*\]", True),
    ],
)
def test_bad_patterns_are_told_from_good_ones(expression: str, is_refused: bool) -> None:
    pattern = Pattern(name="pattern", compiled=re.compile(expression), is_searched=True)
    assert bool(first_bad(pattern)) == is_refused


@pytest.mark.parametrize(
    ("work", "is_refused"),
    [
        (lambda size: sum(range(60 * size)), False),
        (lambda size: [sum(range(5 * size)) for _ in range(size.bit_length())], False),
        (lambda size: [sum(range(size)) for _ in range(size // 16)], True),
        (lambda size: [sum(range(size // 8)) for _ in range(size * size // 40_000)], True),
    ],
    ids=["linear", "n log n", "quadratic", "cubic"],
)
def test_growth_is_told_apart(work: Callable[[int], object], is_refused: bool) -> None:
    seen = growth(lambda size: processor_seconds(lambda: work(size)), SIZES[1])
    assert seen.is_too_fast == is_refused
