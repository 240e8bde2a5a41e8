"""Compares what was sent with what is stored, document by document."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.api.messages import document_messages
from retrieval_service.cli.imports.files import Row
from retrieval_service.client import CallFailed, Client
from retrieval_service.domain.documents.documents import Draft, content_hash
from retrieval_service.domain.documents.stored import DocumentKey
from retrieval_service.services.documents.importing import prepare
from retrieval_service.text import exact_json

AT_ONCE = 8

# All that makes a document's hash, and so all that can differ.
COMPARED = (
    "title",
    "section",
    "tags",
    "content",
    "content_type",
    "language",
    "url",
    "metadata",
    "parent_key",
)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A document that is not stored as it was sent; without fields it is not stored at all."""

    key: DocumentKey
    fields: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Integrity:
    """Counts and one hash over all documents, on both sides; the hashes are equal without differences only."""

    sent_count: int
    stored_count: int
    sent_hash: str
    stored_hash: str
    differences: Sequence[Difference]


async def compare(client: Client, rows: Iterable[Row]) -> Integrity:
    """Reads every document back and hashes it here, so that a hash in the database need not be believed."""
    sent = await asyncio.to_thread(_as_stored, rows)
    gate = asyncio.Semaphore(AT_ONCE)

    async def read(key: DocumentKey) -> Draft | None:
        async with gate:
            return await _read(client, key)

    async with asyncio.TaskGroup() as group:
        tasks = {key: group.create_task(read(key)) for key in sent}
    stored = {key: draft for key, task in tasks.items() if (draft := task.result())}
    sent = {key: _in_language(draft, stored.get(key)) for key, draft in sent.items()}
    return Integrity(
        sent_count=len(sent),
        stored_count=len(stored),
        sent_hash=_hash(sent),
        stored_hash=_hash(stored),
        differences=[*_differences(sent, stored)],
    )


def _as_stored(rows: Iterable[Row]) -> dict[DocumentKey, Draft]:
    """What the service makes of the documents: text of HTML."""
    drafts = map(_draft, rows)
    items = ((draft.language, prepare([draft], ())[0]) for draft in drafts)
    return {item.draft.key: replace(item.draft, language=language) for language, item in items}


def _in_language(sent: Draft, stored: Draft | None) -> Draft:
    """Where none was sent the service chooses one of the tenant's."""
    return replace(sent, language=stored.language) if stored and not sent.language else sent


def _draft(row: Row) -> Draft:
    """With the metadata as they were read, not as they were sent."""
    draft = document_messages.draft(row.document)
    return draft if row.metadata is None else replace(draft, metadata=row.metadata)


async def _read(client: Client, key: DocumentKey) -> Draft | None:
    wanted = documents_pb.DocumentKey(source_type=key.source_type, external_id=key.external_id)
    try:
        response = await client.get_document(documents_pb.GetDocumentRequest(key=wanted))
    except CallFailed as error:
        if error.code not in {"NOT_FOUND", "INVALID_ARGUMENT"}:
            raise
        return None
    return document_messages.draft(response.document)


def _hash(drafts: Mapping[DocumentKey, Draft]) -> str:
    digest = hashlib.sha256()
    for key in sorted(drafts, key=lambda key: (key.source_type, key.external_id)):
        digest.update(f"{key.source_type}\n{key.external_id}\n{content_hash(drafts[key]).hex()}\n".encode())
    return digest.hexdigest()


def _differences(
    sent: Mapping[DocumentKey, Draft], stored: Mapping[DocumentKey, Draft]
) -> Iterable[Difference]:
    for key, wanted in sent.items():
        found = stored.get(key)
        if found is None:
            yield Difference(key=key, fields=())
        elif content_hash(found) != content_hash(wanted):
            yield Difference(key=key, fields=_differing(wanted, found))


def _differing(wanted: Draft, found: Draft) -> list[str]:
    return [name for name in COMPARED if not _is_same(name, getattr(wanted, name), getattr(found, name))]


def _is_same(name: str, wanted: object, found: object) -> bool:
    return exact_json.are_same(wanted, found) if name == "metadata" else wanted == found
