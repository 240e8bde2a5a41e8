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
from retrieval_service.domain.sync.remote_files import Attributes, FileOutcome, FileState
from retrieval_service.providers.openai.attempts import Attempts, genuine, request_id_of, side_by_side
from retrieval_service.providers.openai.files import outcomes
from retrieval_service.providers.openai.files.store_settings import StoreSettings
from retrieval_service.providers.openai.files.write_pace import StorePaces

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
    """An uploaded file and what is to be known of it in the store, where a file that `is_found` may be already."""

    file_id: str
    attributes: Attributes
    is_found: bool = False


@dataclass(frozen=True, kw_only=True)
class Onlooker:
    """Is told of each file that is ready while others are not, and of every look that finds only slow ones."""

    completed: Callable[[FileOutcome], Awaitable[None]]
    is_waiting: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one look at a batch or a file showed, and when the next is worth while."""

    is_running: bool
    pause_seconds: float
    completed_count: int = 0


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

    async def attach(
        self, store_id: str, attachments: Sequence[Attachment], onlooker: Onlooker | None = None
    ) -> list[FileOutcome]:
        """One outcome for each file, in order; raises only `errors.ProviderLocked`, and what the onlooker does."""
        taken = await self._taken(store_id, attachments)
        left = [attachment for attachment in attachments if attachment.file_id not in taken]
        size = self._settings.files_per_batch
        portions = [left[start : start + size] for start in range(0, len(left), size)]
        # All are handed over before the first is awaited: the provider works on them at the same time.
        begun = [await self._begin(store_id, portion) for portion in portions]
        if taken:
            begun.append(Batch(batch_id="", request_id="", file_ids=sorted(taken)))
        ingesting = Attempts(replace(self._settings.work, seconds=self._settings.ingest_seconds))
        endings = [lambda batch=batch: self._end(store_id, batch, ingesting, onlooker) for batch in begun]
        ended = await side_by_side(endings, at_once=max(1, len(endings)))
        by_file = {outcome.file_id: outcome for of_batch in ended for outcome in of_batch}
        return [by_file[attachment.file_id] for attachment in attachments]

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

    async def _taken(self, store_id: str, attachments: Sequence[Attachment]) -> set[str]:
        """What an earlier attempt attached as it should be: anew it would be processed from the beginning."""
        found = [attachment for attachment in attachments if attachment.is_found]
        looks = [lambda one=one: self._is_taken(store_id, one) for one in found]
        seen = await side_by_side(looks, at_once=self._settings.requests_at_once)
        return {one.file_id for one, is_taken in zip(found, seen, strict=True) if is_taken}

    async def _is_taken(self, store_id: str, attachment: Attachment) -> bool:
        try:
            file = await Attempts(self._settings.work).ask(lambda: self._found(store_id, attachment.file_id))
        except errors.ProviderLocked:
            raise
        except (errors.ProviderUnavailable, errors.ProviderRefused):
            return False
        if file is None or outcomes.state_of(file) is FileState.FAILED:
            return False
        return (file.attributes or {}) == dict(attachment.attributes)

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
        self,
        store_id: str,
        begun: Batch | list[FileOutcome],
        ingesting: Attempts,
        onlooker: Onlooker | None,
    ) -> list[FileOutcome]:
        if not isinstance(begun, Batch):
            return begun
        with suppress(errors.ProviderUnavailable):
            await self._settle(store_id, begun, ingesting, onlooker)
        try:
            # With time of its own: that of the files may be over.
            return await self._outcomes(store_id, begun, Attempts(self._settings.work))
        except errors.ProviderUnavailable:
            return [outcomes.unfinished(file_id) for file_id in begun.file_ids]
        except errors.ProviderLocked:
            raise
        except errors.ProviderRefused as failed:
            return [outcomes.prevented(file_id, failed) for file_id in begun.file_ids]

    async def _settle(
        self, store_id: str, batch: Batch, ingesting: Attempts, onlooker: Onlooker | None
    ) -> None:
        """Returns when nothing is being processed any more, or when the time is over."""
        running, told = set(batch.file_ids), set[str]()
        patient_until = asyncio.get_running_loop().time() + self._settings.patience_seconds

        async def look() -> Look:
            if batch.batch_id:
                return await self._batch_look(store_id, batch.batch_id)
            return await self._files_look(store_id, running, len(batch.file_ids))

        while (seen := await ingesting.ask(look)).is_running:
            if onlooker and seen.completed_count > len(told):
                await self._tell(store_id, batch, told, onlooker)
            now = asyncio.get_running_loop().time()
            if onlooker and now > patient_until:
                onlooker.is_waiting()
            if now + seen.pause_seconds > ingesting.deadline:
                return
            await asyncio.sleep(seen.pause_seconds)

    async def _tell(self, store_id: str, batch: Batch, told: set[str], onlooker: Onlooker) -> None:
        """What cannot be listed now is told after a later look."""
        try:
            listed = await self._outcomes(store_id, batch, Attempts(self._settings.work))
        except errors.ProviderUnavailable:
            return
        ready = [
            outcome
            for outcome in listed
            if outcome.state is FileState.COMPLETED and outcome.file_id not in told
        ]
        told.update(outcome.file_id for outcome in ready)
        tasks = [lambda outcome=outcome: _completed(onlooker, outcome) for outcome in ready]
        await side_by_side(tasks, at_once=self._settings.requests_at_once)

    async def _batch_look(self, store_id: str, batch_id: str) -> Look:
        batches = self._client.vector_stores.file_batches.with_raw_response
        answer = await batches.retrieve(batch_id, vector_store_id=store_id)
        batch = genuine(answer.parse())
        return Look(
            is_running=batch.status == "in_progress",
            pause_seconds=self._pause(answer.headers),
            completed_count=batch.file_counts.completed,
        )

    async def _files_look(self, store_id: str, running: set[str], count: int) -> Look:
        """Of the files that ran when last seen; those that have ended leave the set."""
        files, pause = self._client.vector_stores.files.with_raw_response, SHORTEST_PAUSE_SECONDS
        for file_id in sorted(running):
            answer = await files.retrieve(file_id, vector_store_id=store_id)
            pause = self._pause(answer.headers)
            if genuine(answer.parse()).status != "in_progress":
                running.discard(file_id)
        return Look(is_running=bool(running), pause_seconds=pause, completed_count=count - len(running))

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


async def _completed(onlooker: Onlooker, outcome: FileOutcome) -> None:
    await onlooker.completed(outcome)


def _param(attachment: Attachment) -> File:
    """Each with its own chunking: what stands beside the list does not hold for files in it."""
    return File(
        file_id=attachment.file_id,
        attributes=dict(attachment.attributes),
        chunking_strategy=CHUNKING,
    )
