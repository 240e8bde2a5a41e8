"""The bot's settings, read once from the environment (`KLADEZ_…`)."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "KLADEZ_"


class SettingsInvalid(Exception):
    """The configuration is wrong; the text names every variable at fault and never its value."""


class Settings(BaseSettings):
    """What the bot needs to know before it starts."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    # `...` means required. Written so, a type checker knows that the environment provides the value.
    service_address: str = Field(
        default=...,
        min_length=1,
        description="The address of the service: `https://host:port`, or `host:port` without TLS.",
        examples=["127.0.0.1:50051"],
    )
    channel_key: SecretStr = Field(
        default=...,
        min_length=1,
        description="A key of scope `channel`.",
        examples=["from-kladez-tenant-key"],
    )
    bot_token: SecretStr = Field(
        default=..., min_length=1, description="The bot's token, from BotFather.", examples=["from-BotFather"]
    )
    bot_default_shop: str = Field(
        default="",
        description="The public key of the shop for people who come without a link.",
        examples=["a-public-key"],
    )
    bot_state_dir: Path = Field(
        default_factory=lambda: Path.home() / ".local" / "state" / "kladez-bot",
        description="The folder where the bot remembers which chat asks which shop. Without it a folder in the home "
        "folder is used.",
        examples=["state"],
    )
    bot_api_base_url: str = Field(default="https://api.telegram.org", description="The Bot API server.")
    bot_metrics_host: str = Field(
        default="127.0.0.1",
        description="The address of the bot's pages for operators. Strangers must not reach it.",
    )
    bot_metrics_port: int | None = Field(
        default=None,
        ge=0,
        le=65_535,
        description="The port of the bot's `/metrics`, `/healthz` and `/readyz`. Without it there are no such pages.",
        examples=["9466"],
    )
    # Telegram counts edits as messages and allows about one a second in a chat. 1.5 s leaves a margin.
    bot_edit_interval_seconds: float = Field(
        default=1.5, gt=0, description="The time between two updates of a growing answer."
    )
    bot_shutdown_grace_seconds: float = Field(
        default=15.0, gt=0, description="The time that answers get to finish when the bot stops."
    )


def load() -> Settings:
    """The settings from the environment; raises `SettingsInvalid`."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsInvalid("; ".join(faults(error))) from None


def faults(error: ValidationError) -> list[str]:
    """One line for each wrong variable, by the name it has in the environment."""
    return [
        f"{PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg'][0].lower()}{fault['msg'][1:]}"
        for fault in error.errors(include_input=False, include_url=False, include_context=False)
    ]
