"""The bot's settings, read once from the environment (`KLADEZ_…`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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

    # `...` means required; said this way, a type checker knows that the environment fills it in.
    bot_token: SecretStr = Field(default=..., min_length=1)
    channel_key: SecretStr = Field(default=..., min_length=1)
    service_address: str = Field(default=..., min_length=1)
    bot_api_base_url: str = "https://api.telegram.org"
    bot_default_shop: str = ""
    bot_state_dir: Path = Field(default_factory=lambda: Path.home() / ".local" / "state" / "kladez-bot")
    # Where /metrics, /healthz and /readyz are; none without a port.
    bot_metrics_host: str = "127.0.0.1"
    bot_metrics_port: Annotated[int, Field(ge=0, le=65_535)] | None = None
    # Telegram counts edits as messages and bears about one a second in a chat; 1.5 leaves room for the rest.
    bot_edit_interval_seconds: float = Field(default=1.5, gt=0)
    # How long answers may finish after SIGTERM before they are ended with a word of explanation.
    bot_shutdown_grace_seconds: float = Field(default=15.0, gt=0)


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
