"""A passage as a reader likes to see it beneath an answer."""

from __future__ import annotations

import re

from retrieval_service.domain.entries import Entry, Field, fields_of
from retrieval_service.domain.templates import Role
from retrieval_service.domain.text_units import table_rows_read

MAX_CHARACTERS = 2_000

# What a source's title says already.
_TITLES = (Role.NAME, Role.QUESTION, Role.STOCK)
_HEADING_MARK = re.compile(r"^#{1,6}\s+", re.MULTILINE)
_EMPHASIS = re.compile(r"\*\*|__|`")


def snippet(text: str, entry: Entry) -> str:
    """At most 2,000 code points, without markup and without what the title repeats."""
    fields = [field for field in fields_of(entry, text) if field.role not in _TITLES]
    shown = "\n".join(_line(field) for field in fields) or text
    plain = _EMPHASIS.sub("", _HEADING_MARK.sub("", table_rows_read(shown))).strip()
    return (plain.removeprefix(entry.title).strip() or plain)[:MAX_CHARACTERS]


def _line(field: Field) -> str:
    return f"{field.label}: {field.text}" if field.label else field.text
