"""An embeddings answer is checked before it is believed; here and not in unit as the SDK loads slowly."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from openai.types import CreateEmbeddingResponse

from retrieval_service import errors
from retrieval_service.providers.openai import vectors


def answer(*rows: object, indexes: tuple[int | None, ...] | None = None) -> CreateEmbeddingResponse:
    """Built as the SDK builds it from a lax server: nothing is validated."""
    places = indexes or tuple(range(len(rows)))
    data = [{"index": index, "embedding": row} for index, row in zip(places, rows, strict=True)]
    return CreateEmbeddingResponse.construct(data=data, model="m", object="list")


def test_rows_follow_their_index() -> None:
    rows = vectors.decoded(answer([1.0, 0.0], [0.0, 1.0], indexes=(1, 0)), count=2)
    np.testing.assert_array_equal(rows, [[0, 1], [1, 0]])


@pytest.mark.parametrize("indexes", [(0, 0), (None, None)])
def test_rows_without_an_index_keep_their_order(indexes: tuple[int | None, ...]) -> None:
    rows = vectors.decoded(answer([1.0, 0.0], [0.0, 1.0], indexes=indexes), count=2)
    np.testing.assert_array_equal(rows, [[1, 0], [0, 1]])


def test_base64_is_little_endian_float32() -> None:
    packed = base64.b64encode(b"\x00\x00\x80\x3f\x00\x00\x00\xc0").decode()
    np.testing.assert_array_equal(vectors.decoded(answer(packed), count=1), [[1.0, -2.0]])


@pytest.mark.parametrize(
    ("response", "said"),
    [
        ("<html></html>", "base URL"),
        (CreateEmbeddingResponse.construct(data=None), "base URL"),
        (answer("not base64!"), "base URL"),
        (answer([1.0], [1.0, 2.0]), "base URL"),
        (answer({"a": 1}), "base URL"),
        (answer([1.0]), "1 vectors for 2 texts"),
    ],
)
def test_answer_of_another_shape_is_refused(response: CreateEmbeddingResponse, said: str) -> None:
    count = 2 if "texts" in said or len(getattr(response, "data", None) or ()) == 2 else 1
    with pytest.raises(errors.ProviderRefused, match=said):
        vectors.decoded(response, count=count)


@pytest.mark.parametrize("row", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_vector_without_direction_is_refused(row: list[float]) -> None:
    with pytest.raises(errors.ProviderRefused, match="direction"):
        vectors.normalized(np.array([[1.0, 0.0], row], dtype=np.float32))


def test_uncounted_tokens_are_zero() -> None:
    assert vectors.paid_tokens(answer([1.0])) == 0
