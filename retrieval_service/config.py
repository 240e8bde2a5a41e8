"""The service's settings, read once from the environment; names are the field's in upper case after KLADEZ_."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from retrieval_service import errors
from retrieval_service.domain.documents import documents
from retrieval_service.domain.indexing import costs
from retrieval_service.domain.operations import schedules
from retrieval_service.domain.tenants.quotas import MAX_QUESTIONS_PER_DAY

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
    """Everything has a default that works without any key.

    The descriptions are what users read: `make docs` writes docs/reference/settings.md and .env.example from them,
    in the order of the fields.
    """

    model_config = SettingsConfigDict(env_prefix="KLADEZ_", env_file=".env", extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(
        default=None,
        validation_alias="DATABASE_URL",
        description="The database: Postgres 15 or newer with pgvector 0.8 or newer. Without it the embedded database "
        "of the data folder is used.",
        examples=["postgresql://kladez:secret@127.0.0.1:5432/kladez"],
    )
    admin_database_url: SecretStr | None = Field(
        default=None,
        description="The database with a role that may create roles and extensions, for `kladez migrate`, "
        "`kladez backup` and `kladez restore`. Without it they use `DATABASE_URL`. The service never uses it.",
        examples=["postgresql://postgres:secret@127.0.0.1:5432/kladez"],
    )
    migrate: bool = Field(
        default=False,
        description="`kladez serve`, `kladez work` and `kladez sync run` bring the schema forward themselves. "
        "Otherwise they refuse an older schema.",
    )
    pool_size: int = Field(
        default=8, ge=2, le=64, description="The most connections to Postgres that one process opens."
    )
    data_dir: Path | None = Field(
        default=None,
        description="The folder of the embedded database, the logs, the profile with keys, and the figures of "
        "`kladez eval answers`. Without it the data folder of the user is taken.",
        examples=["data"],
    )

    host: str = Field(default="127.0.0.1", description="The address on which gRPC listens.")
    port: int = Field(
        default=50_051,
        ge=0,
        le=65_535,
        description="The port of gRPC. 0 takes any free port.",
    )
    tls_cert: Path | None = Field(
        default=None,
        description="A certificate with its chain, in PEM. With it and its key gRPC speaks TLS. Renewed files are "
        "taken without a restart.",
        examples=["/etc/kladez/server.pem"],
    )
    tls_key: Path | None = Field(
        default=None,
        description="The key of the certificate, in PEM. No other account may be able to read the file.",
        examples=["/etc/kladez/server.key"],
    )
    tls_client_ca: Path | None = Field(
        default=None,
        description="Authorities, in PEM. With it only clients with a certificate of one of them are served.",
        examples=["/etc/kladez/clients.pem"],
    )
    reflection: bool = Field(
        default=True, description="Clients may ask for the contract by gRPC server reflection."
    )
    metrics_host: str = Field(
        default="127.0.0.1",
        description="The address of the pages for operators. Strangers must not reach it.",
    )
    metrics_port: int | None = Field(
        default=None,
        ge=0,
        le=65_535,
        description="The port of `/metrics`, `/healthz` and `/readyz`, for a service or a worker. 0 takes any free "
        "port. Without it there are no such pages.",
        examples=["9464"],
    )
    shutdown_seconds: float = Field(
        default=10.0, gt=0, description="The time that running calls get to finish when the service stops."
    )
    page_token_key: SecretStr | None = Field(
        default=None,
        description="Signs page tokens. It must be equal on all servers. Without it a random key is kept in the "
        "database.",
        examples=["any-long-random-text"],
    )
    safety_key: SecretStr | None = Field(
        default=None,
        description="Keys the hash by which OpenAI distinguishes customers. It must be equal on all servers. Without "
        "it a random key is kept in the database.",
        examples=["another-long-random-text"],
    )

    key_requests_per_minute: int = Field(
        default=120_000,
        ge=0,
        description="Requests of one key in a minute. Each message of a stream counts as one. 0 sets no limit.",
    )
    key_bytes_per_minute: int = Field(
        default=2_000_000_000, ge=0, description="Bytes of one key in a minute. 0 sets no limit."
    )
    tenant_requests_per_minute: int = Field(
        default=60_000,
        ge=0,
        description="Requests of all keys of one tenant in a minute. One of these keys gets half of it at most. What a "
        "key of many tenants does for one tenant is held to the same limit, and counted apart. 0 sets no limit.",
    )
    tenant_bytes_per_minute: int = Field(
        default=1_000_000_000,
        ge=0,
        description="Bytes of all keys of one tenant in a minute, counted in the same way. 0 sets no limit.",
    )
    wrong_keys_per_minute: int = Field(
        default=300,
        ge=0,
        description="Unknown keys that are looked up for one address, or one IPv6 network of /64, in a minute. 0 sets "
        "no limit.",
    )
    questions_per_day: int = Field(
        default=10_000,
        ge=0,
        le=MAX_QUESTIONS_PER_DAY,
        description="Questions to one tenant in a day of UTC, unless the tenant's own quotas say otherwise. 0 sets no "
        "limit.",
    )
    channel_questions_per_day: int = Field(
        default=0,
        ge=0,
        le=MAX_QUESTIONS_PER_DAY,
        description="The part of these questions that any one channel of a key may ask. 0 sets no limit: each key then "
        "leaves the others a share.",
    )
    visitor_questions_per_day: int = Field(
        default=500,
        ge=0,
        le=MAX_QUESTIONS_PER_DAY,
        description="The part of these questions that any one visitor may ask, and at most a tenth of the tenant's "
        "day.",
    )

    embedder: str = Field(
        default="auto",
        description="What embeds texts: `local`, `openai`, or `auto` for whichever has what it needs.",
    )
    embedding_model: str = Field(
        default="text-embedding-3-small",
        description="The name of the embedding model at OpenAI or at a compatible server.",
    )
    embedding_dimensions: int | None = Field(
        default=None,
        ge=1,
        le=4_000,
        description="Asks the model for shorter vectors. Without it the vectors have the model's own length.",
        examples=["1536"],
    )
    embedding_batch: int = Field(default=64, ge=1, le=2_048, description="Texts in one embedding request.")
    embedding_concurrency: int = Field(default=4, ge=1, le=64, description="Embedding requests at one time.")
    embedding_query_prefix: str = Field(
        default="", description="The text that the model expects before a question."
    )
    embedding_passage_prefix: str = Field(
        default="", description="The text that the model expects before a passage."
    )
    local_model: LocalModel = Field(
        default="auto",
        description="The embedding model on this machine: `e5` reads about a hundred languages, `minilm` reads "
        "English, `both` joins them in one vector, and `auto` takes those that are installed.",
    )
    local_model_dir: Path | None = Field(
        default=None,
        description="The folder with the files of the local models. Without it the installed packages are used.",
        examples=["models"],
    )

    next_embedder: str = Field(
        default="",
        description="A second embedding model to move tenants to: `local` or `openai`. Without it there is none.",
        examples=["openai"],
    )
    next_embedding_model: str = Field(
        default="text-embedding-3-small",
        description="The name of the second model.",
        examples=["text-embedding-3-large"],
    )
    next_embedding_dimensions: int | None = Field(
        default=None,
        ge=1,
        le=4_000,
        description="Asks the second model for shorter vectors.",
        examples=["1024"],
    )
    next_embedding_query_prefix: str = Field(
        default="", description="The text that the second model expects before a question."
    )
    next_embedding_passage_prefix: str = Field(
        default="", description="The text that the second model expects before a passage."
    )
    next_local_model: LocalModel = Field(
        default="auto",
        description="Which local model the second one is, when it is a local one.",
        examples=["both"],
    )
    next_openai_api_key: SecretStr | None = Field(
        default=None, description="The key for the second model. Without it `OPENAI_API_KEY` is used."
    )
    next_openai_base_url: str | None = Field(
        default=None, description="The server of the second model. Without it `OPENAI_BASE_URL` is used."
    )

    answerer: str = Field(
        default="auto",
        description="What answers questions: `extractive` quotes the documents, `responses` and `chat` let a model "
        "write by OpenAI's Responses or Chat Completions API, `auto` takes whichever has what it needs.",
    )
    answer_model: str = Field(default="gpt-5.4-mini", description="The model that writes answers.")
    answer_max_tokens: int = Field(
        default=1_000, ge=16, description="The greatest length of an answer, in tokens."
    )
    answer_patience_seconds: float = Field(
        default=12.0,
        gt=0,
        description="The time to wait for the first word of the model. After it the documents are quoted.",
    )
    answer_breaker_failures: int = Field(
        default=5,
        ge=1,
        description="Failures in a row after which the model is not called, and answers quote at once.",
    )
    answer_breaker_pause_seconds: float = Field(
        default=30.0,
        gt=0,
        description="The time for which the model is not called. Then one answer tries it again.",
    )
    answer_seconds: float = Field(
        default=110.0,
        gt=0,
        description="The time that one whole answer may take. What is written by then is kept as interrupted.",
    )
    answer_context_characters: int = Field(
        default=6_000,
        ge=0,
        le=200_000,
        description="The passages behind an answer are widened to their sections until all of them together have this "
        "many characters.",
    )
    history_tokens: int = Field(
        default=1_500, ge=0, description="About how many tokens of a conversation an answer remembers."
    )
    summary_seconds: float = Field(
        default=45.0,
        gt=0,
        description="The time to wait for the model's summary of a search. After it sentences are quoted.",
    )
    prices: Annotated[str, AfterValidator(checked_prices)] = Field(
        default="",
        description="The prices of further models as JSON, in dollars for a million tokens. Those of OpenAI's models "
        "are known.",
        examples=['{"my-model": {"input": 0.5, "output": 2, "embedded": 0}}'],
    )

    openai_api_key: SecretStr | None = Field(
        default=None,
        validation_alias="OPENAI_API_KEY",
        description="The key for OpenAI. It turns OpenAI on.",
        examples=["sk-..."],
    )
    openai_base_url: str | None = Field(
        default=None,
        validation_alias="OPENAI_BASE_URL",
        description="A compatible server that is used in place of OpenAI.",
        examples=["http://127.0.0.1:11434/v1"],
    )
    openai_timeout_seconds: float = Field(
        default=30.0, gt=0, description="The time that one request to OpenAI may take."
    )
    use_openai_retrieval: bool = Field(
        default=False,
        validation_alias="USE_OPENAI_RETRIEVAL",
        description="OpenAI's vector stores search for every tenant that has not chosen otherwise. It must be equal on "
        "all servers and workers.",
    )
    openai_vector_store_id: str = Field(
        default="",
        validation_alias="OPENAI_VECTOR_STORE_ID",
        description="An existing vector store for the documents of the only tenant, if that tenant has none yet. It "
        "must be equal on all servers and workers.",
        examples=["vs_..."],
    )
    openai_search_seconds: float = Field(
        default=3.0, gt=0, description="The time to wait for a search at OpenAI. After it Postgres answers."
    )
    openai_search_usd: float = Field(
        default=2.5,
        ge=0,
        description="The price of 1,000 searches at OpenAI in dollars, for `kladez usage` and for comparisons.",
    )
    openai_breaker_failures: int = Field(
        default=5, ge=1, description="Failures in a row after which OpenAI Retrieval is not called."
    )
    openai_breaker_pause_seconds: float = Field(
        default=30.0,
        gt=0,
        description="The time for which OpenAI Retrieval is not called. Then one search tries it again.",
    )

    document_bytes: int = Field(
        default=documents.MAX_CONTENT_BYTES,
        ge=1_024,
        le=documents.MAX_CONTENT_BYTES,
        description="The greatest length of a document's content, in bytes. The default is the highest value.",
    )
    document_passages: int = Field(
        default=5_000,
        ge=1,
        description="A document that is cut into more passages is left in error, and the error says so.",
    )
    workers: int = Field(
        default=1,
        ge=0,
        le=32,
        description="Batches that are indexed at one time inside the service. With 0 only `kladez work` indexes.",
    )
    job_batch: int = Field(
        default=32, ge=1, le=500, description="Documents of one tenant that a worker claims at one time."
    )
    job_batch_bytes: int = Field(
        default=262_144,
        ge=1_024,
        description="The text of these documents together, in bytes. A single document may be longer.",
    )
    job_tenants: int = Field(
        default=4,
        ge=1,
        le=32,
        description="Tenants whose documents a worker indexes side by side, so that no tenant waits for another.",
    )
    job_step_passages: int = Field(
        default=64,
        ge=1,
        le=2_048,
        description="Passages of a large document that are embedded in one step. A finished step is kept when its "
        "worker dies.",
    )
    job_turn_seconds: float = Field(
        default=15.0,
        ge=0,
        description="How long a large document is embedded before it gives way, where large documents of other tenants "
        "wait. Its finished steps are kept.",
    )
    job_lease_seconds: float = Field(
        default=20.0,
        ge=1,
        description="The lease of a claim. After it other workers take over from a dead worker.",
    )
    job_max_attempts: int = Field(default=5, ge=1, description="Attempts before a document is left in error.")
    job_poll_seconds: float = Field(
        default=2.0,
        gt=0,
        description="How often a worker looks for jobs when no notification of Postgres wakes it.",
    )
    sync_batch: int = Field(
        default=50, ge=1, le=500, description="Documents that are sent to OpenAI Retrieval together."
    )
    sync_concurrency: int = Field(default=4, ge=1, le=64, description="Such batches at one time.")
    index_job_batch: int = Field(
        default=32, ge=1, le=1_000, description="Documents that an index job gives to the queue together."
    )
    index_job_concurrency: int = Field(
        default=4, ge=1, le=64, description="Such batches of one tenant in the queue at one time."
    )
    index_job_cooldown_seconds: float = Field(
        default=600.0, ge=0, description="The time between two rebuilds of a tenant's index."
    )
    exact_lexical_chunks: int = Field(
        default=2_000,
        ge=0,
        description="Tenants with at most this many chunks have every chunk scored by words.",
    )
    own_index_chunks: int = Field(
        default=10_000, ge=1, description="Tenants with more chunks get a vector index of their own."
    )

    sql_source_prefix: str = Field(
        default="KLADEZ_SOURCE_",
        pattern=r"^[A-Z][A-Z0-9_]{2,}_$",
        description="The first letters of the variables that may hold the address of a source's database.",
    )
    sql_source_timeout_seconds: float = Field(
        default=300.0, ge=1, description="The time that one query of a source may take."
    )
    schedule_reconcile: Annotated[str, AfterValidator(checked_cron)] = Field(
        default="0 2 * * *",
        description="When all sources are read: a cron expression in UTC. Empty means never.",
    )
    schedule_rebuild: Annotated[str, AfterValidator(checked_cron)] = Field(
        default="0 3 * * 0",
        description="When the index of every tenant is rebuilt: a cron expression in UTC, by default on Sundays at "
        "three. Unchanged text is not embedded again. Empty means never.",
    )
    schedule_drift: Annotated[str, AfterValidator(checked_cron)] = Field(
        default="0 4 * * *",
        description="When the contents of OpenAI Retrieval are compared with the documents and repaired: a cron "
        "expression in UTC. Empty means never.",
    )

    log_level: str = Field(default="info", description="`debug`, `info`, `warning` or `error`.")
    log_format: str = Field(default="console", description="`console` for people, or `json` for programs.")
    log_file_megabytes: int = Field(
        default=8,
        ge=1,
        le=10_000,
        description="The size at which a log file of `kladez up` is put aside, in megabytes.",
    )
    log_files: int = Field(
        default=5,
        ge=1,
        le=100,
        description="How many files of each log are kept, with the one that is written to.",
    )

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
