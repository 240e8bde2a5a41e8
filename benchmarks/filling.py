"""Fills a tenant with indexed chunks of a synthetic shop, past the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

from benchmarks.synthetic import SyntheticEmbedder, Writer
from retrieval_service.composition.services import Service
from retrieval_service.domain.documents.documents import Draft
from retrieval_service.domain.indexing.hashing import chunk_hash
from retrieval_service.domain.indexing.lexical import passage_terms
from retrieval_service.stores.documents import documents
from retrieval_service.stores.index import chunks, vectors
from retrieval_service.stores.index.chunks import Change, NewChunk, Place

CHUNKS_PER_DOCUMENT = 20
DOCUMENTS_PER_TRANSACTION = 50
LANGUAGE = "en"


async def fill(service: Service, tenant_id: UUID, texts: Sequence[str], embedder: SyntheticEmbedder) -> None:
    """One chunk for each text, twenty to a document."""
    pieces = [
        texts[start : start + CHUNKS_PER_DOCUMENT] for start in range(0, len(texts), CHUNKS_PER_DOCUMENT)
    ]
    for start in range(0, len(pieces), DOCUMENTS_PER_TRANSACTION):
        await _fill_documents(service, tenant_id, pieces[start : start + DOCUMENTS_PER_TRANSACTION], embedder)


def texts(count: int, writer: Writer, words: int) -> list[str]:
    return [writer.text(words) for _ in range(count)]


async def _fill_documents(
    service: Service, tenant_id: UUID, pieces: Sequence[Sequence[str]], embedder: SyntheticEmbedder
) -> None:
    new = [await asyncio.to_thread(_new_chunks, piece) for piece in pieces]
    async with service.database.tenant(tenant_id) as scope:
        written = await documents.upsert(scope, [_draft(piece[0]) for piece in pieces])
        changes = [
            Change(document_id=document.id, version=1, added=added)
            for document, added in zip(written, new, strict=True)
        ]
        if len(await chunks.apply(scope, changes)) < len(changes):
            raise RuntimeError("nobody else writes to this tenant")
        for added in new:
            rows = embedder.vectors([chunk.text for chunk in added])
            by_id = {chunk.id: row for chunk, row in zip(added, rows, strict=True)}
            await vectors.insert(scope, service.space_id, by_id)


def _draft(content: str) -> Draft:
    return Draft(
        source_type="faq",
        external_id=uuid4().hex,
        title="Delivery",
        content=content,
        language=LANGUAGE,
        metadata={"price": 10, "in_stock": True},
    )


def _new_chunks(piece: Sequence[str]) -> list[NewChunk]:
    return [
        NewChunk(
            id=uuid4(),
            place=Place(index=index, heading="", start=0, end=len(text)),
            text=text,
            chunk_hash=chunk_hash(text, "", ""),
            language=LANGUAGE,
            terms=passage_terms(text, LANGUAGE),
        )
        for index, text in enumerate(piece)
    ]
