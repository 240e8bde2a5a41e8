"""A table of another database as a source of documents: what may be declared, and what a row of it becomes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from retrieval_service.domain.documents import source_templates
from retrieval_service.errors import Violation

IDS_PLACEHOLDER = "%(ids)s"
MAX_NAME = 64
MAX_QUERY = 10_000
MAX_TEMPLATE = 10_000
MAX_METADATA_COLUMNS = 50

_NAME = re.compile(r"[a-z0-9_-]{1,64}")
_LANGUAGE = re.compile(r"[a-z]{2}")
_ANY = re.compile(r"=\s*any\s*\(\s*%\(ids\)s", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Source:
    """`metadata_columns` gives the metadata's key by column; an empty column or template is left out."""

    name: str
    dsn_variable: str
    source_type: str
    ids_query: str
    all_query: str
    id_column: str
    updated_at_column: str = ""
    title_template: str = ""
    text_template: str
    url_template: str = ""
    language: str = ""
    section_column: str = ""
    tags_column: str = ""
    metadata_columns: Mapping[str, str] = field(default_factory=dict)

    def templates(self) -> dict[str, str]:
        """By field."""
        names = ("title_template", "text_template", "url_template")
        return {name: getattr(self, name) for name in names if getattr(self, name)}

    def columns(self) -> dict[str, str]:
        """The columns that are named outside the templates, by field."""
        names = ("id_column", "updated_at_column", "section_column", "tags_column")
        named = {name: getattr(self, name) for name in names if getattr(self, name)}
        return named | {f"metadata_columns[{column}]": column for column in self.metadata_columns}

    def uses_any(self) -> bool:
        """Whether the query for ids is written so that an index can serve it, however many ids there are."""
        return _ANY.search(self.ids_query) is not None


@dataclass(frozen=True, kw_only=True)
class DeclaredSource:
    """A source as it is stored; `version` grows with every change of the declaration.

    `last_sync_at` is the moment up to which the changes of its rows are known, None when all have to be read.
    """

    source: Source
    version: int
    last_sync_at: datetime | None
    last_error: str
    created_at: datetime


def check(source: Source, *, variable_prefix: str) -> Iterator[Violation]:
    """Everything that forbids declaring the source, field by field."""
    for name in ("name", "source_type"):
        if not _NAME.fullmatch(getattr(source, name)):
            yield Violation(f"source.{name}", "must be 1-64 characters of a-z, 0-9, _ and -")
    yield from _check_variable(source.dsn_variable, variable_prefix)
    yield from _check_queries(source)
    yield from _check_columns(source)
    yield from _check_templates(source)
    if source.language and not _LANGUAGE.fullmatch(source.language):
        yield Violation("source.language", "must be an ISO 639-1 code of two lower-case letters")


def _check_variable(variable: str, prefix: str) -> Iterator[Violation]:
    """Any other variable might hold the service's own database or a secret."""
    if not re.fullmatch(re.escape(prefix) + r"[A-Z0-9_]{1,100}", variable):
        yield Violation("source.dsn_variable", f"must name an environment variable that begins with {prefix}")


def _check_queries(source: Source) -> Iterator[Violation]:
    for name in ("ids_query", "all_query"):
        query: str = getattr(source, name)
        if not query.strip():
            yield Violation(f"source.{name}", "is required")
        if len(query) > MAX_QUERY or "\0" in query or ";" in query:
            yield Violation(
                f"source.{name}", f"must be one statement of at most {MAX_QUERY:,} characters, without ;"
            )
    if source.ids_query.strip() and IDS_PLACEHOLDER not in source.ids_query:
        yield Violation(
            "source.ids_query", f"must ask for {IDS_PLACEHOLDER}, as in WHERE id = ANY({IDS_PLACEHOLDER})"
        )


def _check_columns(source: Source) -> Iterator[Violation]:
    if not source.id_column:
        yield Violation("source.id_column", "is required")
    for name, column in source.columns().items():
        if len(column) > MAX_NAME or "\0" in column:
            yield Violation(f"source.{name}", f"must be a column's name of at most {MAX_NAME} characters")
    if len(source.metadata_columns) > MAX_METADATA_COLUMNS:
        yield Violation("source.metadata_columns", f"must be at most {MAX_METADATA_COLUMNS}")
    for column, key in source.metadata_columns.items():
        if not 1 <= len(key) <= MAX_NAME:
            yield Violation(f"source.metadata_columns[{column}]", f"must be a key of 1-{MAX_NAME} characters")


def _check_templates(source: Source) -> Iterator[Violation]:
    if not source.text_template.strip():
        yield Violation("source.text_template", "is required")
    for name, template in source.templates().items():
        if len(template) > MAX_TEMPLATE:
            yield Violation(f"source.{name}", f"must be at most {MAX_TEMPLATE:,} characters")
        elif fault := source_templates.fault(template):
            yield Violation(f"source.{name}", fault)
