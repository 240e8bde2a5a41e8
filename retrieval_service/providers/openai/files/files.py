"""Uploads documents as files, finds them again and deletes them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import openai
from openai import AsyncOpenAI
from openai.types import FileDeleted, FileObject

from retrieval_service.domain.sync.remote_documents import content_of
from retrieval_service.domain.sync.remote_files import RemoteDocument, UploadedFile
from retrieval_service.providers.openai.attempts import Attempts, genuine, request_id_of
from retrieval_service.providers.openai.files.attributes import file_name, read_name

# What the SDK's own uploads to vector stores say; listing asks for it too, so other purposes never mix in.
PURPOSE = "assistants"
MEDIA_TYPE = "text/markdown"
# The most that one page of a listing holds.
FILES_PER_PAGE = 10_000


class Files:
    """The files of a project, of all its tenants; `client` must not repeat requests by itself."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client

    async def upload(self, document: RemoteDocument, attempts: Attempts) -> str:
        """The new file's id; after a lost answer the file is sought by its name and not sent again."""
        name = file_name(document)
        sent = (name, content_of(document), MEDIA_TYPE)

        async def create() -> str:
            request = self._client.files.create
            return genuine(await attempts.once(lambda: request(file=sent, purpose=PURPOSE))).id

        async def look() -> str | None:
            return await self._newest(name, attempts)

        return await attempts.make(create, look)

    async def all(self, attempts: Attempts) -> AsyncGenerator[UploadedFile]:
        """Newest first; files that are not ours are left out."""
        async with aclosing(self._listed(attempts)) as files:
            async for file in files:
                if known := read_name(file.filename):
                    yield UploadedFile(file_id=file.id, document_id=known[0], revision=known[1])

    async def delete(self, file_id: str, attempts: Attempts) -> str:
        """Also takes it out of every store; what is gone already is fine. Returns the id of the request."""

        async def request() -> FileDeleted | None:
            try:
                return await self._client.files.delete(file_id)
            except openai.NotFoundError:
                return None

        return request_id_of(await attempts.ask(request))

    async def _newest(self, name: str, attempts: Attempts) -> str | None:
        async with aclosing(self._listed(attempts)) as files:
            async for file in files:
                if file.filename == name:
                    return file.id
        return None

    def _listed(self, attempts: Attempts) -> AsyncGenerator[FileObject]:
        request = self._client.files.list
        return attempts.pages(lambda: request(purpose=PURPOSE, limit=FILES_PER_PAGE, order="desc"))
