"""Hits and references as messages of the contract."""

from __future__ import annotations

from dataclasses import asdict

from kladez.v1 import (
    common_pb2,
    search_service_pb2,
)

from retrieval_service.api.messages import metadata_messages
from retrieval_service.domain.answering.logged import Reference
from retrieval_service.services.retrieval.search import Hit, Mode

MODES = {
    search_service_pb2.SEARCH_MODE_UNSPECIFIED: Mode.HYBRID,
    search_service_pb2.SEARCH_MODE_SEMANTIC: Mode.SEMANTIC,
    search_service_pb2.SEARCH_MODE_FULL_TEXT: Mode.FULL_TEXT,
    search_service_pb2.SEARCH_MODE_HYBRID: Mode.HYBRID,
}

MODE_NUMBERS = {mode: number for number, mode in MODES.items()}


def hit(one: Hit) -> search_service_pb2.SearchHit:
    passage = one.passage
    metadata, metadata_json = metadata_messages.both(passage.metadata)
    return search_service_pb2.SearchHit(
        document_id=str(passage.document_id),
        chunk_id=str(passage.chunk_id),
        source_type=passage.source_type,
        external_id=passage.external_id,
        title=passage.title,
        heading=passage.heading,
        section=passage.section,
        tags=passage.tags,
        url=passage.url,
        text=passage.text,
        start_offset=passage.start_offset,
        end_offset=passage.end_offset,
        language=passage.language,
        score=one.score,
        similarity=one.similarity,
        lexical_score=one.stem_score,
        metadata=metadata,
        metadata_json=metadata_json,
    )


def reference(one: Reference) -> common_pb2.Reference:
    return common_pb2.Reference(**asdict(one))
