"""Reads vectors out of an embeddings answer, as base64 or as numbers, and trusts nothing in it."""

from __future__ import annotations

import base64

import numpy as np
from openai.types import CreateEmbeddingResponse

from retrieval_service import errors
from retrieval_service.domain.indexing.spaces import Vectors
from retrieval_service.providers.openai import failures


def decoded(response: CreateEmbeddingResponse, *, count: int) -> Vectors:
    """Rows of shape (count, length) in the texts' order; `errors.ProviderRefused` for anything else."""
    # A page that is not JSON comes back from the SDK as a plain string.
    if not isinstance(response, CreateEmbeddingResponse) or not isinstance(response.data, list):
        raise failures.unintelligible()
    if len(response.data) != count:
        raise errors.ProviderRefused(
            f"The model provider returned {len(response.data)} vectors for {count} texts."
        )
    # A stable sort: some servers number every row 0 and mean the order of the list.
    in_order = sorted(response.data, key=lambda item: item.index or 0)
    try:
        return np.stack([_row(item.embedding) for item in in_order])
    except (ValueError, TypeError) as error:
        raise failures.unintelligible() from error


def normalized(rows: Vectors) -> Vectors:
    """Unit length; a row without direction, or with a NaN, raises `errors.ProviderRefused`."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths) & (lengths > 0)):
        raise errors.ProviderRefused("The model provider returned a vector without direction.")
    return rows / lengths


def paid_tokens(response: CreateEmbeddingResponse) -> int:
    """0 from a server that does not count them."""
    return (response.usage.prompt_tokens or 0) if response.usage else 0


def _row(embedding: object) -> Vectors:
    """The SDK's type says a list of floats; asked for base64, it passes the text on."""
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")
    return np.asarray(embedding, dtype=np.float32).reshape(-1)
