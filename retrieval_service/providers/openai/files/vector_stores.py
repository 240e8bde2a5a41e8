"""OpenAI's vector stores: one for each tenant, one file for each document, and the search in them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace as with_changes

import openai
from openai import AsyncOpenAI, omit
from openai.types import VectorStore, VectorStoreDeleted, VectorStoreSearchResponse
from openai.types.vector_store_search_params import RankingOptions
from openai.types.vector_stores import VectorStoreFile

from retrieval_service import errors
from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.domain.sync.remote_files import (
    FileForm,
    FileOutcome,
    FoundFiles,
    Hit,
    RemoteDocument,
    Replaced,
    Replacement,
    StoreFile,
    UploadedFile,
    Watch,
)
from retrieval_service.providers.openai.attempts import Attempts, genuine, request_id_of
from retrieval_service.providers.openai.client import OpenAISettings, open_client
from retrieval_service.providers.openai.files import filters, found, outcomes
from retrieval_service.providers.openai.files.attaching import Attaching, Attachment
from retrieval_service.providers.openai.files.attributes import attributes_of, parsed_id, revision_of
from retrieval_service.providers.openai.files.files import Files
from retrieval_service.providers.openai.files.removing import Removing
from retrieval_service.providers.openai.files.replacing import Replacing
from retrieval_service.providers.openai.files.store_settings import StoreSettings
from retrieval_service.providers.openai.files.write_pace import StorePaces

MOST_HITS = 50
PER_PAGE = 100


async def open_vector_stores(access: OpenAISettings, settings: StoreSettings) -> VectorStores:
    """The client never repeats a request by itself: it would without looking for the first one's effect."""
    # The SDK loads its transport and the trusted certificates from disk here.
    client = await asyncio.to_thread(open_client, with_changes(access, max_retries=0))
    return VectorStores(client, settings)


class VectorStores:
    """A `RetrievalBackend`; owns the client, which must not repeat requests by itself, and closes it."""

    def __init__(self, client: AsyncOpenAI, settings: StoreSettings) -> None:
        self._client = client
        self._settings = settings
        self._paces = StorePaces(settings.pace)
        self._files = Files(client)
        self._attaching = Attaching(client, self._paces, settings)
        self._removing = Removing(client, self._files, self._paces, settings)
        self._replacing = Replacing(self._files, self._attaching, self._removing, settings)
        self._one_store_at_a_time = asyncio.Lock()

    async def close(self) -> None:
        await self._client.close()

    async def ensure_store(self, name: str, metadata: Mapping[str, str]) -> str:
        """The id of the store with this name and metadata, the oldest if there are several.

        Two processes must not ask for the same store at once; two tasks of one may.
        """
        attempts = Attempts(self._settings.work)
        async with self._one_store_at_a_time:
            return await self._found_store(name, metadata, attempts) or await attempts.make(
                lambda: self._created_store(name, metadata, attempts),
                lambda: self._found_store(name, metadata, attempts),
            )

    async def delete_store(self, store_id: str) -> None:
        """Leaves the files themselves at the provider: remove them first. A store that is gone is fine."""
        attempts = Attempts(self._settings.work)

        async def request() -> VectorStoreDeleted | None:
            try:
                return await self._client.vector_stores.delete(store_id)
            except openai.NotFoundError:
                return None

        await attempts.ask(request)
        self._paces.forget(store_id)

    async def store_metadata(self, store_id: str) -> Mapping[str, str] | None:
        """None for a store that has expired or was deleted."""
        request = self._client.vector_stores.retrieve
        try:
            store = genuine(await Attempts(self._settings.work).ask(lambda: request(store_id)))
        except errors.ProviderMissing:
            return None
        return None if store.status == "expired" else dict(store.metadata or {})

    async def has_store(self, store_id: str) -> bool:
        """False for a store that has expired or was deleted."""
        return await self.store_metadata(store_id) is not None

    async def upload(self, document: RemoteDocument) -> str:
        """The id of the file, which is in no store yet."""
        return await self._files.upload(document, Attempts(self._settings.work))

    async def attach(self, store_id: str, documents: Mapping[str, RemoteDocument]) -> list[FileOutcome]:
        """Documents by the ids of their files; one outcome for each, in order."""
        attachments = [
            Attachment(file_id=file_id, attributes=attributes_of(document))
            for file_id, document in documents.items()
        ]
        return await self._attaching.attach(store_id, attachments)

    async def replace(
        self, store_id: str, replacements: Sequence[Replacement], watch: Watch | None = None
    ) -> tuple[Replaced, ...]:
        return await self._replacing.replace(store_id, replacements, watch)

    async def remove(self, store_id: str, file_id: str) -> str:
        return await self._removing.remove(store_id, file_id)

    async def update_attributes(self, store_id: str, file_id: str, document: RemoteDocument) -> str:
        """For a document that changed in all but its text: nothing is processed anew."""
        attempts = Attempts(self._settings.work)
        update = self._client.vector_stores.files.update
        attributes = attributes_of(document)

        async def act() -> str:
            async with self._paces.write(store_id, deadline=attempts.deadline):
                updated = await attempts.once(
                    lambda: update(file_id, vector_store_id=store_id, attributes=dict(attributes))
                )
                return request_id_of(updated)

        return await attempts.persist(act)

    async def detach(self, store_id: str, file_id: str) -> None:
        """From the store only; a file that is gone is fine."""
        await self._removing.detach(store_id, file_id)

    def form_of(self, document: RemoteDocument) -> FileForm:
        return FileForm(revision=revision_of(document), attributes=attributes_of(document))

    async def list_files(self, store_id: str) -> tuple[StoreFile, ...]:
        """Everything in the store, also what is not ours."""
        attempts = Attempts(self._settings.work)
        request = self._client.vector_stores.files.list
        async with aclosing(attempts.pages(lambda: request(store_id, limit=PER_PAGE))) as files:
            return tuple([_store_file(file) async for file in files])

    async def list_uploads(self) -> tuple[UploadedFile, ...]:
        """Our files of all tenants of the project, in a store or not, newest first."""
        async with aclosing(self._files.all(Attempts(self._settings.work))) as files:
            return tuple([file async for file in files])

    async def search(
        self, store_id: str, query: str, conditions: Conditions, *, limit: int, threshold: float = 0.0
    ) -> FoundFiles:
        """At most 50 hits with a score of at least `threshold`; several may be of one document."""
        translated = filters.translation(conditions)
        request = self._client.vector_stores.search
        page = await Attempts(self._settings.search).ask(
            lambda: request(
                store_id,
                query=query,
                filters=translated.spoken or omit,
                max_num_results=min(limit, MOST_HITS),
                ranking_options=RankingOptions(score_threshold=threshold),
                rewrite_query=False,
            )
        )
        hits = [_hit(piece) for piece in genuine(page).data or ()]
        return FoundFiles(hits=tuple(hit for hit in hits if hit), unspoken=translated.unspoken)

    async def _found_store(self, name: str, metadata: Mapping[str, str], attempts: Attempts) -> str | None:
        request = self._client.vector_stores.list
        async with aclosing(attempts.pages(lambda: request(limit=PER_PAGE))) as stores:
            meant = [store async for store in stores if _is_meant(store, name, metadata)]
        return min(meant, key=lambda store: (store.created_at, store.id)).id if meant else None

    async def _created_store(self, name: str, metadata: Mapping[str, str], attempts: Attempts) -> str:
        request = self._client.vector_stores.create
        return genuine(await attempts.once(lambda: request(name=name, metadata=dict(metadata)))).id


def _is_meant(store: VectorStore, name: str, metadata: Mapping[str, str]) -> bool:
    return (
        store.name == name
        and store.status != "expired"
        and metadata.items() <= (store.metadata or {}).items()
    )


def _store_file(file: VectorStoreFile) -> StoreFile:
    attributes = file.attributes or {}
    return StoreFile(
        file_id=file.id,
        document_id=parsed_id(attributes.get("document_id")),
        revision=str(attributes.get("revision", "")),
        state=outcomes.state_of(file),
        attributes=attributes,
    )


def _hit(piece: VectorStoreSearchResponse) -> Hit | None:
    return found.hit(
        file_id=piece.file_id,
        file_name=piece.filename,
        score=piece.score,
        text="\n".join(part.text for part in piece.content),
        attributes=piece.attributes or {},
    )
