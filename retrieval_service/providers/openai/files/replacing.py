"""Replaces documents so that the old file serves until the new one is ready, and no file is left behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from retrieval_service import errors
from retrieval_service.domain.sync.remote_files import (
    FileOutcome,
    FileState,
    Replaced,
    Replacement,
    UploadedFile,
    Watch,
)
from retrieval_service.providers.openai.attempts import Attempts, side_by_side
from retrieval_service.providers.openai.files import outcomes
from retrieval_service.providers.openai.files.attaching import Attaching, Attachment, Onlooker
from retrieval_service.providers.openai.files.attributes import attributes_of, revision_of
from retrieval_service.providers.openai.files.files import Files
from retrieval_service.providers.openai.files.removing import Removing
from retrieval_service.providers.openai.files.store_settings import StoreSettings


@dataclass(frozen=True, kw_only=True)
class Step:
    """A replacement on its way: the new file, what became of it so far, and files of earlier attempts."""

    replacement: Replacement
    outcome: FileOutcome
    stale: frozenset[str] = frozenset()

    @property
    def is_uploaded(self) -> bool:
        return self.outcome.state is not FileState.FAILED


class Replacing:
    """Upload, attach, wait, and only then delete what was there before."""

    def __init__(
        self, files: Files, attaching: Attaching, removing: Removing, settings: StoreSettings
    ) -> None:
        self._files = files
        self._attaching = attaching
        self._removing = removing
        self._settings = settings

    async def replace(
        self, store_id: str, replacements: Sequence[Replacement], watch: Watch | None = None
    ) -> tuple[Replaced, ...]:
        remains = await self._remains(replacements)
        uploads = [lambda each=each: self._uploaded(each, remains) for each in replacements]
        steps = await side_by_side(uploads, at_once=self._settings.requests_at_once)
        early: dict[str, Replaced] = {}
        onlooker = self._onlooker(store_id, steps, early, watch) if watch else None
        processed = await self._processed(store_id, steps, onlooker)
        endings = [lambda step=step: self._ending(store_id, step, early) for step in processed]
        return tuple(await side_by_side(endings, at_once=self._settings.requests_at_once))

    async def _remains(self, replacements: Sequence[Replacement]) -> Sequence[UploadedFile]:
        """What earlier attempts may have uploaded: a listing of everything, so only when somebody needs it."""
        wanted = {each.document.document_id for each in replacements if each.is_repeated}
        if not wanted:
            return ()
        async with aclosing(self._files.all(Attempts(self._settings.work))) as files:
            return [file async for file in files if file.document_id in wanted]

    async def _uploaded(self, replacement: Replacement, remains: Sequence[UploadedFile]) -> Step:
        document = replacement.document
        own = [file for file in remains if file.document_id == document.document_id]
        same = [
            file.file_id
            for file in own
            if file.revision == revision_of(document) and file.file_id not in replacement.doomed
        ]
        try:
            file_id = same[0] if same else await self._files.upload(document, Attempts(self._settings.work))
        except errors.ProviderLocked:
            raise
        except (errors.ProviderUnavailable, errors.ProviderRefused) as failed:
            outcome = outcomes.prevented("", failed)
        else:
            outcome = outcomes.unfinished(file_id)
        stale = frozenset(file.file_id for file in own)
        return Step(replacement=replacement, outcome=outcome, stale=stale)

    def _onlooker(
        self, store_id: str, steps: Sequence[Step], early: dict[str, Replaced], watch: Watch
    ) -> Onlooker:
        """Finishes each document as soon as its file is ready."""
        by_file = {step.outcome.file_id: step for step in steps if step.is_uploaded}

        async def completed(outcome: FileOutcome) -> None:
            step = replace(by_file[outcome.file_id], outcome=outcome)
            early[outcome.file_id] = await self._finished(store_id, step)
            await watch.succeeded(early[outcome.file_id])

        return Onlooker(completed=completed, is_waiting=watch.is_waiting)

    async def _ending(self, store_id: str, step: Step, early: Mapping[str, Replaced]) -> Replaced:
        return early.get(step.outcome.file_id) or await self._finished(store_id, step)

    async def _processed(self, store_id: str, steps: Sequence[Step], onlooker: Onlooker | None) -> list[Step]:
        uploaded = [step for step in steps if step.is_uploaded]
        attachments = [
            Attachment(
                file_id=step.outcome.file_id,
                attributes=attributes_of(step.replacement.document),
                is_found=step.outcome.file_id in step.stale,
            )
            for step in uploaded
        ]
        ended = iter(await self._attaching.attach(store_id, attachments, onlooker))
        return [replace(step, outcome=next(ended)) if step.is_uploaded else step for step in steps]

    async def _finished(self, store_id: str, step: Step) -> Replaced:
        """Whatever does not stand for the document now has to go."""
        new, old = step.outcome.file_id, step.replacement.old_file_id
        standing = new if step.outcome.state is FileState.COMPLETED else old
        doomed = sorted(({new, old} | step.stale) - {standing, ""})
        return Replaced(
            document_id=step.replacement.document.document_id,
            file_id=standing,
            outcome=step.outcome,
            leftovers=tuple([file_id for file_id in doomed if not await self._is_removed(store_id, file_id)]),
        )

    async def _is_removed(self, store_id: str, file_id: str) -> bool:
        try:
            await self._removing.remove(store_id, file_id)
        except (errors.ProviderUnavailable, errors.ProviderRefused):
            # The replacement itself has ended; its outcome must not be lost for this.
            return False
        return True
