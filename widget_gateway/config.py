"""The gateway's settings, read once from the environment."""

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

    service_address: str = Field(
        min_length=1,
        validation_alias="KLADEZ_SERVICE_ADDRESS",
        description="The address of the service: `https://host:port`, or `host:port` without TLS.",
        examples=["127.0.0.1:50051"],
    )
    channel_key: SecretStr = Field(
        min_length=1,
        validation_alias="KLADEZ_CHANNEL_KEY",
        description="A key of scope `channel`.",
        examples=["from-kladez-tenant-key"],
    )

    host: str = Field(default="127.0.0.1", description="The address on which HTTP listens.")
    port: int = Field(default=8080, ge=0, le=65535, description="The port of HTTP. 0 takes any free port.")
    metrics_host: str = Field(
        default="127.0.0.1",
        description="The address of the gateway's pages for operators. Strangers must not reach it.",
    )
    metrics_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="The port of the gateway's `/metrics`, and of `/healthz` and `/readyz` with all details. Without "
        "it there are no such pages.",
        examples=["9465"],
    )
    session_secret: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Signs the sessions of visitors. It must be equal on all gateways. Without it a random secret is "
        "used, and sessions end with the process.",
        examples=["at-least-sixteen-characters"],
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        default=(),
        description="The networks whose `X-Forwarded-For` is believed, separated by commas.",
        examples=["127.0.0.1/32"],
    )
    allow_null_origin: bool = Field(
        default=False,
        description="Lets in pages that were opened from a file, and sandboxed frames. For development only.",
    )
    telegram_bot: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_]{0,32}$",
        description='The bot\'s name without "@". With it the chat offers to continue in Telegram.',
    )

    demo_shop: UUID | None = Field(
        default=None,
        description="The public key of the shop that the demo page shows. Without it there is no demo page.",
        examples=["a-public-key"],
    )
    demo_catalogue: Path | None = Field(
        default=None,
        description="The shop file that the demo page shows. Help texts in English stand beside it in `shop.en.json`.",
        examples=["shop.json"],
    )
    demo_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="The names under which the demo page is served, separated by commas. Addresses and `localhost` "
        "always serve it.",
        examples=["demo.example"],
    )

    frame_bytes: int = Field(default=16_384, ge=1024, description="The largest message of a page, in bytes.")
    question_characters: int = Field(
        default=2000, ge=1, description="The greatest length of a question, in characters."
    )
    request_seconds: float = Field(
        default=20.0,
        gt=0,
        description="The time to wait for the head of a request, and for a request on an open connection.",
    )
    hello_seconds: float = Field(
        default=5.0, gt=0, description="The time to wait for a socket's first message."
    )
    send_seconds: float = Field(
        default=10.0, gt=0, description="The time to wait for a page that reads slowly."
    )
    answer_seconds: float = Field(
        default=125.0,
        gt=0,
        description="The time that one whole answer may take. It has to be longer than `KLADEZ_ANSWER_SECONDS`.",
    )
    drain_seconds: float = Field(
        default=10.0, ge=0, description="The time that answers get to finish when the gateway stops."
    )
    heartbeat_seconds: float = Field(
        default=25.0, gt=0, description="How often a socket is asked whether it lives."
    )
    session_days: int = Field(default=7, ge=1, description="How many days a visitor's session is kept.")
    idle_session_seconds: float = Field(
        default=600.0, gt=0, description="How long a session without a socket stays in memory."
    )

    frames_per_minute: int = Field(default=240, ge=1, description="Messages of one socket in a minute.")
    session_questions_per_minute: int = Field(
        default=20, ge=1, description="Questions of one visitor in a minute."
    )
    address_questions_per_minute: int = Field(
        default=60, ge=1, description="Questions from one address in a minute."
    )
    shop_questions_per_day: int = Field(
        default=10_000,
        ge=1,
        description="Questions to one shop in a day, at this gateway. The service counts those of all gateways.",
    )
    address_questions_per_day: int = Field(
        default=0,
        ge=0,
        description="The part of these questions that may come from one address, or one IPv6 network of /64. 0 means a "
        "tenth.",
    )
    address_pages_per_minute: int = Field(
        default=60, ge=1, description="Pages of snapshots that one address opens in a minute."
    )
    connections_per_address: int = Field(
        default=100,
        ge=1,
        description="Open connections from one address, silent ones included. Trusted proxies may have any number.",
    )
    sockets_per_address: int = Field(default=20, ge=1, description="Open sockets from one address.")
    answers_per_session: int = Field(default=2, ge=1, description="Answers for one visitor at one time.")
    answers_at_once: int = Field(default=500, ge=1, description="Answers for all visitors at one time.")

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
