"""A provider of vector stores at the fake server, in a hurry, and documents to give it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from uuid import UUID

from retrieval_service import errors
from retrieval_service.domain.sync.remote_files import RemoteDocument, Replaced, Replacement
from retrieval_service.providers.openai.attempts import Persistence
from retrieval_service.providers.openai.client import OpenAISettings
from retrieval_service.providers.openai.files.store_settings import StoreSettings
from retrieval_service.providers.openai.files.vector_stores import VectorStores, open_vector_stores
from tests.fakes.openai import FakeOpenAI

SECRET = "sk-live-Abc123"
TENANT = UUID(int=1)
STORE_NAME = "kladez-1"
METADATA = {"tenant_id": str(TENANT)}
PATIENT = StoreSettings(
    work=Persistence(attempts=4, seconds=20.0, first_pause_seconds=0.02),
    search=Persistence(attempts=2, seconds=10.0),
    ingest_seconds=20.0,
)
# Ends on its own well before a test would.
HASTY = StoreSettings(
    work=Persistence(attempts=2, seconds=0.6, first_pause_seconds=0.02),
    search=Persistence(attempts=1, seconds=0.3),
    ingest_seconds=0.3,
)


@asynccontextmanager
async def stores_at(
    fake: FakeOpenAI, settings: StoreSettings = PATIENT, *, timeout_seconds: float = 5.0
) -> AsyncIterator[VectorStores]:
    access = OpenAISettings(api_key=SECRET, base_url=fake.base_url, timeout_seconds=timeout_seconds)
    stores = await open_vector_stores(access, settings)
    try:
        yield stores
    finally:
        await stores.close()


def document(number: int, text: str = "") -> RemoteDocument:
    return RemoteDocument(
        tenant_id=TENANT,
        document_id=UUID(int=1000 + number),
        source_type="product",
        title=f"Lamp {number}",
        section="lamps",
        tags=("red",),
        language="en",
        text=text or f"The lamp number{number} is red.",
        metadata={"price": number},
    )


def changed(one: RemoteDocument) -> RemoteDocument:
    return replace(one, text=f"{one.text} It has a new shade.")


@dataclass(frozen=True, kw_only=True)
class Remote:
    """What the fake holds, by document id: revision of the file, and of the store's entry."""

    files: list[tuple[str, str]]
    entries: list[tuple[str, str]]


def remote(fake: FakeOpenAI) -> Remote:
    names = [file.name.removesuffix(".md").split("@") for file in fake.storage.files.values()]
    attributes = [entry.attributes for entry in fake.storage.entries.values()]
    return Remote(
        files=sorted((document_id, revision) for document_id, revision in names),
        entries=sorted((one["document_id"], one["revision"]) for one in attributes),
    )


class Syncing:
    """What a worker does: remembers the file of each document, repeats what failed, removes leftovers."""

    def __init__(self, stores: VectorStores, store_id: str) -> None:
        self._stores = stores
        self._store_id = store_id
        self.files: dict[UUID, str] = {}

    async def put(self, documents: Iterable[RemoteDocument]) -> int:
        """The number of rounds it took."""
        waiting, rounds = {one.document_id: one for one in documents}, 0
        while waiting:
            wanted = [
                Replacement(document=one, old_file_id=self.files.get(key, ""), is_repeated=rounds > 0)
                for key, one in waiting.items()
            ]
            with suppress(errors.ProviderUnavailable):
                for one in await self._stores.replace(self._store_id, wanted):
                    await self._note(one)
                    if not one.outcome.code:
                        del waiting[one.document_id]
            rounds += 1
            assert rounds < 9
        return rounds

    async def delete(self, document_id: UUID) -> None:
        await self._stores.remove(self._store_id, self.files.pop(document_id))

    async def _note(self, one: Replaced) -> None:
        assert one.outcome.is_retryable or not one.outcome.code
        if one.file_id:
            self.files[one.document_id] = one.file_id
        for file_id in one.leftovers:
            await self._stores.remove(self._store_id, file_id)
