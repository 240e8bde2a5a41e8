"""/v1/vector_stores/{id}/files and /file_batches: which files a store holds, and how far they have come."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web

from tests.fakes.openai import wire
from tests.fakes.openai.storage import Entry, KeptBatch, Storage
from tests.fakes.openai.vector_stores import counts, storage_of
from tests.fakes.openai.vector_stores import found as found_store

AUTOMATIC = {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}
MOST_IN_A_BATCH = 2000


async def create_store_file(request: web.Request) -> web.Response:
    store, file = found_store(request), await request.json()
    if refusal := refused(request, [file]):
        return refusal
    return web.json_response(view(attached(storage_of(request), store.store_id, file)))


async def list_store_files(request: web.Request) -> web.Response:
    return listed(request, storage_of(request).entries_of(found_store(request).store_id))


async def retrieve_store_file(request: web.Request) -> web.Response:
    return web.json_response(view(found(request)), headers=poll_hint(request))


async def update_store_file(request: web.Request) -> web.Response:
    entry, body = found(request), await request.json()
    if refusal := wrong_attributes(body.get("attributes")) or too_fast(request):
        return refusal
    entry.attributes = body["attributes"] or {}
    return web.json_response(view(entry))


async def delete_store_file(request: web.Request) -> web.Response:
    entry = found(request)
    if refusal := too_fast(request):
        return refusal
    storage_of(request).detach(entry.store_id, entry.file_id)
    return web.json_response({"id": entry.file_id, "object": "vector_store.file.deleted", "deleted": True})


async def read_store_file(request: web.Request) -> web.Response:
    pieces = [{"type": "text", "text": piece} for piece in found(request).chunks]
    return web.json_response(
        {
            "object": "vector_store.file_content.page",
            "data": pieces,
            "has_more": False,
            "next_page": None,
        }
    )


async def create_batch(request: web.Request) -> web.Response:
    storage, store, body = storage_of(request), found_store(request), await request.json()
    if ("file_ids" in body) == ("files" in body):
        return wire.error(400, "Exactly one of 'file_ids' or 'files' must be given.")
    files = body.get("files") or [{**body, "file_id": file_id} for file_id in body["file_ids"]]
    if refusal := refused(request, files):
        return refusal
    batch = KeptBatch(
        batch_id=wire.new_id("vsfb_"),
        store_id=store.store_id,
        file_ids=[attached(storage, store.store_id, file).file_id for file in files],
        created_at=storage.now(),
    )
    storage.batches[batch.batch_id] = batch
    return web.json_response(batch_view(storage, batch))


async def retrieve_batch(request: web.Request) -> web.Response:
    view_of_batch = batch_view(storage_of(request), found_batch(request))
    return web.json_response(view_of_batch, headers=poll_hint(request))


async def cancel_batch(request: web.Request) -> web.Response:
    storage, batch = storage_of(request), found_batch(request)
    for entry in entries_of(storage, batch):
        entry.is_cancelled = entry.status == "in_progress"
    return web.json_response(batch_view(storage, batch))


async def list_batch_files(request: web.Request) -> web.Response:
    return listed(request, entries_of(storage_of(request), found_batch(request)))


def attached(storage: Storage, store_id: str, file: Mapping[str, Any]) -> Entry:
    strategy = file.get("chunking_strategy") or {"type": "auto"}
    chunking = strategy["static"] if strategy["type"] == "static" else AUTOMATIC
    return storage.attach(store_id, file["file_id"], file.get("attributes") or {}, chunking)


def refused(request: web.Request, files: list[Mapping[str, Any]]) -> web.Response | None:
    if not 1 <= len(files) <= MOST_IN_A_BATCH:
        return wire.error(400, "'files' must be from 1 to 2000.", param="files")
    for file in files:
        wire.existing(storage_of(request).files, file["file_id"])
        refusal = wrong_attributes(file.get("attributes")) or wrong_chunking(file.get("chunking_strategy"))
        if refusal:
            return refusal
    return too_fast(request)


def wrong_attributes(attributes: Mapping[str, Any] | None) -> web.Response | None:
    attributes = attributes or {}
    is_right = len(attributes) <= 16 and all(
        len(key) <= 64 and isinstance(value, str | int | float) and len(str(value)) <= 512
        for key, value in attributes.items()
    )
    return None if is_right else wire.error(400, "Invalid 'attributes'.", param="attributes")


def wrong_chunking(strategy: Mapping[str, Any] | None) -> web.Response | None:
    static = (strategy or {}).get("static", AUTOMATIC)
    size, overlap = static["max_chunk_size_tokens"], static["chunk_overlap_tokens"]
    if 100 <= size <= 4096 and 0 <= overlap <= size / 2:
        return None
    return wire.error(400, "Invalid 'chunking_strategy'.", param="chunking_strategy")


def too_fast(request: web.Request) -> web.Response | None:
    """Says in whole seconds when the next write is welcome, as the header must."""
    seconds = storage_of(request).seconds_until_write(request.match_info["store_id"])
    if seconds is None:
        return None
    return wire.error(
        429,
        "Rate limit reached for writes to this vector store.",
        kind="rate_limit_error",
        code="rate_limit_exceeded",
        headers={"retry-after": str(max(1, math.ceil(seconds)))},
    )


def found(request: web.Request) -> Entry:
    key = (found_store(request).store_id, request.match_info["file_id"])
    return wire.existing(storage_of(request).entries, key)


def found_batch(request: web.Request) -> KeptBatch:
    return wire.existing(storage_of(request).batches, request.match_info["batch_id"])


def entries_of(storage: Storage, batch: KeptBatch) -> list[Entry]:
    keys = [(batch.store_id, file_id) for file_id in batch.file_ids]
    return [storage.entries[key] for key in keys if key in storage.entries]


def listed(request: web.Request, entries: Iterable[Entry]) -> web.Response:
    wanted = request.query.get("filter")
    return wire.page(request, [view(entry) for entry in entries if wanted in (None, entry.status)])


def poll_hint(request: web.Request) -> dict[str, str]:
    hint = storage_of(request).poll_after_ms
    return {} if hint is None else {"openai-poll-after-ms": str(hint)}


def view(entry: Entry) -> dict[str, Any]:
    code = entry.fate.error_code
    return {
        "id": entry.file_id,
        "object": "vector_store.file",
        "created_at": entry.created_at,
        "vector_store_id": entry.store_id,
        "status": entry.status,
        "last_error": {"code": code, "message": f"injected: {entry.chunks[0]}"}
        if entry.status == "failed"
        else None,
        "usage_bytes": sum(map(len, entry.chunks)) if entry.status == "completed" else 0,
        "attributes": dict(entry.attributes),
        "chunking_strategy": {"type": "static", "static": dict(entry.chunking)},
    }


def batch_view(storage: Storage, batch: KeptBatch) -> dict[str, Any]:
    file_counts = counts(entries_of(storage, batch))
    return {
        "id": batch.batch_id,
        "object": "vector_store.file_batch",
        "created_at": batch.created_at,
        "vector_store_id": batch.store_id,
        "status": batch_status(file_counts),
        "file_counts": file_counts,
    }


def batch_status(file_counts: Mapping[str, int]) -> str:
    """Completed even when some files failed, as at OpenAI."""
    if file_counts["in_progress"]:
        return "in_progress"
    ended = [status for status in ("failed", "cancelled") if file_counts[status] == file_counts["total"] > 0]
    return ended[0] if ended else "completed"


STORE = "/v1/vector_stores/{store_id}"
ROUTES = [
    web.post(f"{STORE}/files", create_store_file),
    web.get(f"{STORE}/files", list_store_files),
    web.get(f"{STORE}/files/{{file_id}}", retrieve_store_file),
    web.post(f"{STORE}/files/{{file_id}}", update_store_file),
    web.delete(f"{STORE}/files/{{file_id}}", delete_store_file),
    web.get(f"{STORE}/files/{{file_id}}/content", read_store_file),
    web.post(f"{STORE}/file_batches", create_batch),
    web.get(f"{STORE}/file_batches/{{batch_id}}", retrieve_batch),
    web.post(f"{STORE}/file_batches/{{batch_id}}/cancel", cancel_batch),
    web.get(f"{STORE}/file_batches/{{batch_id}}/files", list_batch_files),
]
