"""/v1/files: upload by multipart, list, retrieve, read, delete."""

from __future__ import annotations

from typing import Any

from aiohttp import BodyPartReader, web

from tests.fakes.openai import wire
from tests.fakes.openai.fake import FAKE
from tests.fakes.openai.storage import KeptFile, Storage

PURPOSES = frozenset({"assistants", "batch", "fine-tune", "vision", "user_data", "evals"})
MOST_PER_PAGE = 10_000


async def create_file(request: web.Request) -> web.Response:
    storage = request.app[FAKE].storage
    parts = await multipart(request)
    name, content = parts.get("file", ("", b""))
    purpose = parts.get("purpose", ("", b""))[1].decode()
    if not content:
        return wire.error(400, "'file' is a required property.", param="file")
    if purpose not in PURPOSES:
        return wire.error(400, "The purpose is not supported.", param="purpose")
    file = KeptFile(
        file_id=wire.new_id("file-"), name=name, purpose=purpose, content=content, created_at=storage.now()
    )
    storage.files[file.file_id] = file
    return web.json_response(view(file))


async def multipart(request: web.Request) -> dict[str, tuple[str, bytes]]:
    """File name and content by the part's name."""
    parts: dict[str, tuple[str, bytes]] = {}
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader) and part.name:
            parts[part.name] = (part.filename or "", bytes(await part.read()))
    return parts


async def list_files(request: web.Request) -> web.Response:
    purpose = request.query.get("purpose")
    files = [view(file) for file in storage_of(request).files.values() if purpose in (None, file.purpose)]
    return wire.page(request, files, most=MOST_PER_PAGE)


async def retrieve_file(request: web.Request) -> web.Response:
    return web.json_response(view(found(request)))


async def read_file(request: web.Request) -> web.Response:
    return web.Response(body=found(request).content, content_type="application/octet-stream")


async def delete_file(request: web.Request) -> web.Response:
    file = found(request)
    storage_of(request).delete_file(file.file_id)
    return web.json_response({"id": file.file_id, "object": "file", "deleted": True})


def storage_of(request: web.Request) -> Storage:
    return request.app[FAKE].storage


def found(request: web.Request) -> KeptFile:
    return wire.existing(storage_of(request).files, request.match_info["file_id"])


def view(file: KeptFile) -> dict[str, Any]:
    return {
        "id": file.file_id,
        "object": "file",
        "bytes": len(file.content),
        "created_at": file.created_at,
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
        "expires_at": None,
        "status_details": None,
    }


ROUTES = [
    web.post("/v1/files", create_file),
    web.get("/v1/files", list_files),
    web.get("/v1/files/{file_id}", retrieve_file),
    web.get("/v1/files/{file_id}/content", read_file),
    web.delete("/v1/files/{file_id}", delete_file),
]
