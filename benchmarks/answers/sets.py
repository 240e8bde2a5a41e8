"""Labelled questions to a business's knowledge: the fifteen sets beside this file, and folders of others."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.cli.imports.files import Folder

ROOT = Path(__file__).parent
LANGUAGES = ("ru", "en", "pt")
SHOP, QUESTIONS = "shop.json", "questions.json"
TRADES = ("electronics", "clothes", "pharmacy", "bank", "software")


class Kind(StrEnum):
    """How a question is put; the last three are in foreign sets alone."""

    PLAIN = "plain"
    OWN_WORDS = "own-words"
    PARAPHRASE = "paraphrase"
    SHORT = "short"
    COLLOQUIAL = "colloquial"
    TYPO = "typo"
    ATTRIBUTE = "attribute"
    FOLLOW_UP = "follow-up"
    TWO_IN_ONE = "two-in-one"
    CROSS_LINGUAL = "cross-lingual"
    NEAR_MISS = "near-miss"
    OTHER_TRADE = "other-trade"
    WRONG_CASE = "wrong-case"
    MIXED = "mixed"
    FAILED = "failed-before"

    @property
    def is_answerable(self) -> bool:
        """The business speaks of neighbours of a near miss, and of nothing like another trade's question."""
        return self not in {Kind.NEAR_MISS, Kind.OTHER_TRADE}


class Split(StrEnum):
    """Who tunes reads the first half only; a foreign set is all of it for reading."""

    DEV = "dev"
    HELD = "held"


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked after the turns `previous` of the same conversation.

    Any of `expected` answers it, none when it cannot be answered; of two questions in one, any of each of the `parts`.
    `contains` stands in every right answer and `avoided` in none, "" where nothing is known to. `language` is "" where
    nobody said it.
    """

    id: str
    language: str
    kind: Kind
    text: str
    previous: Sequence[str] = ()
    expected: frozenset[str] = frozenset()
    parts: Sequence[frozenset[str]] = ()
    contains: str = ""
    avoided: str = ""
    split: Split = Split.DEV


@dataclass(frozen=True, kw_only=True)
class AnswerSet:
    """A business: what it knows, in files of `folder`, and what it is asked."""

    name: str
    language: str
    folder: Path
    questions: Sequence[Question]

    def shop(self) -> dict[str, Any]:
        """Products, FAQ and policies, and the business's name in ours; {} where there is no such file."""
        path = self.folder / SHOP
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def texts(self) -> Folder | None:
        """Files of Markdown; there need not be any."""
        path = self.folder / "docs"
        return Folder(path=path) if path.exists() else None

    def articles(self) -> list[documents_pb.Document]:
        """Those of further JSON files, which are lists of objects with id, title and content."""
        files = [path for path in sorted(self.folder.glob("*.json")) if path.name not in {SHOP, QUESTIONS}]
        return [_article(row) for path in files for row in json.loads(path.read_text(encoding="utf-8"))]


class WrongSet(Exception):
    """A folder holds no set, or one that cannot be asked."""


def own(languages: Iterable[str] = LANGUAGES, trades: Iterable[str] = TRADES) -> list[AnswerSet]:
    chosen = tuple(trades)
    return [
        _as_ours(f"{language}/{trade}", ROOT / language / trade) for language in languages for trade in chosen
    ]


def of_split(one: AnswerSet, split: Split | None) -> AnswerSet:
    """Both halves for None."""
    kept = [question for question in one.questions if split in {None, question.split}]
    return replace(one, questions=kept)


def in_folder(folder: Path) -> AnswerSet:
    """A folder with `questions.json` as ours, or with `questions.jsonl`, or one that `failures.jsonl` beside it names.

    Raises `WrongSet` when there is none of them.
    """
    folder = folder.resolve()
    failures = folder.parent / "failures.jsonl"
    if (folder / QUESTIONS).exists():
        return _as_ours(folder.name, folder)
    if (folder / "questions.jsonl").exists():
        return _asked_elsewhere(folder)
    if failures.exists():
        return _failed_before(folder, failures)
    raise WrongSet(
        f"{folder} holds neither {QUESTIONS} nor questions.jsonl, and no failures.jsonl is beside it."
    )


def _as_ours(name: str, folder: Path) -> AnswerSet:
    rows = json.loads((folder / QUESTIONS).read_text(encoding="utf-8"))["questions"]
    language = Counter(row["language"] for row in rows).most_common(1)[0][0]
    return AnswerSet(
        name=name, language=language, folder=folder, questions=[_own_question(row) for row in rows]
    )


def _own_question(row: Mapping[str, Any]) -> Question:
    return Question(
        id=row["id"],
        language=row["language"],
        kind=Kind(row["kind"]),
        text=row["question"],
        previous=row["previous"],
        expected=frozenset(row["expected"]),
        parts=[frozenset(part) for part in row.get("parts", [])],
        contains=row["contains"],
        split=Split(row["split"]),
    )


# --- foreign sets: folders that are named like "ru-vpn", with other names of kinds

_FOREIGN_KINDS = {
    "near": Kind.NEAR_MISS,
    "off": Kind.OTHER_TRADE,
    "cross": Kind.CROSS_LINGUAL,
    "followup": Kind.FOLLOW_UP,
    "case": Kind.WRONG_CASE,
}


def _asked_elsewhere(folder: Path) -> AnswerSet:
    language = folder.name.partition("-")[0]
    if language not in LANGUAGES:
        raise WrongSet(f"The name of {folder} must begin with one of {', '.join(LANGUAGES)} and a hyphen.")
    questions = [_foreign_question(row, language) for row in _rows(folder / "questions.jsonl")]
    return AnswerSet(name=folder.name, language=language, folder=folder, questions=questions)


def _foreign_question(row: Mapping[str, Any], language: str) -> Question:
    kind = _FOREIGN_KINDS.get(row["kind"]) or Kind(row["kind"])
    return Question(
        id=row["id"],
        language="" if kind is Kind.CROSS_LINGUAL else language,
        kind=kind,
        text=row["question"],
        previous=[row["previous"]] if row["previous"] else [],
        # It is not written which document answers which part, so citing one of them is enough.
        expected=frozenset(row["documents"]),
    )


# What only says in which language the shop speaks, or that it does not know: both are counted by themselves.
_FRAMES = ("По материалам", "Segundo", "Не знаю", "don't know", "From the shop", "I don", "Пишите")


def _failed_before(folder: Path, failures: Path) -> AnswerSet:
    name = f"{folder.parent.name}/{folder.name}"
    rows = [row for row in _rows(failures) if row["corpus"] == name]
    if not rows:
        raise WrongSet(f"{failures} asks nothing of {name}.")
    language = Counter(row["language"] for row in rows).most_common(1)[0][0]
    questions = [_failed_question(number, row) for number, row in enumerate(rows, start=1)]
    return AnswerSet(name=name, language=language, folder=folder, questions=questions)


def _failed_question(number: int, row: Mapping[str, Any]) -> Question:
    is_unanswerable = row["right"] == "refuse"
    right = [] if is_unanswerable else row["right"]
    is_double = row["kind"].startswith("two-in-one")
    return Question(
        id=str(number),
        language=row["language"],
        kind=Kind.NEAR_MISS if is_unanswerable else Kind.TWO_IN_ONE if is_double else Kind.FAILED,
        text=row["question"],
        expected=frozenset(right),
        parts=[frozenset({one}) for one in right] if is_double else [],
        contains=_unframed(row["must_contain"]),
        avoided=_unframed(row["must_not_contain"]),
    )


def _unframed(text: str) -> str:
    return "" if text in _FRAMES else text


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _article(row: Mapping[str, str]) -> documents_pb.Document:
    return documents_pb.Document(
        source_type="article", external_id=row["id"], title=row["title"], content=row["content"]
    )
