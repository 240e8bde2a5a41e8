"""Opens the SDK's client with everything said explicitly, so that no ambient variable changes a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from openai import AsyncOpenAI, DefaultAioHttpClient, Timeout
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseCompletedEvent

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_HOST = "api.openai.com"
CONNECT_SECONDS = 5.0
# The SDK insists on a key; a self-hosted server without one ignores what it is sent.
NO_KEY = "none"


@dataclass(frozen=True, kw_only=True)
class OpenAISettings:
    """How to reach OpenAI, or a server that speaks its protocol.

    `timeout_seconds` is the longest silence of one attempt; the SDK retries connection errors,
    408, 409, 429 and 5xx `max_retries` times, waiting as long as `Retry-After` says up to 120 s.
    """

    api_key: str = field(repr=False)
    base_url: str = OPENAI_URL
    organization: str | None = None
    timeout_seconds: float = 30.0
    max_retries: int = 2

    @property
    def provider(self) -> str:
        """`openai`, also at its regional hosts, or `openai-compatible`; the host itself says nothing."""
        host = urlsplit(self.base_url).hostname or ""
        is_openai = host == OPENAI_HOST or host.endswith(f".{OPENAI_HOST}")
        return "openai" if is_openai else "openai-compatible"


def open_client(settings: OpenAISettings) -> AsyncOpenAI:
    """The caller closes it; aiohttp underneath because it costs about a third of the default under load."""
    client = AsyncOpenAI(
        api_key=settings.api_key or NO_KEY,
        base_url=settings.base_url,
        timeout=_timeout(settings.timeout_seconds),
        max_retries=settings.max_retries,
        http_client=DefaultAioHttpClient(timeout=_timeout(settings.timeout_seconds)),
    )
    # Given as None these would be read from OPENAI_ORG_ID, OPENAI_PROJECT_ID and OPENAI_ADMIN_KEY instead.
    client.organization = settings.organization
    client.project = None
    client.admin_api_key = None
    _warm(client)
    return client


def _warm(client: AsyncOpenAI) -> None:
    """What the SDK builds at its first use takes a tenth of a second, for which no caller's loop should stand still."""
    _ = (client.responses, client.chat.completions, client.embeddings)
    ResponseCompletedEvent.construct(type="response.completed", response={"output": []})
    ChatCompletionChunk.construct(choices=[{"delta": {}}], usage={})


def _timeout(seconds: float) -> Timeout:
    return Timeout(seconds, connect=min(CONNECT_SECONDS, seconds))
