"""What the service and its workers count for `/metrics`; labels are few and fixed, no tenant and no text is one."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

from prometheus_client import Counter, Gauge, Histogram

from retrieval_service import errors

SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
FIRST_TOKEN_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)

RPC_SECONDS = Histogram("kladez_rpc_seconds", "How long calls took.", ("method",), buckets=SECONDS)
RPCS = Counter("kladez_rpcs", "Calls that ended, by method and gRPC status.", ("method", "code"))
REFUSALS = Counter("kladez_refusals", "Calls that ended with an error of ours, by its reason.", ("reason",))
RPCS_RUNNING = Gauge("kladez_rpcs_running", "Calls being served.")

SEARCHES = Counter("kladez_searches", "Searches that were answered.", ("mode", "backend", "degraded"))
ANSWERS = Counter("kladez_answers", "Answers that ended.", ("finish_reason", "status", "degraded"))
FIRST_TOKEN = Histogram(
    "kladez_answer_first_token_seconds", "From the question to the first word.", buckets=FIRST_TOKEN_SECONDS
)

JOBS = Counter(
    "kladez_jobs", "Tries of jobs that ended: done, pending (again), error.", ("target", "outcome")
)
QUEUE = Gauge("kladez_queue_jobs", "Jobs of all tenants that are not done.", ("target", "status"))
QUEUE_OLDEST = Gauge("kladez_queue_oldest_seconds", "Since when the oldest job is pending.", ("target",))
EMBEDDED = Counter("kladez_embedding_tokens", "Tokens that were embedded.", ("purpose",))
TENANT_INDEXES = Counter("kladez_tenant_indexes", "Indexes of big tenants, built and dropped.", ("event",))

POOL = Gauge("kladez_pool_connections", "Connections to the database.", ("state",))
POOL_WAITING = Gauge("kladez_pool_waiting", "Who waits for a connection to the database.")
DATABASE_UP = Gauge("kladez_database_up", "Whether the database answered the last time.")

PROVIDER_CALLS = Counter("kladez_openai_calls", "Requests to OpenAI or a compatible server.", ("outcome",))
CIRCUIT_OPEN = Gauge("kladez_openai_circuit_open", "Whether OpenAI Retrieval is left alone for a while.")
ANSWER_CIRCUIT_OPEN = Gauge(
    "kladez_answer_circuit_open", "Whether the model that writes answers is left alone for a while."
)

# Prometheus's client looks a child up under a lock, and checks its labels each time.
_seconds = functools.cache(RPC_SECONDS.labels)
_ended = functools.cache(RPCS.labels)
_searched = functools.cache(SEARCHES.labels)
_embedded = functools.cache(EMBEDDED.labels)


def note_rpc(method: str, code: str, seconds: float, *, reason: str = "") -> None:
    if reason:
        REFUSALS.labels(reason).inc()
    _seconds(method).observe(seconds)
    _ended(method, code).inc()


def note_search(mode: str, backend: str, *, is_degraded: bool) -> None:
    _searched(mode, backend, _word(is_degraded)).inc()


def note_embedded(purpose: str, tokens: int) -> None:
    _embedded(purpose).inc(tokens)


def note_answer(finish_reason: str, status: str, *, is_degraded: bool, first_token_ms: int | None) -> None:
    ANSWERS.labels(finish_reason, status, _word(is_degraded)).inc()
    if first_token_ms is not None:
        FIRST_TOKEN.observe(first_token_ms / 1_000)


@contextlib.contextmanager
def provider_call() -> Iterator[None]:
    """Counts one request by how it ended; one that is broken off by us counts as left."""
    outcome = "left"
    try:
        yield
        outcome = "ok"
    except errors.ProviderUnavailable:
        outcome = "unavailable"
        raise
    except errors.ProviderLocked:
        outcome = "locked"
        raise
    except errors.ProviderRefused:
        outcome = "refused"
        raise
    finally:
        PROVIDER_CALLS.labels(outcome).inc()


def _word(is_true: bool) -> str:
    return "yes" if is_true else "no"
