"""Reads what a search found: whose document a file is, in a search's answer and in the model's own search."""

from __future__ import annotations

from uuid import UUID

from retrieval_service.domain.sync.remote_files import Attributes, Hit
from retrieval_service.providers.openai.files.attributes import parsed_id, read_name


def hit(*, file_id: str, file_name: str, score: float, text: str, attributes: Attributes) -> Hit | None:
    """None for a file that is not ours."""
    document_id = document_of(file_name, attributes)
    if document_id is None:
        return None
    return Hit(file_id=file_id, document_id=document_id, score=score, text=text, attributes=attributes)


def document_of(file_name: str, attributes: Attributes) -> UUID | None:
    """By the attributes, else by the name we gave the file."""
    named = read_name(file_name)
    return parsed_id(attributes.get("document_id")) or (named[0] if named else None)
