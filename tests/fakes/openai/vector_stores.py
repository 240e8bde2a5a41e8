"""/v1/vector_stores: create, list, retrieve, update, delete, search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from tests.fakes.openai import wire
from tests.fakes.openai.fake import FAKE
from tests.fakes.openai.storage import Entry, KeptStore, Storage

STATUSES = ("in_progress", "completed", "failed", "cancelled")
MOST_HITS = 50


async def create_store(request: web.Request) -> web.Response:
    storage, body = storage_of(request), await request.json()
    store = KeptStore(
        store_id=wire.new_id("vs_"),
        name=body.get("name") or "",
        metadata=body.get("metadata") or {},
        created_at=storage.now(),
        expires_after=body.get("expires_after"),
    )
    storage.stores[store.store_id] = store
    return web.json_response(view(storage, store))


async def list_stores(request: web.Request) -> web.Response:
    storage = storage_of(request)
    return wire.page(request, [view(storage, store) for store in storage.stores.values()])


async def retrieve_store(request: web.Request) -> web.Response:
    return web.json_response(view(storage_of(request), found(request)))


async def update_store(request: web.Request) -> web.Response:
    store, body = found(request), await request.json()
    store.name = body.get("name", store.name)
    store.metadata = body.get("metadata", store.metadata)
    return web.json_response(view(storage_of(request), store))


async def delete_store(request: web.Request) -> web.Response:
    store = found(request)
    storage_of(request).delete_store(store.store_id)
    return web.json_response({"id": store.store_id, "object": "vector_store.deleted", "deleted": True})


async def search_store(request: web.Request) -> web.Response:
    store, body = found(request), await request.json()
    limit = body.get("max_num_results", 10)
    if not 1 <= limit <= MOST_HITS:
        return wire.error(400, "'max_num_results' must be from 1 to 50.", param="max_num_results")
    queries = [body["query"]] if isinstance(body["query"], str) else body["query"]
    threshold = (body.get("ranking_options") or {}).get("score_threshold", 0.0)
    hits = [
        {
            "file_id": entry.file_id,
            "filename": entry.file_name,
            "score": score,
            "attributes": entry.attributes,
            "content": [{"type": "text", "text": piece}],
        }
        for score, entry, piece in storage_of(request).search(
            [store.store_id], " ".join(queries), body.get("filters"), limit=limit
        )
        if score >= threshold
    ]
    return web.json_response(
        {
            "object": "vector_store.search_results.page",
            "search_query": queries,
            "data": hits,
            "has_more": False,
            "next_page": None,
        }
    )


def storage_of(request: web.Request) -> Storage:
    return request.app[FAKE].storage


def found(request: web.Request) -> KeptStore:
    return wire.existing(storage_of(request).stores, request.match_info["store_id"])


def counts(entries: Iterable[Entry]) -> dict[str, int]:
    by_status = Counter(entry.status for entry in entries)
    return {status: by_status[status] for status in STATUSES} | {"total": by_status.total()}


def view(storage: Storage, store: KeptStore) -> dict[str, Any]:
    file_counts = counts(storage.entries_of(store.store_id))
    is_busy = file_counts["in_progress"] > 0
    return {
        "id": store.store_id,
        "object": "vector_store",
        "created_at": store.created_at,
        "name": store.name,
        "description": None,
        "usage_bytes": sum(
            len(piece) for entry in storage.entries_of(store.store_id) for piece in entry.chunks
        ),
        "file_counts": file_counts,
        "status": "expired" if store.is_expired else "in_progress" if is_busy else "completed",
        "expires_after": store.expires_after,
        "expires_at": None,
        "last_active_at": store.created_at,
        "metadata": dict(store.metadata),
    }


ROUTES = [
    web.post("/v1/vector_stores", create_store),
    web.get("/v1/vector_stores", list_stores),
    web.get("/v1/vector_stores/{store_id}", retrieve_store),
    web.post("/v1/vector_stores/{store_id}", update_store),
    web.delete("/v1/vector_stores/{store_id}", delete_store),
    web.post("/v1/vector_stores/{store_id}/search", search_store),
]
