"""A passage as a reader likes to see it beneath an answer."""

from __future__ import annotations

from retrieval_service.domain.documents.entries import Entry, Field, fields_of
from retrieval_service.domain.documents.templates import Role
from retrieval_service.text.units import plain, table_rows_read

MAX_CHARACTERS = 2_000

# What a source's title says already.
_TITLES = (Role.NAME, Role.QUESTION, Role.STOCK)


def snippet(text: str, entry: Entry) -> str:
    """At most 2,000 code points, without markup and without what the title repeats."""
    fields = [field for field in fields_of(entry, text) if field.role not in _TITLES]
    shown = "\n".join(_line(field) for field in fields) or text
    said = "\n".join(map(_read, table_rows_read(shown).splitlines())).strip()
    return (said.removeprefix(entry.title).strip() or said)[:MAX_CHARACTERS]


def _read(line: str) -> str:
    """Without the marks of a heading, which are no bullet."""
    bare = line.lstrip("#") if line.startswith("#") and line.lstrip("#")[:1].isspace() else line
    return plain(bare.strip())


def _line(field: Field) -> str:
    return f"{field.label}: {field.text}" if field.label else field.text
