"""Retrieval test sets: a folder with `passages.jsonl`, `queries.jsonl` and `qrels.tsv`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.cli.failures import BadInput
from retrieval_service.cli.imports.files import Problem, Row

SOURCE_TYPE = "passage"


@dataclass(frozen=True, kw_only=True)
class Query:
    """A question and the grades of the passages that answer it, at least one of them above 0.

    `answer` are the passage's own words that answer it, "" where the set has none.
    """

    text: str
    relevance: Mapping[str, float]
    answer: str = ""


@dataclass(frozen=True, kw_only=True)
class Passages:
    """The passages as something to import; the external id is the passage's id."""

    path: Path

    def fingerprint(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def entries(self) -> Iterator[Row | Problem]:
        for place, value in read_objects(self.path):
            document = documents_pb.Document(
                source_type=SOURCE_TYPE,
                external_id=text_of(value, "id", place),
                title=str(value.get("title", "")),
                content=text_of(value, "text", place),
            )
            yield Row(place=place, document=document)


@dataclass(frozen=True, kw_only=True)
class SomePassages(Passages):
    """Those of some articles, by their titles."""

    titles: frozenset[str]

    def fingerprint(self) -> str:
        return hashlib.sha256("\n".join([super().fingerprint(), *sorted(self.titles)]).encode()).hexdigest()

    def entries(self) -> Iterator[Row | Problem]:
        return (
            one for one in super().entries() if isinstance(one, Problem) or one.document.title in self.titles
        )


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What to import and what to ask."""

    name: str
    passages: Passages
    passage_count: int
    queries: tuple[Query, ...]


def load(folder: Path) -> Dataset:
    """Raises `BadInput` naming the file and the line that is wrong. Queries without judgements are left out."""
    passages = Passages(path=folder / "passages.jsonl")
    judgements = read_judgements(folder / "qrels.tsv")
    queries = [
        Query(
            text=text_of(value, "text", place),
            relevance=judgements[text_of(value, "id", place)],
            answer=str(value.get("answer", "")),
        )
        for place, value in read_objects(folder / "queries.jsonl")
        if text_of(value, "id", place) in judgements
    ]
    if not queries:
        raise BadInput(f"{folder} has no query with a relevant passage.")
    return Dataset(
        name=folder.resolve().name,
        passages=passages,
        passage_count=sum(1 for _ in passages.entries()),
        queries=tuple(queries),
    )


def read_judgements(path: Path) -> dict[str, dict[str, float]]:
    """Grades above 0 by query and passage."""
    judgements: dict[str, dict[str, float]] = {}
    for number, line in enumerate(_text(path).splitlines(), start=1):
        try:
            query, passage, grade = line.split("\t")
            relevance = float(grade)
        except ValueError as error:
            raise BadInput(f"{path}, line {number}: must be query, passage, grade; tabs between") from error
        if relevance > 0:
            judgements.setdefault(query, {})[passage] = relevance
    return judgements


def read_objects(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Each line's object and where it stands."""
    for number, line in enumerate(_text(path).split("\n"), start=1):
        place = f"{path}, line {number}"
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{place}: is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise BadInput(f"{place}: must be an object")
        yield place, value


def text_of(value: Mapping[str, object], name: str, place: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text:
        raise BadInput(f"{place}: {name} must be a text")
    return text


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error
