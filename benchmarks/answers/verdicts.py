"""What a person says of the shown answers: a Markdown table to write verdicts into, and their counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from benchmarks.answers import showing
from benchmarks.answers.judging import Asked, Ending
from benchmarks.answers.sets import Kind

HEADINGS = ("verdict", "id", "kind", "question", "wanted", "ended in", "shown")
_CELLS = re.compile(r"(?<!\\)\|")


class Verdict(StrEnum):
    """A person's, but for the third: where nothing was said there is nothing to read."""

    GOOD = "good"
    PARTIAL = "partial"
    NO = "no"
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One line of the file; `group` is the set's language or the first of its names."""

    group: str
    kind: Kind
    verdict: Verdict


class WrongVerdicts(Exception):
    """A file has a line that cannot be counted."""


def to_read(asked: Sequence[Asked]) -> str:
    """The rule's own verdict is not told, so that it persuades nobody."""
    return HELP + showing.table(HEADINGS, [_row(one) for one in asked]) + "\n"


HELP = """\
Write into the first column: `good` (says what was asked, and nothing that misleads), `partial` (half of it, or hard
to read) or `no`. For a near miss or another trade's question: `good` (helps, and claims nothing that is not so),
`partial`, or `no` (states something wrong). `nothing` is written already where nothing was said.

"""


def read(paths: Iterable[Path]) -> list[Judgement]:
    """Raises `WrongVerdicts` naming the file and the line, also of a verdict that is still missing."""
    return [judgement for path in paths for judgement in _of_file(path)]


def summary(judgements: Sequence[Judgement]) -> str:
    """By language and by kind, what can be answered apart from what cannot."""
    answerable = [one for one in judgements if one.kind.is_answerable]
    groups: dict[str, list[Judgement]] = {"all answerable": answerable}
    for one in answerable:
        groups.setdefault(one.group, []).append(one)
    for kind in Kind:
        groups[kind] = [one for one in judgements if one.kind is kind]
    rows = [_counts(name, group) for name, group in groups.items() if group]
    return showing.table(["", "read", *Verdict], rows)


def _row(one: Asked) -> list[str]:
    asked = " ⟶ ".join((*one.question.previous, one.question.text))
    wanted = ", ".join(sorted(one.question.expected))
    if one.question.contains:
        wanted += f" ({one.question.contains})"
    verdict = Verdict.NOTHING if one.ending is Ending.NOTHING else ""
    return [verdict, one.id, one.question.kind, asked, wanted, one.ending.name.lower(), one.text]


def _of_file(path: Path) -> list[Judgement]:
    lines = path.read_text(encoding="utf-8").splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith(f"| {HEADINGS[0]} |")), None)
    if start is None:
        raise WrongVerdicts(f"{path} holds no table of verdicts.")
    return [
        _judgement(line, f"{path}, line {number}")
        for number, line in enumerate(lines[start + 2 :], start=start + 3)
        if line.startswith("|")
    ]


def _judgement(line: str, place: str) -> Judgement:
    cells = [one.strip() for one in _CELLS.split(line)[1:-1]]
    try:
        verdict, name, kind, *_ = cells
        return Judgement(group=name.partition("/")[0], kind=Kind(kind), verdict=Verdict(verdict.lower()))
    except ValueError as error:
        raise WrongVerdicts(f"{place}: {error}") from error


def _counts(name: str, group: Sequence[Judgement]) -> list[str]:
    counted = Counter(one.verdict for one in group)
    return [name, str(len(group)), *(f"{counted[one]} ({counted[one] / len(group):.2f})" for one in Verdict)]
