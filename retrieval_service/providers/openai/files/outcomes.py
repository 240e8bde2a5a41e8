"""What became of a file, in our words: the provider's own may quote the document."""

from __future__ import annotations

from collections.abc import Iterable

from openai.types.vector_stores import VectorStoreFile

from retrieval_service import errors
from retrieval_service.domain.sync.remote_files import FileOutcome, FileState

RETRYABLE = frozenset({"server_error", "rate_limit_exceeded", "cancelled"})
MESSAGES = {
    "server_error": "The provider failed to process the file.",
    "rate_limit_exceeded": "The provider was too busy to process the file.",
    "cancelled": "The processing of the file was cancelled at the provider.",
    "unsupported_file": "The provider does not support files of this kind.",
    "invalid_file": "The provider cannot read the file.",
}
STATES = {
    "completed": FileState.COMPLETED,
    "in_progress": FileState.IN_PROGRESS,
}


def state_of(file: VectorStoreFile) -> FileState:
    return STATES.get(file.status, FileState.FAILED)


def outcome_of(file: VectorStoreFile) -> FileOutcome:
    state = state_of(file)
    if state is FileState.COMPLETED:
        return FileOutcome(file_id=file.id, state=state)
    return unfinished(file.id) if state is FileState.IN_PROGRESS else _failed(file)


def unfinished(file_id: str) -> FileOutcome:
    return FileOutcome(
        file_id=file_id,
        state=FileState.IN_PROGRESS,
        code="unfinished",
        message="The provider did not finish processing the file in time.",
        is_retryable=True,
    )


def missing(file_id: str) -> FileOutcome:
    """For a file that was accepted and of which its batch knows nothing."""
    return FileOutcome(
        file_id=file_id,
        state=FileState.FAILED,
        code="missing",
        message="The provider lost the file.",
        is_retryable=True,
    )


def prevented(file_id: str, error: errors.KladezError) -> FileOutcome:
    """For a file whose upload or attachment failed."""
    wait = error.retry_after_seconds if isinstance(error, errors.ProviderUnavailable) else None
    request_id = error.metadata.get("provider_request_id", "")
    return FileOutcome(
        file_id=file_id,
        state=FileState.FAILED,
        code=error.reason.lower(),
        message=str(error),
        is_retryable=isinstance(error, errors.Unavailable),
        retry_after_seconds=wait,
        request_id=request_id,
    )


def in_order(file_ids: Iterable[str], outcomes: Iterable[FileOutcome]) -> list[FileOutcome]:
    """One outcome for each id."""
    known = {outcome.file_id: outcome for outcome in outcomes}
    return [known.get(file_id) or missing(file_id) for file_id in file_ids]


def _failed(file: VectorStoreFile) -> FileOutcome:
    told = file.last_error.code if file.last_error else file.status
    code = told if told in MESSAGES else "unknown"
    return FileOutcome(
        file_id=file.id,
        state=FileState.FAILED,
        code=code,
        message=MESSAGES.get(code, "The provider did not process the file and does not say why."),
        is_retryable=code in RETRYABLE,
    )
