"""docs/reference/errors.md, from the errors of the service and what a caller can do about each."""

from __future__ import annotations

from docs.generators import code, markdown

INTRODUCTION = """
Each error has a gRPC status and these details:

| detail | holds |
|---|---|
| `ErrorInfo` | the `reason`, with the domain `kladez`; sometimes metadata |
| `RequestInfo` | the request id, which stands in the service's log too |
| `BadRequest` | the wrong fields and why, at most 20 |
| `RetryInfo` | how long to wait, where waiting helps |

Programs act on the reason. The text is for people and may change. A client may repeat a call that ended with
UNAVAILABLE, and one that came with `RetryInfo` after its delay.

Two refusals come from gRPC itself and have no reason: a message above the limit of
[a single request](limits.md#size-of-a-request), and a connection that cannot be opened.
"""

ADVICE = {
    "INTERNAL": "This is a fault of the service. Its log has the traceback under the request id.",
    "INVALID_FIELDS": "Correct the fields that `BadRequest` names. Repeating does not help.",
    "REQUEST_TOO_LARGE": "Send fewer items in one request, or use `ImportDocuments`, which takes any number.",
    "MALFORMED": "Generate the client's code from the same contract as the service's.",
    "NOT_FOUND": "Check the id. An object of another tenant is not found either: use that tenant's key, or name the "
    "tenant with an operator's key.",
    "ALREADY_EXISTS": "Use another identity, or change the object that exists.",
    "CONFLICT": "Read the object again, apply the change to it, and send its new `etag`.",
    "NOT_INDEXED_YET": "Repeat the call in a moment.",
    "ANSWER_CANCELLED": "Ask again with a new request id.",
    "KEY_MISSING": "Send the key with every call.",
    "KEY_INVALID": "Make a new key with `kladez tenant key`.",
    "NOT_ALLOWED": "Use a key with the scope that the message names.",
    "TENANT_MISSING": "Name the tenant in `x-tenant-id`, or use a key of one tenant.",
    "TOO_MANY": "Wait as long as `RetryInfo` says.",
    "NOT_WATCHED": "gRPC clients go on without health checks by themselves. Close streams that nobody needs.",
    "RATE_LIMITED": "Wait as long as `RetryInfo` says, or raise the rates of the installation.",
    "WRONG_KEYS": "Use a valid key. Valid keys are accepted all the time.",
    "QUOTA_SPENT": "Wait for the next day of UTC, or raise the quota of the tenant.",
    "DEADLINE_PASSED": "Allow more time, up to the limit of the method, or ask for less.",
    "UNAVAILABLE": "Repeat the call with growing pauses.",
    "DATABASE_FULL": "Free space on the database's disk.",
    "DATABASE_CROWDED": "Raise `max_connections` of Postgres, or lower `KLADEZ_POOL_SIZE`.",
    "DATABASE_OUT_OF_MEMORY": "Read the log of Postgres, and give it more memory.",
    "DATABASE_READ_ONLY": "Let `DATABASE_URL` name the primary server.",
    "DATABASE_FAULTY": "Read the log of Postgres, and check the disk.",
    "DATABASE_BUSY": "Repeat the call in a moment.",
    "ANSWER_INTERRUPTED": "Ask again. The answer is written anew.",
    "SOURCE_UNAVAILABLE": "Check the address of the source's database and the network. `kladez source test` tries it.",
    "PROVIDER_UNAVAILABLE": "Wait. The service repeats its own attempts, and meanwhile uses what works without the "
    "provider.",
    "SOURCE_FAILED": "Correct the declaration of the source. `kladez source test` shows what is wrong.",
    "PROVIDER_REFUSED": "Correct the request or the model's settings.",
    "PROVIDER_LOCKED": "Correct the key or the account of the provider.",
    "PROVIDER_MISSING": "Check the name of the model, or the id of the file or vector store.",
    "BACKEND_MISSING": "Set `OPENAI_API_KEY` or `OPENAI_BASE_URL` for the service and its workers.",
    "NOT_MIRRORED": "Choose OpenAI as the tenant's backend first: `kladez sync backend`.",
    "SPACE_MISMATCH": "Check the settings of the embedding model: another model answers under its name.",
    "SPACE_STATE": "See `kladez space list`, and do the step that comes first: [moving](../spaces.md).",
    "MISCONFIGURED": "Correct the setting that the message names.",
    "SETTINGS_DIFFER": "Give all processes the same settings: `kladez status --processes` shows the difference.",
}


def errors_page() -> str:
    """The text of docs/reference/errors.md. Raises KeyError for a reason without advice."""
    found = code.error_classes()
    rows = [
        (markdown.code(reason), code.code_name(kind), (kind.__doc__ or "").splitlines()[0], ADVICE[reason])
        for reason, kind in found.items()
    ]
    invented = sorted(ADVICE.keys() - found.keys())
    if invented:
        raise KeyError(f"no error has the reason {invented[0]}")
    head = ("reason", "status", "meaning", "what to do")
    return markdown.page("Errors", INTRODUCTION, "## Reasons", markdown.table(head, rows))
