"""The settings that must be equal in all processes, as each process announces them. Secrets are fingerprints."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import urlsplit

from retrieval_service.composition.services import secret_key
from retrieval_service.config import Settings, source_dsns
from retrieval_service.domain.indexing.chunking import ChunkPolicy
from retrieval_service.domain.indexing.spaces import Space
from retrieval_service.domain.operations.processes import (
    DEFAULT_BACKEND,
    EMBEDDER,
    NEXT_EMBEDDER,
    OWN_INDEX,
    PROVIDER,
)

FINGERPRINT_DIGITS = 12

# Announced as they are.
AS_THEY_ARE = {
    "use_openai_retrieval": DEFAULT_BACKEND,
    "openai_vector_store_id": "OPENAI_VECTOR_STORE_ID",
    "own_index_chunks": OWN_INDEX,
    "schedule_reconcile": "KLADEZ_SCHEDULE_RECONCILE",
    "schedule_rebuild": "KLADEZ_SCHEDULE_REBUILD",
    "schedule_drift": "KLADEZ_SCHEDULE_DRIFT",
    "prices": "KLADEZ_PRICES",
    "openai_search_usd": "KLADEZ_OPENAI_SEARCH_USD",
    "job_max_attempts": "KLADEZ_JOB_MAX_ATTEMPTS",
    "sql_source_prefix": "KLADEZ_SQL_SOURCE_PREFIX",
    "index_job_cooldown_seconds": "KLADEZ_INDEX_JOB_COOLDOWN_SECONDS",
    "answerer": "KLADEZ_ANSWERER",
    "answer_model": "KLADEZ_ANSWER_MODEL",
    "answer_max_tokens": "KLADEZ_ANSWER_MAX_TOKENS",
    "history_tokens": "KLADEZ_HISTORY_TOKENS",
    "exact_lexical_chunks": "KLADEZ_EXACT_LEXICAL_CHUNKS",
    "answer_context_characters": "KLADEZ_ANSWER_CONTEXT_CHARACTERS",
    "document_bytes": "KLADEZ_DOCUMENT_BYTES",
    "document_passages": "KLADEZ_DOCUMENT_PASSAGES",
    "key_requests_per_minute": "KLADEZ_KEY_REQUESTS_PER_MINUTE",
    "key_bytes_per_minute": "KLADEZ_KEY_BYTES_PER_MINUTE",
    "tenant_requests_per_minute": "KLADEZ_TENANT_REQUESTS_PER_MINUTE",
    "tenant_bytes_per_minute": "KLADEZ_TENANT_BYTES_PER_MINUTE",
    "wrong_keys_per_minute": "KLADEZ_WRONG_KEYS_PER_MINUTE",
    "questions_per_day": "KLADEZ_QUESTIONS_PER_DAY",
    "channel_questions_per_day": "KLADEZ_CHANNEL_QUESTIONS_PER_DAY",
    "visitor_questions_per_day": "KLADEZ_VISITOR_QUESTIONS_PER_DAY",
}
# Announced by their effect: a model's space, a provider's address, a fingerprint.
BY_RESULT = frozenset(
    {
        "embedder",
        "embedding_model",
        "embedding_dimensions",
        "embedding_query_prefix",
        "embedding_passage_prefix",
        "local_model",
        "local_model_dir",
        "next_embedder",
        "next_embedding_model",
        "next_embedding_dimensions",
        "next_embedding_query_prefix",
        "next_embedding_passage_prefix",
        "next_local_model",
        "openai_api_key",
        "openai_base_url",
        "page_token_key",
        "safety_key",
    }
)
# May differ between processes: addresses, logs, pace and timeouts.
OWN = frozenset(
    {
        "database_url",
        "admin_database_url",
        "migrate",
        "tls_cert",
        "tls_key",
        "tls_client_ca",
        "metrics_host",
        "metrics_port",
        "job_batch_bytes",
        "job_tenants",
        "job_step_passages",
        "job_turn_seconds",
        "data_dir",
        "host",
        "port",
        "reflection",
        "workers",
        "pool_size",
        "shutdown_seconds",
        "embedding_batch",
        "embedding_concurrency",
        "next_openai_api_key",
        "next_openai_base_url",
        "answer_seconds",
        "answer_patience_seconds",
        "answer_breaker_failures",
        "answer_breaker_pause_seconds",
        "summary_seconds",
        "openai_timeout_seconds",
        "openai_search_seconds",
        "openai_breaker_failures",
        "openai_breaker_pause_seconds",
        "job_batch",
        "job_lease_seconds",
        "job_poll_seconds",
        "sync_batch",
        "sync_concurrency",
        "index_job_batch",
        "index_job_concurrency",
        "sql_source_timeout_seconds",
        "log_level",
        "log_format",
        "log_file_megabytes",
        "log_files",
    }
)


@dataclass(frozen=True, kw_only=True)
class Models:
    """The embedding spaces of the configured models, and the sizes of chunks that follow from the first."""

    home: Space
    following: Space | None
    policy: ChunkPolicy


def shared_settings(settings: Settings, models: Models, installation_key: bytes) -> dict[str, str]:
    """By the names of `domain.processes.WEIGHTS`."""
    sizes = models.policy
    said = {name: said_as(getattr(settings, field)) for field, name in AS_THEY_ARE.items()}
    return said | {
        EMBEDDER: models.home.key,
        NEXT_EMBEDDER: models.following.key if models.following else "",
        PROVIDER: provider(settings),
        "chunk sizes": f"{sizes.capacity} with {sizes.overlap} of overlap",
        "variables of sources": ", ".join(sorted(source_dsns(settings.sql_source_prefix))),
        "KLADEZ_PAGE_TOKEN_KEY": fingerprint(
            installation_key, secret_key(settings.page_token_key, "page tokens", installation_key)
        ),
        "KLADEZ_SAFETY_KEY": fingerprint(
            installation_key, secret_key(settings.safety_key, "safety identifiers", installation_key)
        ),
    }


def said_as(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def provider(settings: Settings) -> str:
    """The address without credentials; "" without access to OpenAI or a compatible provider."""
    if settings.openai_base_url is None:
        return "OpenAI's" if settings.openai_api_key is not None else ""
    parts = urlsplit(settings.openai_base_url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def fingerprint(key: bytes, secret: bytes) -> str:
    """Equal for equal secrets of one installation. The secret cannot be derived from it."""
    return hmac.new(key, secret, hashlib.sha256).hexdigest()[:FINGERPRINT_DIGITS]


def classified_fields() -> frozenset[str]:
    return BY_RESULT | OWN | AS_THEY_ARE.keys()
