"""What a source's row becomes: a draft of a document, or the reason why it cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from typing import Any, TypeAlias

from jinja2 import TemplateError

from retrieval_service.domain.documents import source_templates
from retrieval_service.domain.documents.documents import Draft, JsonValue
from retrieval_service.domain.documents.sources import Source
from retrieval_service.errors import Violation
from retrieval_service.text import exact_json

Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RenderedRow:
    """`draft` is None when there are violations."""

    external_id: str
    draft: Draft | None
    violations: Sequence[Violation] = ()


class RowRenderer:
    """Compiles the source's templates once for all rows."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._templates = {
            name: source_templates.compiled(template) for name, template in source.templates().items()
        }

    def render(self, rows: Sequence[Row]) -> list[RenderedRow]:
        """One for each row, in order; slow for many, so it is called in a thread."""
        return [self._rendered(row) for row in rows]

    def _rendered(self, row: Row) -> RenderedRow:
        violations: list[Violation] = [
            Violation(name, f"the row has no column {column!r}")
            for name, column in self._source.columns().items()
            if column not in row
        ]
        texts = {name: self._text(name, row, violations) for name in self._templates}
        external_id = text_of(row.get(self._source.id_column))
        draft = None if violations else self._draft(external_id, row, texts)
        return RenderedRow(external_id=external_id, draft=draft, violations=violations)

    def _text(self, name: str, row: Row, violations: list[Violation]) -> str:
        try:
            return source_templates.rendered(self._templates[name], row)
        except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
            violations.append(Violation(name, source_templates.failure(error)))
            return ""
        except RecursionError:
            violations.append(Violation(name, "the row is nested too deeply"))
            return ""

    def _draft(self, external_id: str, row: Row, texts: Mapping[str, str]) -> Draft:
        source = self._source
        return Draft(
            source_type=source.source_type,
            external_id=external_id,
            title=texts.get("title_template", "").strip(),
            content=texts["text_template"].strip(),
            url=texts.get("url_template", "").strip(),
            language=source.language,
            section=text_of(row.get(source.section_column)),
            tags=tags_of(row.get(source.tags_column)),
            metadata={key: json_of(row[column]) for column, key in source.metadata_columns.items()},
        )


def text_of(value: object) -> str:
    """NULL is nothing, and numbers have no exponent, as in Postgres."""
    if isinstance(value, Decimal):
        return format(value, "f")
    return "" if value is None else str(value)


def tags_of(value: object) -> tuple[str, ...]:
    """An array's items, or those of a text that separates them by commas."""
    items = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(text for item in items if (text := text_of(item).strip()))


def json_of(value: object) -> JsonValue:
    """As JSON can hold it: numbers exactly, moments in ISO 8601, all else as its text."""
    if isinstance(value, float | Decimal):
        return exact_json.normal(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): json_of(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [json_of(child) for child in value]
    return str(value)
