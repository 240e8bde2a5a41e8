"""Takes files out of a store and deletes them; what is gone already is fine."""

from __future__ import annotations

import openai
from openai import AsyncOpenAI
from openai.types.vector_stores import VectorStoreFileDeleted

from retrieval_service.providers.openai.attempts import Attempts
from retrieval_service.providers.openai.files.files import Files
from retrieval_service.providers.openai.files.store_settings import StoreSettings
from retrieval_service.providers.openai.files.write_pace import StorePaces


class Removing:
    """One client's way out of its stores."""

    def __init__(self, client: AsyncOpenAI, files: Files, paces: StorePaces, settings: StoreSettings) -> None:
        self._client = client
        self._files = files
        self._paces = paces
        self._settings = settings

    async def remove(self, store_id: str, file_id: str) -> str:
        """The store first: its search forgets the file sooner than by the file's own deletion."""
        attempts = Attempts(self._settings.work)
        await attempts.persist(lambda: self._detach(store_id, file_id, attempts))
        return await self._files.delete(file_id, attempts)

    async def detach(self, store_id: str, file_id: str) -> None:
        """Leaves the file itself at the provider."""
        attempts = Attempts(self._settings.work)
        await attempts.persist(lambda: self._detach(store_id, file_id, attempts))

    async def _detach(self, store_id: str, file_id: str, attempts: Attempts) -> None:
        async with self._paces.write(store_id, deadline=attempts.deadline):
            await attempts.once(lambda: self._detached(store_id, file_id))

    async def _detached(self, store_id: str, file_id: str) -> VectorStoreFileDeleted | None:
        try:
            return await self._client.vector_stores.files.delete(file_id, vector_store_id=store_id)
        except openai.NotFoundError:
            return None
