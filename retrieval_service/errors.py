"""Every error the service raises on purpose; the class docstring is the message a person reads.

Each class names the reason a client can act on. The API floor alone turns it into a gRPC status.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class KladezError(Exception):
    """The request could not be completed."""

    reason = "INTERNAL"

    def __init__(self, message: str | None = None, **metadata: str) -> None:
        super().__init__(message or type(self).__doc__ or "")
        self.metadata = metadata


@dataclass(frozen=True)
class Violation:
    """One field that is wrong, by its path in the request, and why."""

    field: str
    description: str


class Invalid(KladezError):
    """The request has invalid fields."""

    reason = "INVALID_FIELDS"

    def __init__(self, violations: Sequence[Violation]) -> None:
        first = violations[0]
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        super().__init__(f"{first.field}: {first.description}{more}")
        self.violations = tuple(violations)


class RequestTooLarge(KladezError):
    """The message is larger than this method accepts."""

    reason = "REQUEST_TOO_LARGE"


class Malformed(KladezError):
    """The message cannot be decoded."""

    reason = "MALFORMED"


class NotFound(KladezError):
    """There is no such object."""

    reason = "NOT_FOUND"


class AlreadyExists(KladezError):
    """An object with this identity exists already."""

    reason = "ALREADY_EXISTS"


class Conflict(KladezError):
    """The object changed meanwhile; read it again and repeat."""

    reason = "CONFLICT"


class NotIndexedYet(Conflict):
    """The document is stored and will be indexed; repeat this to ask again."""

    reason = "NOT_INDEXED_YET"


class KeyMissing(KladezError):
    """Send the metadata `authorization: Bearer <key>`."""

    reason = "KEY_MISSING"


class KeyInvalid(KladezError):
    """The key is unknown, expired or revoked."""

    reason = "KEY_INVALID"


class NotAllowed(KladezError):
    """The key may not do this."""

    reason = "NOT_ALLOWED"


class TenantMissing(KladezError):
    """This key serves many tenants: name one in the metadata `x-tenant-id`."""

    reason = "TENANT_MISSING"


class TooMany(KladezError):
    """Too many requests; wait and repeat."""

    reason = "TOO_MANY"

    def __init__(self, message: str | None = None, *, retry_after_seconds: float, **metadata: str) -> None:
        super().__init__(message, **metadata)
        self.retry_after_seconds = retry_after_seconds


class NotWatched(KladezError):
    """Too many streams without a key are open: go on without watching the health."""

    reason = "NOT_WATCHED"


class RateLimited(TooMany):
    """This key, or its tenant, sent more than a minute allows."""

    reason = "RATE_LIMITED"


class WrongKeys(TooMany):
    """Too many unknown keys came from this address."""

    reason = "WRONG_KEYS"


class QuotaSpent(TooMany):
    """The questions of this day are used up."""

    reason = "QUOTA_SPENT"


class AnswerCancelled(Conflict):
    """The answer was cancelled; what was written of it is stored."""

    reason = "ANSWER_CANCELLED"


class DeadlinePassed(KladezError):
    """The time for this call is over."""

    reason = "DEADLINE_PASSED"


class Unavailable(KladezError):
    """A part the service needs is not available right now."""

    reason = "UNAVAILABLE"


class DatabaseFull(Unavailable):
    """The database's disk is full: reading goes on, and writing as soon as there is space again."""

    reason = "DATABASE_FULL"


class DatabaseCrowded(Unavailable):
    """The database has no connection to spare: raise its max_connections, or lower KLADEZ_POOL_SIZE."""

    reason = "DATABASE_CROWDED"


class DatabaseOutOfMemory(Unavailable):
    """The database ran out of memory."""

    reason = "DATABASE_OUT_OF_MEMORY"


class DatabaseReadOnly(Unavailable):
    """The database takes no writes: it is a standby, or was set to read only."""

    reason = "DATABASE_READ_ONLY"


class DatabaseFaulty(Unavailable):
    """The database cannot read or write its files; its own log says more."""

    reason = "DATABASE_FAULTY"


class DatabaseBusy(Unavailable):
    """Others hold what this needs in the database; repeat it in a moment."""

    reason = "DATABASE_BUSY"


class AnswerInterrupted(Unavailable):
    """The answer was interrupted; what was written of it is stored, and a repeat begins it anew."""

    reason = "ANSWER_INTERRUPTED"


class SourceUnavailable(Unavailable):
    """The database of a source does not answer."""

    reason = "SOURCE_UNAVAILABLE"


class SourceFailed(KladezError):
    """The source's declaration does not fit its database."""

    reason = "SOURCE_FAILED"


class SourceIdsRefused(SourceFailed):
    """The database of a source cannot read one of the ids, or a value of its row."""


class ProviderUnavailable(Unavailable):
    """The model provider did not answer in time or is overloaded."""

    reason = "PROVIDER_UNAVAILABLE"

    def __init__(
        self, message: str | None = None, *, retry_after_seconds: float | None = None, **metadata: str
    ) -> None:
        super().__init__(message, **metadata)
        self.retry_after_seconds = retry_after_seconds


class ProviderRefused(KladezError):
    """The model provider refused the request for good; repeating it will not help."""

    reason = "PROVIDER_REFUSED"


class ProviderLocked(ProviderRefused):
    """The model provider does not accept our key or our account; the same request will do once that is mended."""

    reason = "PROVIDER_LOCKED"


class ProviderMissing(ProviderRefused):
    """The model provider does not have what was asked for."""

    reason = "PROVIDER_MISSING"


class BackendMissing(KladezError):
    """No retrieval provider is configured: set OPENAI_API_KEY or OPENAI_BASE_URL."""

    reason = "BACKEND_MISSING"


class NotMirrored(KladezError):
    """The tenant's documents are not kept at a retrieval provider."""

    reason = "NOT_MIRRORED"


class SpaceMismatch(KladezError):
    """The model returned vectors of another length than its embedding space has."""

    reason = "SPACE_MISMATCH"


class SpaceNotReady(KladezError):
    """The embedding space is not in the state that this needs."""

    reason = "SPACE_STATE"


class Misconfigured(KladezError):
    """The configuration is wrong."""

    reason = "MISCONFIGURED"


class SettingsDiffer(Misconfigured):
    """A setting that has to be equal on all processes differs from the installation's."""

    reason = "SETTINGS_DIFFER"
