"""What of a document stands on its file at OpenAI: a name that tells the content, and 16 attributes.

Tags and metadata get the places that are left. A document with more of them says so in `more_tags` or
`more_metadata`, so that no filter hides it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from retrieval_service.domain.sync.remote_documents import content_digest
from retrieval_service.domain.sync.remote_files import AttributeValue, RemoteDocument
from retrieval_service.text import exact_json

MOST_ATTRIBUTES = 16
LONGEST_KEY = 64
# The reference says 512, the guide 256.
LONGEST_VALUE = 256
TAG_KEYS = ("tag_1", "tag_2", "tag_3", "tag_4")
MORE_TAGS = "more_tags"
MORE_METADATA = "more_metadata"
METADATA_PREFIX = "metadata."
TENANT_ID = "tenant_id"
REVISION_LENGTH = 12

_NAME = re.compile(r"(?P<document_id>[0-9a-f-]{36})@(?P<revision>[0-9a-f]{12})\.md")


def revision_of(document: RemoteDocument) -> str:
    return content_digest(document)[:REVISION_LENGTH]


def file_name(document: RemoteDocument) -> str:
    return f"{document.document_id}@{revision_of(document)}.md"


def read_name(name: str) -> tuple[UUID, str] | None:
    """Document id and revision; None for a name we did not give."""
    match = _NAME.fullmatch(name)
    document_id = parsed_id(match["document_id"]) if match else None
    return (document_id, match["revision"]) if match and document_id else None


def parsed_id(value: object) -> UUID | None:
    """None for what is no id of ours."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def attributes_of(document: RemoteDocument) -> dict[str, AttributeValue]:
    """At most 16; empty values are left out."""
    named = {
        TENANT_ID: str(document.tenant_id),
        "document_id": str(document.document_id),
        "revision": revision_of(document),
        "source_type": document.source_type,
        "section": document.section,
        "language": document.language,
    }
    spoken = {key: value for key, value in named.items() if value} | _tags(document)
    return spoken | _metadata(document.metadata, room=MOST_ATTRIBUTES - len(spoken))


def fits(key: str, value: object) -> bool:
    """Whether a document's own metadata can stand in an attribute, whose numbers are floats."""
    if len(METADATA_PREFIX + key) > LONGEST_KEY:
        return False
    if isinstance(value, str):
        return 0 < len(value) <= LONGEST_VALUE
    return isinstance(value, int | float) and exact_json.is_safe(value)


def _tags(document: RemoteDocument) -> dict[str, AttributeValue]:
    tags = sorted(set(document.tags))
    spoken: dict[str, AttributeValue] = dict(zip(TAG_KEYS, tags, strict=False))
    return spoken | {MORE_TAGS: True} if len(tags) > len(TAG_KEYS) else spoken


def _metadata(metadata: Mapping[str, Any], *, room: int) -> dict[str, AttributeValue]:
    fitting = list(_fitting(metadata))
    if len(fitting) == len(metadata) <= room:
        return dict(fitting)
    return dict(fitting[: room - 1]) | {MORE_METADATA: True}


def _fitting(metadata: Mapping[str, Any]) -> Iterator[tuple[str, AttributeValue]]:
    for key, value in sorted(metadata.items()):
        if fits(key, value):
            yield METADATA_PREFIX + key, value
