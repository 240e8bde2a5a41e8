"""Shares of what was asked, by language, by kind and of all: each measure says among which questions it counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from benchmarks import measuring
from benchmarks.answers.judging import FEW, Asked, Ending, is_double
from benchmarks.answers.sets import Kind
from benchmarks.measuring import Latency
from retrieval_service.cli.commands.search_and_ask import Mode

ALL = "all"
Key = TypeVar("Key")


class Better(StrEnum):
    """Which way is the good one."""

    MORE = "↑"
    LESS = "↓"


@dataclass(frozen=True, kw_only=True)
class Share:
    """So many of so many."""

    part: int
    whole: int

    @property
    def text(self) -> str:
        return f"{self.part}/{self.whole} ({self.part / self.whole:.2f})" if self.whole else "–"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What holds of how many of those that it can hold of."""

    name: str
    better: Better
    among: Callable[[Asked], bool]
    holds: Callable[[Asked], bool]

    def of(self, asked: Iterable[Asked]) -> Share:
        counted = [self.holds(one) for one in asked if self.among(one)]
        return Share(part=sum(counted), whole=len(counted))


def _searched(mode: Mode) -> Callable[[Asked], bool]:
    return lambda one: mode in one.ranks


def _found(among: int, mode: Mode) -> Callable[[Asked], bool]:
    return lambda one: one.is_found(among, mode)


def _is_answerable(one: Asked) -> bool:
    return one.question.kind.is_answerable


def _by_rule(one: Asked) -> bool:
    """A question without expected words cannot be called good by a rule."""
    return _is_answerable(one) and bool(one.question.contains)


SEARCHES = tuple(
    Measure(
        name=f"right document in the first {among}, {mode}" if among > 1 else f"right document first, {mode}",
        better=Better.MORE,
        among=_searched(mode),
        holds=_found(among, mode),
    )
    for mode in Mode
    for among in (1, FEW)
)
ANSWERED_RIGHT = Measure(
    name="answered, cites a right document",
    better=Better.MORE,
    among=_is_answerable,
    holds=lambda one: one.is_answered_right,
)
GOOD = Measure(
    name="good by rule, as an answer or as what perhaps helps",
    better=Better.MORE,
    among=_by_rule,
    holds=lambda one: one.is_good,
)
STATED = Measure(
    name="of the good ones, stated as an answer",
    better=Better.MORE,
    among=lambda one: _by_rule(one) and one.is_good,
    holds=lambda one: one.ending.states_a_fact,
)
OWN_WORDS = Measure(
    name="in a FAQ's own words, stated as an answer",
    better=Better.MORE,
    among=lambda one: one.question.kind is Kind.OWN_WORDS,
    holds=lambda one: one.is_answered_right,
)
LOST = Measure(
    name=f"“nothing”, though a right document is in the first {FEW}",
    better=Better.LESS,
    among=lambda one: one.is_searched,
    holds=lambda one: one.is_lost,
)
WHOLE = Measure(
    name="two in one: both parts cited",
    better=Better.MORE,
    among=is_double,
    holds=lambda one: one.cites_every_part,
)
INVENTED = Measure(
    name="near miss stated as a fact",
    better=Better.LESS,
    among=lambda one: one.question.kind is Kind.NEAR_MISS,
    holds=lambda one: one.ending.states_a_fact,
)
UNFOUNDED = Measure(
    name="unanswerable stated as a fact",
    better=Better.LESS,
    among=lambda one: not one.question.kind.is_answerable,
    holds=lambda one: one.ending.states_a_fact,
)
DECLINED = Measure(
    name="other trade ended in “nothing”",
    better=Better.MORE,
    among=lambda one: one.question.kind is Kind.OTHER_TRADE,
    holds=lambda one: one.ending is Ending.NOTHING,
)
WRONG_LANGUAGE = Measure(
    name="wrong language",
    better=Better.LESS,
    among=lambda one: bool(one.question.language),
    holds=lambda one: one.is_in_wrong_language,
)
MEASURES = (
    *SEARCHES,
    *(ANSWERED_RIGHT, GOOD, STATED, OWN_WORDS, LOST, WHOLE),
    *(INVENTED, UNFOUNDED, DECLINED, WRONG_LANGUAGE),
)
# What a kind of question is told by; the rest needs all of them.
BY_KIND = (SEARCHES[0], SEARCHES[1], ANSWERED_RIGHT, GOOD, LOST, WRONG_LANGUAGE)


Figures = Mapping[Measure, Share]


def figures(asked: Sequence[Asked], measures: Sequence[Measure] = MEASURES) -> Figures:
    return {measure: measure.of(asked) for measure in measures}


def by_language(asked: Sequence[Asked]) -> dict[str, list[Asked]]:
    """All of them, then those of each set's language."""
    return {ALL: list(asked), **_grouped(asked, lambda one: one.set_language)}


def by_kind(asked: Sequence[Asked]) -> dict[Kind, list[Asked]]:
    """In the order of the kinds."""
    grouped = _grouped(asked, lambda one: one.question.kind)
    return {kind: grouped[kind] for kind in Kind if kind in grouped}


def endings(asked: Sequence[Asked]) -> dict[Ending, int]:
    """How often each; those that never came too."""
    counted = Counter(one.ending for one in asked)
    return {ending: counted[ending] for ending in Ending}


def latency(asked: Sequence[Asked]) -> Latency:
    return measuring.latency([[one.seconds for one in asked]])


def _grouped(asked: Iterable[Asked], key: Callable[[Asked], Key]) -> dict[Key, list[Asked]]:
    grouped: dict[Key, list[Asked]] = {}
    for one in asked:
        grouped.setdefault(key(one), []).append(one)
    return grouped
