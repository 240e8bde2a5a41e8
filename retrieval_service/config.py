"""The service's settings, read once from the environment; names are the field's in upper case after KLADEZ_."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from retrieval_service import errors
from retrieval_service.domain import costs, documents, schedules
from retrieval_service.domain.quotas import MAX_QUESTIONS_PER_DAY

UNPREFIXED = {
    "DATABASE_URL",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "USE_OPENAI_RETRIEVAL",
    "OPENAI_VECTOR_STORE_ID",
}
# Empty, these say "never". Any other setting that is empty counts as not given.
SAY_SOMETHING_EMPTY = frozenset({"schedule_reconcile", "schedule_rebuild", "schedule_drift"})

LocalModel = Literal["auto", "both", "e5", "minilm"]


def checked_cron(cron: str) -> str:
    fault = schedules.fault(cron)
    if fault:
        raise ValueError(fault)
    return cron


def checked_prices(prices: str) -> str:
    costs.price_table(prices)
    return prices


class Settings(BaseSettings):
    """Everything has a default that works without any key; see .env.example for what each one does."""

    model_config = SettingsConfigDict(env_prefix="KLADEZ_", env_file=".env", extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(default=None, validation_alias="DATABASE_URL")
    admin_database_url: SecretStr | None = None
    migrate: bool = False
    data_dir: Path | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 50_051
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    reflection: bool = True
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] | None = None
    workers: Annotated[int, Field(ge=0, le=32)] = 1
    pool_size: Annotated[int, Field(ge=2, le=64)] = 8
    page_token_key: SecretStr | None = None
    safety_key: SecretStr | None = None
    shutdown_seconds: Annotated[float, Field(gt=0)] = 10.0

    key_requests_per_minute: Annotated[int, Field(ge=0)] = 120_000
    key_bytes_per_minute: Annotated[int, Field(ge=0)] = 2_000_000_000
    tenant_requests_per_minute: Annotated[int, Field(ge=0)] = 60_000
    tenant_bytes_per_minute: Annotated[int, Field(ge=0)] = 1_000_000_000
    wrong_keys_per_minute: Annotated[int, Field(ge=0)] = 300

    questions_per_day: Annotated[int, Field(ge=0, le=MAX_QUESTIONS_PER_DAY)] = 10_000
    channel_questions_per_day: Annotated[int, Field(ge=0, le=MAX_QUESTIONS_PER_DAY)] = 0
    visitor_questions_per_day: Annotated[int, Field(ge=0, le=MAX_QUESTIONS_PER_DAY)] = 500

    embedder: str = "auto"
    embedding_model: str = "text-embedding-3-small"
    embedding_dimensions: Annotated[int, Field(ge=1, le=4_000)] | None = None
    embedding_batch: Annotated[int, Field(ge=1, le=2_048)] = 64
    embedding_concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    embedding_query_prefix: str = ""
    embedding_passage_prefix: str = ""
    local_model: LocalModel = "auto"
    local_model_dir: Path | None = None

    next_embedder: str = ""
    next_embedding_model: str = "text-embedding-3-small"
    next_embedding_dimensions: Annotated[int, Field(ge=1, le=4_000)] | None = None
    next_embedding_query_prefix: str = ""
    next_embedding_passage_prefix: str = ""
    next_local_model: LocalModel = "auto"
    next_openai_api_key: SecretStr | None = None
    next_openai_base_url: str | None = None

    answerer: str = "auto"
    answer_model: str = "gpt-5.4-mini"
    answer_max_tokens: Annotated[int, Field(ge=16)] = 1_000
    answer_patience_seconds: Annotated[float, Field(gt=0)] = 12.0
    answer_breaker_failures: Annotated[int, Field(ge=1)] = 5
    answer_breaker_pause_seconds: Annotated[float, Field(gt=0)] = 30.0
    answer_seconds: Annotated[float, Field(gt=0)] = 110.0
    history_tokens: Annotated[int, Field(ge=0)] = 1_500
    summary_seconds: Annotated[float, Field(gt=0)] = 45.0
    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    openai_timeout_seconds: Annotated[float, Field(gt=0)] = 30.0

    use_openai_retrieval: bool = Field(default=False, validation_alias="USE_OPENAI_RETRIEVAL")
    openai_vector_store_id: str = Field(default="", validation_alias="OPENAI_VECTOR_STORE_ID")
    openai_search_seconds: Annotated[float, Field(gt=0)] = 3.0
    openai_search_usd: Annotated[float, Field(ge=0)] = 2.5
    openai_breaker_failures: Annotated[int, Field(ge=1)] = 5
    openai_breaker_pause_seconds: Annotated[float, Field(gt=0)] = 30.0
    prices: Annotated[str, AfterValidator(checked_prices)] = ""

    document_bytes: Annotated[int, Field(ge=1_024, le=documents.MAX_CONTENT_BYTES)] = (
        documents.MAX_CONTENT_BYTES
    )
    document_passages: Annotated[int, Field(ge=1)] = 5_000

    job_batch: Annotated[int, Field(ge=1, le=500)] = 32
    job_batch_bytes: Annotated[int, Field(ge=1_024)] = 262_144
    job_tenants: Annotated[int, Field(ge=1, le=32)] = 4
    job_step_passages: Annotated[int, Field(ge=1, le=2_048)] = 64
    job_lease_seconds: Annotated[float, Field(ge=1)] = 20.0
    job_max_attempts: Annotated[int, Field(ge=1)] = 5
    job_poll_seconds: Annotated[float, Field(gt=0)] = 2.0

    sync_batch: Annotated[int, Field(ge=1, le=500)] = 50
    sync_concurrency: Annotated[int, Field(ge=1, le=64)] = 4

    index_job_batch: Annotated[int, Field(ge=1, le=1_000)] = 32
    index_job_concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    index_job_cooldown_seconds: Annotated[float, Field(ge=0)] = 600.0

    exact_lexical_chunks: Annotated[int, Field(ge=0)] = 2_000
    answer_context_characters: Annotated[int, Field(ge=0, le=200_000)] = 6_000
    own_index_chunks: Annotated[int, Field(ge=1)] = 10_000

    sql_source_prefix: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{2,}_$")] = "KLADEZ_SOURCE_"
    sql_source_timeout_seconds: Annotated[float, Field(ge=1)] = 300.0
    schedule_reconcile: Annotated[str, AfterValidator(checked_cron)] = "0 2 * * *"
    schedule_rebuild: Annotated[str, AfterValidator(checked_cron)] = "0 3 * * 0"
    schedule_drift: Annotated[str, AfterValidator(checked_cron)] = "0 4 * * *"

    log_level: str = "info"
    log_format: str = "console"
    log_file_megabytes: Annotated[int, Field(ge=1, le=10_000)] = 8
    log_files: Annotated[int, Field(ge=1, le=100)] = 5

    @model_validator(mode="before")
    @classmethod
    def leave_out_empty(cls, told: dict[str, Any]) -> dict[str, Any]:
        """Not by `env_ignore_empty`: a variable that is empty also hides its line in `.env`."""
        return {name: value for name, value in told.items() if value != "" or name in SAY_SOMETHING_EMPTY}


def load() -> Settings:
    """Raises `errors.Misconfigured` naming each setting that is wrong, never its value."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(f"{setting_name(item['loc'])}: {item['msg']}" for item in error.errors())
        raise errors.Misconfigured(wrong) from None


def source_dsns(prefix: str) -> dict[str, SecretStr]:
    """The addresses of the databases that sources may name, by variable; one that is empty is none."""
    return {name: SecretStr(value) for name, value in os.environ.items() if name.startswith(prefix) and value}


def setting_name(location: tuple[int | str, ...]) -> str:
    """The environment variable behind a field."""
    name = str(location[0]).upper() if location else ""
    return name if name in UNPREFIXED else f"KLADEZ_{name}"
