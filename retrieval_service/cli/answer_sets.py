"""Labelled questions: the demo shop's own, and sets in files of the same form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from retrieval_service.cli.failures import Failed
from retrieval_service.domain.answer_metrics import LabelledQuestion

# What belongs to the demo shop: the set that thresholds were fitted on, and one that they were not.
DEMO_SETS = {"demo": "questions.json", "demo-held-out": "held_out_questions.json"}


@dataclass(frozen=True, kw_only=True)
class AnswerSet:
    """Questions in order; `is_demo` ones are asked of the demo shop's catalogues."""

    name: str
    questions: Sequence[LabelledQuestion]
    is_demo: bool


def load(name: str) -> AnswerSet:
    """`name` is "demo", "demo-held-out" or a JSON file; raises `Failed` naming what is wrong in it."""
    is_demo = name in DEMO_SETS
    path = _demo_file(DEMO_SETS[name]) if is_demo else Path(name)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["questions"]
    except OSError as error:
        raise Failed(
            f"{path}: {error.strerror}; the sets of the product are {', '.join(DEMO_SETS)}."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise Failed(f'{path}: is not a JSON object with a list "questions".') from error
    questions = [_question(place, one) for place, one in enumerate(found)]
    return AnswerSet(name=name if is_demo else path.stem, questions=questions, is_demo=is_demo)


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
