"""A variable that is set and empty, as compose files leave it, counts as not given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic_settings import BaseSettings

import bot.config
import widget_gateway.config
from retrieval_service import config
from retrieval_service.cli import main
from retrieval_service.cli.up import up
from retrieval_service.client import tls
from tests.house.repository import option_variables

LOADERS: dict[type[BaseSettings], Callable[[], BaseSettings]] = {
    config.Settings: config.load,
    bot.config.Settings: bot.config.load,
    widget_gateway.config.Settings: widget_gateway.config.read_settings,
    tls.TlsSettings: tls.TlsSettings,
}
REQUIRED = {
    "KLADEZ_BOT_TOKEN": "1:a",
    "KLADEZ_CHANNEL_KEY": "a key",
    "KLADEZ_SERVICE_ADDRESS": "127.0.0.1:1",
}


def variables(kind: type[BaseSettings]) -> dict[str, str]:
    """By field."""
    prefix = kind.model_config.get("env_prefix", "")
    return {
        name: str(field.validation_alias or f"{prefix}{name}".upper())
        for name, field in kind.model_fields.items()
    }


FIELDS = [
    pytest.param(kind, name, variable, id=f"{kind.__module__}.{name}")
    for kind in LOADERS
    for name, variable in variables(kind).items()
]


@pytest.fixture(autouse=True)
def nothing_else_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # without a file .env
    for kind in LOADERS:
        for variable in variables(kind).values():
            monkeypatch.delenv(variable, raising=False)
    for variable, value in REQUIRED.items():
        monkeypatch.setenv(variable, value)


@pytest.mark.parametrize(("kind", "name", "variable"), FIELDS)
def test_empty_variable_leaves_the_default(
    kind: type[BaseSettings], name: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = getattr(LOADERS[kind](), name)
    monkeypatch.setenv(variable, "")
    if variable in REQUIRED:
        with pytest.raises(
            (bot.config.SettingsInvalid, widget_gateway.config.SettingsInvalid),
            match=f"{variable}: .ield required",
        ):
            LOADERS[kind]()
    elif name in config.SAY_SOMETHING_EMPTY:
        assert getattr(LOADERS[kind](), name) == ""
    else:
        assert getattr(LOADERS[kind](), name) == default


def test_only_what_says_never_keeps_its_empty_text(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in variables(config.Settings).values():
        monkeypatch.setenv(variable, "")
    assert config.load().model_fields_set == config.SAY_SOMETHING_EMPTY


def test_empty_variable_hides_its_line_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("OPENAI_API_KEY=from-the-file\nKLADEZ_PORT=7\nKLADEZ_HOST=\n")
    monkeypatch.setenv("OPENAI_API_KEY", "")
    settings = config.load()
    assert (settings.openai_api_key, settings.port, settings.host) == (None, 7, "127.0.0.1")


def test_empty_port_lets_up_choose_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLADEZ_PORT", "")
    assert up.service_wish(config.load(), None).given is None


def test_empty_address_of_a_source_is_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLADEZ_SOURCE_SHOP", "")
    monkeypatch.setenv("KLADEZ_SOURCE_CRM", "postgresql:///crm")
    assert config.source_dsns("KLADEZ_SOURCE_") == {"KLADEZ_SOURCE_CRM": SecretStr("postgresql:///crm")}


def test_empty_variables_of_the_command_line_leave_it_to_the_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(main, "default_data_dir", lambda: tmp_path / "usual")
    for variable in option_variables():
        monkeypatch.setenv(variable, "")
    assert main.run(["tenant", "list", "--data-dir", ""]) == 3
    assert f"No service is known in {tmp_path / 'usual'}" in " ".join(capsys.readouterr().err.split())
