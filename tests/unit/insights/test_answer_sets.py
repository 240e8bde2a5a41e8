"""What a retrieval test set asks of answers: half of its articles are there, the others are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from retrieval_service.cli.evals import answer_sets, datasets
from retrieval_service.cli.failures import BadInput, Failed
from retrieval_service.cli.imports.files import Row

PASSAGES = [
    {"id": "p0", "title": "Warsaw", "text": "The city lies on the Vistula and was founded about 1300."},
    {
        "id": "p1",
        "title": "Normans",
        "text": "The people who gave their name to Normandy came from the north.",
    },
    {"id": "p2", "title": "Tesla", "text": "The inventor was born in Smiljan and worked for Edison."},
    {"id": "p3", "title": "Warsaw", "text": "The university was opened in 1816 and has many students."},
]
QUERIES = [
    {"id": "q0", "text": "When was Warsaw founded?", "answer": "about 1300"},
    {"id": "q1", "text": "Where was Tesla born?", "answer": "Smiljan"},
    {"id": "q2", "text": "Who gave Normandy its name?"},
    {"id": "q3", "text": "When was the university opened?", "answer": "1816"},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, rows in (("passages", PASSAGES), ("queries", QUERIES)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "qrels.tsv").write_text("q0\tp0\t1\nq1\tp2\t1\nq2\tp1\t1\nq3\tp3\t1\n", encoding="utf-8")
    return tmp_path


def test_what_belongs_to_an_article_left_out_must_be_refused(folder: Path) -> None:
    asked = answer_sets.load(str(folder))
    assert asked.name == folder.name
    assert not asked.is_demo
    assert [sorted(one.expected) for one in asked.questions] == [["p0"], [], ["p1"], ["p3"]]
    assert [one.contains for one in asked.questions] == ["about 1300", "Smiljan", "", "1816"]
    assert {one.language for one in asked.questions} == {"en"}


def test_corpus_is_whole_articles(folder: Path) -> None:
    corpus = answer_sets.load(str(folder)).corpus
    assert corpus
    rows = [one for one in corpus.passages.entries() if isinstance(one, Row)]
    assert [one.document.external_id for one in rows] == ["p0", "p1", "p3"]
    assert corpus.passage_count == 3


def test_corpus_is_not_taken_for_the_whole_file_by_an_import(folder: Path) -> None:
    corpus = answer_sets.load(str(folder)).corpus
    assert corpus
    assert corpus.passages.fingerprint() != datasets.load(folder).passages.fingerprint()


def test_foreign_questions_must_all_be_refused(folder: Path) -> None:
    asked = answer_sets.foreign(folder)
    assert [one.text for one in asked] == [one["text"] for one in QUERIES]
    assert not any(one.is_answerable for one in asked)


@pytest.mark.parametrize(
    ("limit", "taken"), [(None, [0, 1, 2, 3]), (9, [0, 1, 2, 3]), (3, [0, 2]), (2, [0, 2]), (1, [0])]
)
def test_sample_is_taken_from_all_over_the_set(folder: Path, limit: int | None, taken: list[int]) -> None:
    asked = answer_sets.load(str(folder)).questions
    assert answer_sets.sample(asked, limit) == [asked[place] for place in taken]


def test_folder_without_a_test_set_is_refused_by_the_file_that_lacks(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="qrels"):
        answer_sets.load(str(tmp_path))


def test_set_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="xquad_en"):
        answer_sets.load(str(tmp_path / "xquad_en"))
