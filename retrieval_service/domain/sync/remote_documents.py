"""What a retrieval provider is given of a document, and digests that tell whether it changed."""

from __future__ import annotations

import hashlib

from retrieval_service.domain.sync.remote_files import Original, RemoteDocument
from retrieval_service.text import exact_json, headings, languages
from retrieval_service.text.html.reader import html_to_text


def remote_document(original: Original) -> RemoteDocument | None:
    """None for a document that is deleted or has no text; slow for long ones: call it in a thread."""
    is_html = original.content_type == "text/html"
    text = html_to_text(original.content) if is_html else original.content
    if original.is_deleted or not text.strip():
        return None
    return RemoteDocument(
        tenant_id=original.tenant_id,
        document_id=original.id,
        source_type=original.source_type,
        title=headings.below(original.ancestors, original.title),
        section=original.section,
        tags=tuple(original.tags),
        language=original.language or languages.detect_language(text),
        text=text,
        metadata=original.metadata,
    )


def content_of(document: RemoteDocument) -> bytes:
    """The title stands on top, because a search sees nothing but the text."""
    return (f"# {document.title}\n\n{document.text}" if document.title else document.text).encode()


def content_digest(document: RemoteDocument) -> str:
    """SHA-256 in hex; the provider's revision is its beginning."""
    return hashlib.sha256(content_of(document)).hexdigest()


def attributes_digest(document: RemoteDocument) -> str:
    """SHA-256 in hex of all that a search can filter by."""
    told = [
        document.source_type,
        document.section,
        sorted(document.tags),
        document.language,
        dict(document.metadata),
    ]
    return hashlib.sha256(exact_json.dumps(told, sort_keys=True).encode()).hexdigest()
