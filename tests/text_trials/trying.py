"""Tries functions on families of texts and says what grew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from tests.text_trials.families import Family, families
from tests.text_trials.finding import Trial, run
from tests.text_trials.growth import Growth, growth, processor_seconds
from tests.text_trials.patterns import Pattern, families_of, trial_of

# In characters; the families take turns.
SIZES = ((1_000, 4_000), (2_000, 8_000))
WHOLE_SIZES = ((1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000),)
# So many functions share the families; more families for each make a run longer and seldom find more.
TURNS = 8
PATTERN_SIZES = (1_500, 6_000)


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One function on one family of texts."""

    function: str
    family: str
    growth: Growth

    def __str__(self) -> str:
        seen = self.growth
        return (
            f"{self.function} on {self.family!r}: exponent {seen.exponent:.2f}, "
            f"{seen.seconds * 1000:.0f} ms for {seen.characters} characters"
        )


def tried_whole(trial: Trial, turn: int, every: int) -> list[Tried]:
    """Of so many families one, or all of them: the next functions have the others."""
    return _tried(trial, islice(families(whole=True), turn % every, None, every), WHOLE_SIZES)


def tried_shortly(trial: Trial, turn: int) -> list[Tried]:
    """Some of the families: the next functions have the others."""
    return _tried(trial, islice(families(whole=False), turn % TURNS, None, TURNS), SIZES)


def first_bad(pattern: Pattern) -> Tried | None:
    """Of the texts that are made of the pattern itself, the first with which it takes too long."""
    trial = trial_of(pattern)
    seen = (_growth(trial, kind, PATTERN_SIZES) for kind in families_of(pattern))
    named = zip((kind.name for kind in families_of(pattern)), seen, strict=True)
    bad = ((name, one) for name, one in named if one.is_too_fast)
    return next((Tried(function=pattern.name, family=name, growth=one) for name, one in bad), None)


def _tried(trial: Trial, kinds: Iterable[Family], sizes: Sequence[Sequence[int]]) -> list[Tried]:
    return [
        Tried(function=trial.name, family=kind.name, growth=_growth(trial, kind, here))
        for kind, here in zip(kinds, cycle(sizes))
    ]


def _growth(trial: Trial, family: Family, sizes: Sequence[int]) -> Growth:
    def seconds(size: int) -> float:
        work = trial.prepare(family.write(size))
        return processor_seconds(lambda: run(work))

    return growth(seconds, sizes)
