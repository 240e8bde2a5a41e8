"""Figures of earlier runs in the data folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from kladez.v1 import insight_service_pb2 as pb

from retrieval_service.cli.evals import kept_figures
from retrieval_service.cli.failures import Failed


def evaluation(answerer: str) -> pb.Evaluation:
    figures = [pb.EvaluationFigures(language="ru", question_count=7, answerable_accuracy=0.0)]
    kept = pb.Evaluation(set_name="demo", answerer=answerer, figures=figures)
    kept.create_time.FromSeconds(1_700_000_000)
    return kept


def test_last_run_of_each_set_is_kept_whole(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    assert kept_figures.last(folder, "demo") is None
    for name, answerer in (("demo", "old"), ("other", "extractive"), ("demo", "new")):
        kept_figures.keep(folder, name, evaluation(answerer))
    assert kept_figures.last(folder, "demo") == evaluation("new")
    assert kept_figures.last(folder, "other") == evaluation("extractive")
    assert kept_figures.last(folder, "unheard-of") is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"demo": 7}', '{"demo": {"figures": 7}}'])
def test_broken_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / kept_figures.FILE_NAME).write_text(text)
    with pytest.raises(Failed, match=kept_figures.FILE_NAME):
        kept_figures.last(tmp_path, "demo")
