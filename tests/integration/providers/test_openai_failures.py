"""Which of our errors a provider's answer becomes; here and not in unit only because the SDK loads slowly."""

from __future__ import annotations

import pytest

from retrieval_service import errors
from retrieval_service.providers.openai.client import OpenAISettings
from retrieval_service.providers.openai.failures import in_stream, retry_after_seconds

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:30 GMT"}, 10.0),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
    ],
)
def test_wait_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers, now=NOW) == seconds


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_error", errors.ProviderUnavailable),
        ("rate_limit_exceeded", errors.ProviderUnavailable),
        (None, errors.ProviderUnavailable),
        ("503", errors.ProviderUnavailable),
        ("400", errors.ProviderRefused),
        ("invalid_prompt", errors.ProviderRefused),
        ("insufficient_quota", errors.ProviderRefused),
    ],
)
def test_stream_error_is_temporary_or_final_by_its_code(code: str | None, kind: type[Exception]) -> None:
    assert type(in_stream(code)) is kind


def test_code_that_looks_like_a_secret_is_not_repeated() -> None:
    assert "sk-live-123" not in str(in_stream("sk-live-123"))


def test_key_is_not_in_the_settings_repr() -> None:
    assert "sk-live-123" not in repr(OpenAISettings(api_key="sk-live-123"))


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://eu.api.openai.com/v1", "openai"),
        ("https://notapi.openai.com.example/v1", "openai-compatible"),
        ("http://127.0.0.1:11434/v1", "openai-compatible"),
    ],
)
def test_provider_is_told_by_the_host(url: str, provider: str) -> None:
    assert OpenAISettings(api_key="k", base_url=url).provider == provider
