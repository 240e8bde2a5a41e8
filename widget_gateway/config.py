"""What the gateway reads from the environment, once, into frozen settings."""

from __future__ import annotations

import secrets
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated
from uuid import UUID

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "KLADEZ_GATEWAY_"
Network = IPv4Network | IPv6Network


class Settings(BaseSettings):
    """Names in the environment are the field names in capitals behind `KLADEZ_GATEWAY_`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    service_address: str = Field(min_length=1, validation_alias="KLADEZ_SERVICE_ADDRESS")
    channel_key: SecretStr = Field(min_length=1, validation_alias="KLADEZ_CHANNEL_KEY")

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    # Where /metrics is, and /healthz and /readyz in full; none without a port.
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    # Signs session tokens. Replicas share it; without it tokens end with the process.
    session_secret: SecretStr | None = Field(default=None, min_length=16)
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    # Lets pages opened from a file and sandboxed frames in; for development only.
    allow_null_origin: bool = False

    # The bot's name without "@"; with it the chat offers to go on in Telegram.
    telegram_bot: str = Field(default="", pattern=r"^[A-Za-z0-9_]{0,32}$")

    # The public key of the tenant whose shop the page at `/` shows; no page without it.
    demo_shop: UUID | None = None
    demo_catalogue: Path | None = None
    # Names under which that page is served, besides addresses and localhost.
    demo_hosts: Annotated[tuple[str, ...], NoDecode] = ()

    frame_bytes: int = Field(default=16_384, ge=1024)
    question_characters: int = Field(default=2000, ge=1)
    request_seconds: float = Field(default=20.0, gt=0)
    hello_seconds: float = Field(default=5.0, gt=0)
    send_seconds: float = Field(default=10.0, gt=0)
    answer_seconds: float = Field(default=125.0, gt=0)
    drain_seconds: float = Field(default=10.0, ge=0)
    heartbeat_seconds: float = Field(default=25.0, gt=0)
    session_days: int = Field(default=7, ge=1)
    idle_session_seconds: float = Field(default=600.0, gt=0)

    frames_per_minute: int = Field(default=240, ge=1)
    session_questions_per_minute: int = Field(default=20, ge=1)
    address_questions_per_minute: int = Field(default=60, ge=1)
    shop_questions_per_day: int = Field(default=10_000, ge=1)
    # 0 is a tenth of the shop's.
    address_questions_per_day: int = Field(default=0, ge=0)
    address_pages_per_minute: int = Field(default=60, ge=1)
    connections_per_address: int = Field(default=100, ge=1)
    sockets_per_address: int = Field(default=20, ge=1)
    answers_per_session: int = Field(default=2, ge=1)
    answers_at_once: int = Field(default=500, ge=1)

    @field_validator("trusted_proxies", "demo_hosts", mode="before")
    @classmethod
    def split_at_commas(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return [part.strip() for part in value.split(",") if part.strip()]


class SettingsInvalid(Exception):
    """The environment lacks a setting or holds a wrong one; the text names each."""


def read_settings() -> Settings:
    try:
        return Settings.model_validate({})
    except ValidationError as error:
        raise SettingsInvalid("; ".join(described(error))) from error


def described(error: ValidationError) -> list[str]:
    """One sentence for each wrong setting, without its value."""
    return [f"{variable(item['loc'])}: {item['msg']}" for item in error.errors(include_input=False)]


def variable(location: tuple[int | str, ...]) -> str:
    name = str(location[0])
    return name if name.startswith("KLADEZ_") else f"{PREFIX}{name.upper()}"


def random_secret() -> SecretStr:
    return SecretStr(secrets.token_urlsafe(32))
