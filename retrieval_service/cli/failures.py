"""What a person and a script get when a command does not succeed: one line, and an exit code that says why."""

from __future__ import annotations

from enum import IntEnum

from retrieval_service import errors
from retrieval_service.client import CallFailed


class ExitCode(IntEnum):
    """Why a command ended."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4


class BadInput(errors.KladezError):
    """A file or an argument cannot be used."""


class Failed(errors.KladezError):
    """The command did not succeed."""


_BY_STATUS = {
    "UNAVAILABLE": ExitCode.UNREACHABLE,
    "DEADLINE_EXCEEDED": ExitCode.UNREACHABLE,
    "NOT_FOUND": ExitCode.NOT_FOUND,
    "INVALID_ARGUMENT": ExitCode.USAGE,
}
_BY_CLASS: tuple[tuple[type[errors.KladezError], ExitCode], ...] = (
    (BadInput, ExitCode.USAGE),
    (errors.Invalid, ExitCode.USAGE),
    (errors.Unavailable, ExitCode.UNREACHABLE),
    (errors.DeadlinePassed, ExitCode.UNREACHABLE),
    (errors.NotFound, ExitCode.NOT_FOUND),
)


def exit_code(error: errors.KladezError | CallFailed) -> ExitCode:
    if isinstance(error, CallFailed):
        return _BY_STATUS.get(error.code, ExitCode.FAILED)
    return next((code for kind, code in _BY_CLASS if isinstance(error, kind)), ExitCode.FAILED)


def explanation(error: errors.KladezError | CallFailed) -> str:
    """One line, or a few when fields are wrong or a log is quoted."""
    if not isinstance(error, CallFailed):
        return str(error)
    fields = [f"{one.field}: {one.description}" for one in error.violations]
    lines = fields or [str(error)]
    return "\n".join([*lines, *_advice(error)])


def _advice(error: CallFailed) -> list[str]:
    advice = [f"Try again in {error.retry_after_seconds:g} s."] if error.retry_after_seconds else []
    if error.code in {"INTERNAL", "UNKNOWN"} and error.request_id:
        advice.append(f"The service's log has the details under the request id {error.request_id}.")
    return advice
