"""A passage as a reader likes to see it beneath an answer."""

from __future__ import annotations

import re

from retrieval_service.domain.templates import Field, Role, read_fields

MAX_CHARACTERS = 2_000

# What a source's title says already.
_TITLES = (Role.NAME, Role.QUESTION)
_WITHOUT_LABEL = (Role.BODY, Role.DESCRIPTION, Role.ANSWER)
_HEADING_MARK = re.compile(r"^#{1,6}\s+", re.MULTILINE)
_EMPHASIS = re.compile(r"\*\*|__|`")


def snippet(text: str, title: str) -> str:
    """At most 2,000 code points, without markup and without what the title repeats."""
    fields = [field for field in read_fields(text) if field.role not in _TITLES]
    shown = "\n".join(_line(field) for field in fields) or text
    plain = _EMPHASIS.sub("", _HEADING_MARK.sub("", shown)).strip()
    return (plain.removeprefix(title).strip() or plain)[:MAX_CHARACTERS]


def _line(field: Field) -> str:
    return field.text if field.role in _WITHOUT_LABEL else f"{field.label}: {field.text}"
