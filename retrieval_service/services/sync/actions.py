"""Does at the retrieval provider what a plan says, and tells how it ended; whatever fails there is told, not raised."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from uuid import UUID

from retrieval_service import errors
from retrieval_service.domain.sync.remote_files import FileOutcome, FileState, Replaced, Replacement, Watch
from retrieval_service.providers.ports import RetrievalBackend
from retrieval_service.services.sync.plans import Plan, Step
from retrieval_service.services.sync.results import Ended, Failure
from retrieval_service.stores.sync.sync_log import Entry

WORKER = "worker"
DONE, FAILED = "done", "failed"
PROVIDER_FAILURES = (errors.ProviderUnavailable, errors.ProviderRefused)


class SyncActs:
    """Acts in one tenant's store at a time."""

    def __init__(self, backend: RetrievalBackend) -> None:
        self._backend = backend

    async def strays(self, plans: Iterable[Plan]) -> defaultdict[UUID, set[str]]:
        """Files that a dead worker may have left, by document: a listing of everything, so only when needed.

        Raises what the provider's floor does.
        """
        wanted = {one.job.document_id for one in plans if one.is_unsettled}
        strays: defaultdict[UUID, set[str]] = defaultdict(set)
        for file in await self._backend.list_uploads() if wanted else ():
            if file.document_id in wanted:
                strays[file.document_id].add(file.file_id)
        return strays

    async def remove(self, store_id: str, plan: Plan, strays: Iterable[str]) -> Ended:
        began, request_id = time.monotonic(), ""
        # A file in another store than this one leaves that store together with the provider.
        held = {plan.held.file_id} if plan.held else set[str]()
        doomed = sorted(held.union(strays))
        try:
            for file_id in doomed:
                request_id = await self._backend.remove(store_id, file_id)
        except PROVIDER_FAILURES as error:
            failure = failure_of(error)
            entry = entry_of(plan, Step.REMOVE, store_id, began, doomed, failure, request_of(error))
            return Ended(plan=plan, store_id=store_id, failure=failure, entry=entry)
        entry = entry_of(plan, Step.REMOVE, store_id, began, doomed, None, request_id) if doomed else None
        return Ended(plan=plan, store_id=store_id, removed=doomed, entry=entry)

    async def update(self, store_id: str, plan: Plan) -> Ended | None:
        """None when the file is no longer in the store, although the database says so."""
        if plan.document is None or plan.held is None:
            raise ValueError("there is no file to update")
        began, file_id, failure = time.monotonic(), plan.held.file_id, None
        try:
            request_id = await self._backend.update_attributes(store_id, file_id, plan.document)
        except errors.ProviderMissing:
            return None
        except PROVIDER_FAILURES as error:
            failure, request_id = failure_of(error), request_of(error)
        entry = entry_of(plan, Step.UPDATE_ATTRIBUTES, store_id, began, [file_id], failure, request_id)
        return Ended(plan=plan, store_id=store_id, file_id=file_id, failure=failure, entry=entry)

    async def replace(
        self,
        store_id: str,
        plans: Sequence[Plan],
        *,
        succeeded: Callable[[Ended], Awaitable[None]],
        is_waiting: Callable[[], None],
    ) -> list[Ended]:
        """All together: the provider works on them at the same time. What succeeds early is told twice."""
        began = time.monotonic()
        by_document = {plan.job.document_id: plan for plan in plans}

        async def tell(result: Replaced) -> None:
            await succeeded(replaced(by_document[result.document_id], store_id, result, began))

        watch = Watch(succeeded=tell, is_waiting=is_waiting)
        try:
            results = await self._backend.replace(store_id, [replacement(plan) for plan in plans], watch)
        except PROVIDER_FAILURES as error:
            failure, request_id = failure_of(error), request_of(error)
            return [
                Ended(
                    plan=plan,
                    failure=failure,
                    entry=entry_of(plan, Step.REPLACE, store_id, began, (), failure, request_id),
                )
                for plan in plans
            ]
        pairs = zip(plans, results, strict=True)
        return [replaced(plan, store_id, result, began) for plan, result in pairs]


def replacement(plan: Plan) -> Replacement:
    if plan.document is None:
        raise ValueError("there is nothing to send")
    return Replacement(
        document=plan.document,
        old_file_id=plan.held.file_id if plan.held else "",
        is_repeated=plan.is_unsettled,
        doomed=plan.doomed,
    )


def replaced(plan: Plan, store_id: str, result: Replaced, began: float) -> Ended:
    outcome = result.outcome
    failure = None if outcome.state is FileState.COMPLETED else failed(outcome)
    old = {plan.held.file_id} if plan.held else set[str]()
    return Ended(
        plan=plan,
        store_id=store_id,
        file_id=result.file_id if failure is None else "",
        removed=sorted(old - {result.file_id, *result.leftovers}),
        leftovers=result.leftovers,
        failure=failure,
        entry=entry_of(plan, Step.REPLACE, store_id, began, [outcome.file_id], failure, outcome.request_id),
    )


def unchanged(plan: Plan) -> Ended:
    """What the provider holds is right, or rightly nothing."""
    held = plan.held
    return Ended(plan=plan, store_id=held.store_id if held else "", file_id=held.file_id if held else "")


def failed(outcome: FileOutcome) -> Failure:
    return Failure(
        error=outcome.message,
        is_final=not outcome.is_retryable,
        retry_after_seconds=outcome.retry_after_seconds,
    )


def failure_of(error: errors.KladezError) -> Failure:
    """A provider that does not accept our key will take the same request once that is mended."""
    is_final = isinstance(error, errors.ProviderRefused) and not isinstance(error, errors.ProviderLocked)
    wait = error.retry_after_seconds if isinstance(error, errors.ProviderUnavailable) else None
    return Failure(error=str(error), is_final=is_final, retry_after_seconds=wait)


def request_of(error: errors.KladezError) -> str:
    return error.metadata.get("provider_request_id", "")


def entry_of(
    plan: Plan,
    step: Step,
    store_id: str,
    began: float,
    file_ids: Iterable[str],
    failure: Failure | None,
    request_id: str,
) -> Entry:
    return Entry(
        actor=WORKER,
        action=step.value,
        outcome=FAILED if failure else DONE,
        store_id=store_id,
        document_ids=[plan.job.document_id],
        file_ids=[file_id for file_id in file_ids if file_id],
        byte_count=plan.byte_count if step is Step.REPLACE else 0,
        duration_ms=round((time.monotonic() - began) * 1000),
        error=failure.error if failure else "",
        request_id=request_id,
    )
