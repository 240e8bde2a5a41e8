"""The figures as Markdown tables, for a terminal and for a README, and as JSON with every question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.answers import counting
from benchmarks.answers.counting import Figures
from benchmarks.answers.judging import Asked, Ending
from benchmarks.answers.sets import Split

SHOWN = 200


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cell(str(one)) for one in line)} |" for line in lines)


def cell(text: str) -> str:
    """One line, whatever stands in it."""
    return text.strip().replace("\\", "\\\\").replace("|", "\\|").replace("\n", "<br>")


def summary(asked: Sequence[Asked]) -> str:
    """By language, by kind, how answers ended, and how long they took."""
    return "\n\n".join((by_language(asked), by_kind(asked), endings(asked), latency(asked)))


def by_language(asked: Sequence[Asked]) -> str:
    groups = counting.by_language(asked)
    columns = {name: counting.figures(group) for name, group in groups.items()}
    rows = [
        [f"{measure.better} {measure.name}", *(column[measure].text for column in columns.values())]
        for measure in counting.MEASURES
        if columns[counting.ALL][measure].whole
    ]
    return table(["measure", *(f"{name}, {len(group)} asked" for name, group in groups.items())], rows)


def by_kind(asked: Sequence[Asked]) -> str:
    groups = counting.by_kind(asked)
    headings = ["kind", *(measure.name for measure in counting.BY_KIND)]
    return table(headings, [[kind, *_texts(group)] for kind, group in groups.items()])


def endings(asked: Sequence[Asked]) -> str:
    """Of what can be answered, and of each kind that cannot."""
    groups: dict[str, list[Asked]] = {}
    for one in asked:
        kind = one.question.kind
        groups.setdefault("answerable" if kind.is_answerable else kind, []).append(one)
    counted = {name: counting.endings(group) for name, group in groups.items()}
    rows = [[ending.name.lower(), *(one[ending] for one in counted.values())] for ending in Ending]
    return table(["ended in", *counted], rows)


def latency(asked: Sequence[Asked]) -> str:
    took = counting.latency(asked)
    return f"Answers by {answerers(asked)}; {took.p50:.0f} ms p50, {took.p95:.0f} ms p95."


def answerers(asked: Sequence[Asked]) -> str:
    return " and ".join(sorted({one.answerer for one in asked} - {""})) or "nobody"


def wrong(asked: Sequence[Asked]) -> str:
    """What is not right of those that may be looked at, with the beginning of what was shown."""
    headings = ["id", "kind", "question", "expected", "contains", "ranks", "ended in", "cited", "shown"]
    return table(headings, [_wrong_row(one) for one in asked if not one.is_right])


def document(asked: Sequence[Asked], read: Sequence[Asked]) -> dict[str, object]:
    """`read` are those whose questions and answers may be looked at."""
    groups = {**counting.by_language(asked), **counting.by_kind(asked)}
    return {
        "answerers": answerers(asked),
        "figures": {name: _as_json(counting.figures(group)) for name, group in groups.items()},
        "endings": {ending.name.lower(): count for ending, count in counting.endings(asked).items()},
        "latency_ms": {"p50": counting.latency(asked).p50, "p95": counting.latency(asked).p95},
        "questions": [_record(one) for one in read],
    }


def may_be_read(asked: Sequence[Asked], *, open_held: bool) -> list[Asked]:
    return [one for one in asked if open_held or one.question.split is Split.DEV]


def _texts(group: Sequence[Asked]) -> list[str]:
    return [share.text for share in counting.figures(group, counting.BY_KIND).values()]


def _as_json(figures: Figures) -> Mapping[str, Mapping[str, int]]:
    return {measure.name: {"part": share.part, "whole": share.whole} for measure, share in figures.items()}


def _wrong_row(one: Asked) -> list[str]:
    return [
        one.id,
        one.question.kind,
        " ⟶ ".join((*one.question.previous, one.question.text)),
        ", ".join(sorted(one.question.expected)) or "nothing",
        one.question.contains,
        ", ".join(f"{mode} {rank or '–'}" for mode, rank in one.ranks.items()),
        one.ending.name.lower(),
        ", ".join(one.cited),
        one.text[:SHOWN],
    ]


def _record(one: Asked) -> dict[str, object]:
    return {
        "id": one.id,
        "kind": one.question.kind,
        "question": one.question.text,
        "previous": list(one.question.previous),
        "expected": sorted(one.question.expected),
        "contains": one.question.contains,
        "split": one.question.split,
        "ending": one.ending.name.lower(),
        "ranks": dict(one.ranks),
        "cited": list(one.cited),
        "shown": one.text,
        "language": one.language,
        "asked_in": one.question.language,
        "ms": round(1_000 * one.seconds, 1),
        "answered_right": one.is_answered_right,
        "good": one.is_good if one.question.contains else None,
    }
