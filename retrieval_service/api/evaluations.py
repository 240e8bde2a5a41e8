"""Recorded runs of labelled questions on the wire."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import timestamp_pb2
from kladez.v1 import insight_service_pb2 as pb

from retrieval_service.api import fields
from retrieval_service.domain.insights.answer_metrics import Evaluation

SHARES = (
    "answerable_accuracy",
    "shown_accuracy",
    "unanswerable_accuracy",
    "citation_precision",
    "citation_recall",
    "language_match",
    "expected_text",
)
MAX_NAME = 200
MAX_LANGUAGES = 50


@dataclass(frozen=True, kw_only=True)
class Run:
    """A checked run, with figures by language."""

    set_name: str
    answerer: str
    figures: Mapping[str, Mapping[str, Any]]


def run(evaluation: pb.Evaluation) -> Run:
    """Raises `Invalid` naming what is wrong."""
    if not 1 <= len(evaluation.figures) <= MAX_LANGUAGES:
        raise fields.refuse("evaluation.figures", f"must be 1-{MAX_LANGUAGES}")
    figures = {one.language: _figures(place, one) for place, one in enumerate(evaluation.figures)}
    if len(figures) < len(evaluation.figures):
        raise fields.refuse("evaluation.figures", "must name each language once")
    return Run(
        set_name=fields.text("evaluation.set_name", evaluation.set_name, limit=MAX_NAME),
        answerer=fields.optional_text("evaluation.answerer", evaluation.answerer, limit=MAX_NAME),
        figures=figures,
    )


def message(evaluation: Evaluation) -> pb.Evaluation:
    created = timestamp_pb2.Timestamp()
    created.FromDatetime(evaluation.created_at)
    figures = [pb.EvaluationFigures(language=code, **one) for code, one in evaluation.figures.items()]
    return pb.Evaluation(
        evaluation_id=str(evaluation.id),
        set_name=evaluation.set_name,
        answerer=evaluation.answerer,
        figures=figures,
        create_time=created,
    )


def _figures(place: int, figures: pb.EvaluationFigures) -> dict[str, Any]:
    path = f"evaluation.figures[{place}]"
    fields.language(f"{path}.language", figures.language)
    if figures.question_count < 1:
        raise fields.refuse(f"{path}.question_count", "must be at least 1")
    given = {name: getattr(figures, name) for name in SHARES if figures.HasField(name)}
    for name, share in given.items():
        if not math.isfinite(share) or not 0 <= share <= 1:
            raise fields.refuse(f"{path}.{name}", "must be in [0, 1]")
    return {"question_count": figures.question_count, **given}
