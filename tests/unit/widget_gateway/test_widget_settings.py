"""The gateway's settings: what is missing is named, and secrets are never shown."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from widget_gateway.config import SettingsInvalid, read_settings


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("KLADEZ_SERVICE_ADDRESS", "127.0.0.1:50051")
    monkeypatch.setenv("KLADEZ_CHANNEL_KEY", "hidden-key")
    return monkeypatch


def test_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KLADEZ_SERVICE_ADDRESS", raising=False)
    monkeypatch.delenv("KLADEZ_CHANNEL_KEY", raising=False)
    with pytest.raises(SettingsInvalid, match=r"KLADEZ_SERVICE_ADDRESS: .*; KLADEZ_CHANNEL_KEY: "):
        read_settings()


def test_wrong_value_is_named_and_not_shown(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("KLADEZ_GATEWAY_SESSION_SECRET", "too short")
    with pytest.raises(SettingsInvalid, match="KLADEZ_GATEWAY_SESSION_SECRET") as caught:
        read_settings()
    assert "too short" not in str(caught.value)


def test_secrets_are_not_in_the_representation(environment: pytest.MonkeyPatch) -> None:
    assert "hidden-key" not in repr(read_settings())


def test_proxies_are_a_list_with_commas(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("KLADEZ_GATEWAY_TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.1/32")
    assert read_settings().trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("127.0.0.1/32"))


def test_hosts_of_the_demo_page_are_a_list_with_commas(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("KLADEZ_GATEWAY_DEMO_HOSTS", "demo.example, shop.example")
    assert read_settings().demo_hosts == ("demo.example", "shop.example")
