"""POST /v1/embeddings: a hashed bag of words, so that texts with common words have similar vectors."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from tests.fakes.openai import wire
from tests.fakes.openai.fake import FAKE, FakeOpenAI

MOST_TEXTS = 2048
MOST_TOKENS = 300_000
WINDOW_TOKENS = 8192


async def create_embeddings(request: web.Request) -> web.Response:
    fake, body = request.app[FAKE], await request.json()
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    if refusal := refused(body, texts):
        return refusal
    length = vector_length(fake, body)
    is_base64 = body.get("encoding_format") == "base64" and not fake.always_floats
    rows = [
        {"object": "embedding", "index": index, "embedding": encoded(fake.embedded(text, length), is_base64)}
        for index, text in enumerate(texts)
    ]
    paid = sum(map(wire.count_tokens, texts))
    usage = {"prompt_tokens": paid, "total_tokens": paid}
    return web.json_response({"object": "list", "data": rows, "model": body["model"], "usage": usage})


def refused(body: Mapping[str, Any], texts: list[str]) -> web.Response | None:
    tokens = [wire.count_tokens(text) for text in texts]
    if not texts or len(texts) > MOST_TEXTS or "" in texts:
        return wire.error(400, "'$.input' is invalid.", param="input")
    if max(tokens) > WINDOW_TOKENS:
        return wire.error(400, f"This model's maximum context length is {WINDOW_TOKENS} tokens.")
    if sum(tokens) > MOST_TOKENS:
        return wire.error(400, f"Requested tokens exceed {MOST_TOKENS}.", code="max_tokens_per_request")
    if "dimensions" in body and body["model"] == "text-embedding-ada-002":
        return wire.error(400, "This model does not support specifying dimensions.", param="dimensions")
    return None


def vector_length(fake: FakeOpenAI, body: Mapping[str, Any]) -> int:
    native = fake.dimensions_of(body["model"])
    return native if fake.ignores_dimensions else body.get("dimensions", native)


def encoded(vector: NDArray[np.float32], is_base64: bool) -> str | list[float]:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode() if is_base64 else vector.tolist()


ROUTES = [web.post("/v1/embeddings", create_embeddings)]
