"""Labelled questions: the demo shop's own, sets in files of the same form, and those of retrieval test sets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.cli.evals import datasets
from retrieval_service.cli.evals.datasets import Dataset, Passages, SomePassages
from retrieval_service.cli.failures import Failed
from retrieval_service.cli.imports.files import Row
from retrieval_service.domain.insights.answer_metrics import LabelledQuestion
from retrieval_service.text import languages

# What belongs to the demo shop: the set that thresholds were fitted on, and one that they were not.
DEMO_SETS = {"demo": "questions.json", "demo-held-out": "held_out_questions.json"}
# So many passages tell in which language a test set is.
LANGUAGE_SAMPLE = 20

Asked = TypeVar("Asked")


@dataclass(frozen=True, kw_only=True)
class AnswerSet:
    """Questions in order; `is_demo` ones are asked of the demo shop's catalogues, a test set's of its `corpus`."""

    name: str
    questions: Sequence[LabelledQuestion]
    is_demo: bool = False
    corpus: Dataset | None = None


def load(name: str) -> AnswerSet:
    """`name` is "demo", "demo-held-out", a JSON file or a test set's folder; raises `Failed` naming what is wrong."""
    if name not in DEMO_SETS and Path(name).is_dir():
        return of_test_set(Path(name))
    is_demo = name in DEMO_SETS
    path = _demo_file(DEMO_SETS[name]) if is_demo else Path(name)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["questions"]
    except OSError as error:
        raise Failed(
            f"{path}: {error.strerror}; the sets of the product are {', '.join(DEMO_SETS)}."
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Failed(f'{path}: is not a JSON object with a list "questions".') from error
    questions = [_question(place, one) for place, one in enumerate(found)]
    return AnswerSet(name=name if is_demo else path.stem, questions=questions, is_demo=is_demo)


def of_test_set(folder: Path) -> AnswerSet:
    """Every second article is left out of the corpus: what is asked of these cannot be answered from it."""
    dataset = datasets.load(folder)
    passages = _documents(dataset.passages)
    kept = frozenset(sorted({one.title for one in passages})[::2])
    ids = frozenset(one.external_id for one in passages if one.title in kept)
    questions = [
        LabelledQuestion(
            id=str(place),
            language=_language(passages),
            text=query.text,
            expected=ids.intersection(query.relevance),
            contains=query.answer,
        )
        for place, query in enumerate(dataset.queries)
    ]
    corpus = replace(
        dataset, passages=SomePassages(path=dataset.passages.path, titles=kept), passage_count=len(ids)
    )
    return AnswerSet(name=dataset.name, questions=questions, corpus=corpus)


def foreign(folder: Path) -> list[LabelledQuestion]:
    """A test set's questions, for documents that answer none of them."""
    dataset = datasets.load(folder)
    language = _language(_documents(dataset.passages))
    return [
        LabelledQuestion(
            id=f"{dataset.name}-{place}", language=language, text=query.text, expected=frozenset()
        )
        for place, query in enumerate(dataset.queries)
    ]


def sample(questions: Sequence[Asked], limit: int | None) -> Sequence[Asked]:
    """At most so many, taken from all over the set."""
    return questions[:: max(1, -(-len(questions) // limit))] if limit else questions


def _documents(passages: Passages) -> list[documents_pb.Document]:
    return [one.document for one in passages.entries() if isinstance(one, Row)]


def _language(passages: Sequence[documents_pb.Document]) -> str:
    return languages.detect_language("\n".join(one.content for one in passages[:LANGUAGE_SAMPLE]))


def _demo_file(name: str) -> Path:
    return Path(str(resources.files("retrieval_service") / "demo" / name))


def _question(place: int, given: Mapping[str, Any]) -> LabelledQuestion:
    missing = [name for name in ("question", "language", "expected") if name not in given]
    if missing:
        raise Failed(f"questions[{place}]: {', '.join(missing)} missing.")
    return LabelledQuestion(
        id=str(given.get("id", place)),
        language=given["language"],
        text=given["question"],
        expected=frozenset(given["expected"]),
        contains=given.get("contains", ""),
    )
