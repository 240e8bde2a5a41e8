"""Brings uploaded files into a store by batches and waits until each is processed, failed or out of time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace

import openai
from openai import AsyncOpenAI
from openai.types import StaticFileChunkingStrategyObjectParam, StaticFileChunkingStrategyParam
from openai.types.vector_stores import VectorStoreFile
from openai.types.vector_stores.file_batch_create_params import File

from retrieval_service import errors
from retrieval_service.domain.remote_files import Attributes, FileOutcome
from retrieval_service.providers.openai import outcomes
from retrieval_service.providers.openai.attempts import Attempts, genuine, request_id_of
from retrieval_service.providers.openai.store_settings import StoreSettings
from retrieval_service.providers.openai.write_pace import StorePaces

# The provider's own default overlap of 400 would store nearly everything twice.
CHUNKING = StaticFileChunkingStrategyObjectParam(
    type="static",
    static=StaticFileChunkingStrategyParam(max_chunk_size_tokens=800, chunk_overlap_tokens=80),
)
POLL_HEADER = "openai-poll-after-ms"
SHORTEST_PAUSE_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 30.0
FILES_PER_PAGE = 100


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """An uploaded file and what is to be known of it in the store."""

    file_id: str
    attributes: Attributes


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one look at a batch or a file showed, and when the next is worth while."""

    is_running: bool
    pause_seconds: float


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Files that a store took together; without `batch_id` the answer that would have told it was lost."""

    batch_id: str
    request_id: str
    file_ids: Sequence[str]


class Attaching:
    """One client's way into its stores."""

    def __init__(self, client: AsyncOpenAI, paces: StorePaces, settings: StoreSettings) -> None:
        self._client = client
        self._paces = paces
        self._settings = settings

    async def attach(self, store_id: str, attachments: Sequence[Attachment]) -> list[FileOutcome]:
        """One outcome for each file, in order; raises only `errors.ProviderLocked`."""
        size = self._settings.files_per_batch
        portions = [attachments[start : start + size] for start in range(0, len(attachments), size)]
        # All are handed over before the first is awaited: the provider works on them at the same time.
        begun = [await self._begin(store_id, portion) for portion in portions]
        ingesting = Attempts(replace(self._settings.work, seconds=self._settings.ingest_seconds))
        ended = [await self._end(store_id, batch, ingesting) for batch in begun]
        return [outcome for outcomes_of_batch in ended for outcome in outcomes_of_batch]

    async def _begin(self, store_id: str, portion: Sequence[Attachment]) -> Batch | list[FileOutcome]:
        """Outcomes where the store did not take the files."""
        try:
            return await self._created(store_id, portion, Attempts(self._settings.work))
        except errors.ProviderLocked:
            raise
        except (errors.ProviderUnavailable, errors.ProviderRefused) as failed:
            return [outcomes.prevented(attachment.file_id, failed) for attachment in portion]

    async def _created(self, store_id: str, portion: Sequence[Attachment], attempts: Attempts) -> Batch:
        file_ids = [attachment.file_id for attachment in portion]
        files = [_param(attachment) for attachment in portion]
        request = self._client.vector_stores.file_batches.create

        async def create() -> Batch:
            async with self._paces.write(store_id, deadline=attempts.deadline):
                batch = genuine(await attempts.once(lambda: request(store_id, files=files)))
            return Batch(batch_id=batch.id, request_id=request_id_of(batch), file_ids=file_ids)

        async def look() -> Batch | None:
            is_taken = await self._are_attached(store_id, file_ids, attempts)
            return Batch(batch_id="", request_id="", file_ids=file_ids) if is_taken else None

        return await attempts.make(create, look)

    async def _are_attached(self, store_id: str, file_ids: Sequence[str], attempts: Attempts) -> bool:
        for file_id in file_ids:
            if not await attempts.ask(lambda file_id=file_id: self._found(store_id, file_id)):
                return False
        return True

    async def _found(self, store_id: str, file_id: str) -> VectorStoreFile | None:
        try:
            return genuine(await self._client.vector_stores.files.retrieve(file_id, vector_store_id=store_id))
        except openai.NotFoundError:
            return None

    async def _end(
        self, store_id: str, begun: Batch | list[FileOutcome], ingesting: Attempts
    ) -> list[FileOutcome]:
        if not isinstance(begun, Batch):
            return begun
        with suppress(errors.ProviderUnavailable):
            await self._settle(store_id, begun, ingesting)
        try:
            # With time of its own: that of the files may be over.
            return await self._outcomes(store_id, begun, Attempts(self._settings.work))
        except errors.ProviderUnavailable:
            return [outcomes.unfinished(file_id) for file_id in begun.file_ids]
        except errors.ProviderLocked:
            raise
        except errors.ProviderRefused as failed:
            return [outcomes.prevented(file_id, failed) for file_id in begun.file_ids]

    async def _settle(self, store_id: str, batch: Batch, ingesting: Attempts) -> None:
        """Returns when nothing is being processed any more, or when the time is over."""
        if batch.batch_id:
            await self._wait(lambda: self._batch_look(store_id, batch.batch_id), ingesting)
            return
        for file_id in batch.file_ids:
            await self._wait(lambda file_id=file_id: self._file_look(store_id, file_id), ingesting)

    async def _wait(self, look: Callable[[], Awaitable[Look]], ingesting: Attempts) -> None:
        while (seen := await ingesting.ask(look)).is_running:
            if asyncio.get_running_loop().time() + seen.pause_seconds > ingesting.deadline:
                return
            await asyncio.sleep(seen.pause_seconds)

    async def _batch_look(self, store_id: str, batch_id: str) -> Look:
        batches = self._client.vector_stores.file_batches.with_raw_response
        answer = await batches.retrieve(batch_id, vector_store_id=store_id)
        is_running = genuine(answer.parse()).status == "in_progress"
        return Look(is_running=is_running, pause_seconds=self._pause(answer.headers))

    async def _file_look(self, store_id: str, file_id: str) -> Look:
        files = self._client.vector_stores.files.with_raw_response
        answer = await files.retrieve(file_id, vector_store_id=store_id)
        is_running = genuine(answer.parse()).status == "in_progress"
        return Look(is_running=is_running, pause_seconds=self._pause(answer.headers))

    def _pause(self, headers: Mapping[str, str]) -> float:
        """What the server asks for, within reason."""
        told = headers.get(POLL_HEADER, "")
        seconds = int(told) / 1000 if told.isdecimal() else self._settings.poll_seconds
        return min(max(seconds, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)

    async def _outcomes(self, store_id: str, batch: Batch, attempts: Attempts) -> list[FileOutcome]:
        told = self._of_batch if batch.batch_id else self._of_files
        ended = outcomes.in_order(batch.file_ids, await told(store_id, batch, attempts))
        return [replace(outcome, request_id=batch.request_id) for outcome in ended]

    async def _of_batch(self, store_id: str, batch: Batch, attempts: Attempts) -> list[FileOutcome]:
        request = self._client.vector_stores.file_batches.list_files
        listing = attempts.pages(
            lambda: request(batch.batch_id, vector_store_id=store_id, limit=FILES_PER_PAGE)
        )
        async with aclosing(listing) as files:
            return [outcomes.outcome_of(file) async for file in files]

    async def _of_files(self, store_id: str, batch: Batch, attempts: Attempts) -> list[FileOutcome]:
        found = [
            await attempts.ask(lambda file_id=file_id: self._found(store_id, file_id))
            for file_id in batch.file_ids
        ]
        return [outcomes.outcome_of(file) for file in found if file]


def _param(attachment: Attachment) -> File:
    """Each with its own chunking: what stands beside the list does not hold for files in it."""
    return File(
        file_id=attachment.file_id,
        attributes=dict(attachment.attributes),
        chunking_strategy=CHUNKING,
    )
