"""Which questions are grouped, by their words and with the embedded model's vectors."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from retrieval_service.domain.alike import Asked, likeness
from retrieval_service.domain.spaces import Vector
from retrieval_service.providers.local.minilm import open_minilm
from tests.unit.likeness_pairs import HALVES, LEAST_PRECISION, LEAST_RECALL, Pair, figures

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vectors() -> AsyncIterator[Mapping[str, Vector]]:
    """Of the English questions, the only ones that the model declares to read."""
    pairs = [pair for half in HALVES.values() for pair in (*half["en"].same, *half["en"].different)]
    texts = sorted({text for pair in pairs for text in pair})
    embedder = await open_minilm(workers=1)
    embedded = await embedder.embed_passages(texts)
    await embedder.close()
    yield dict(zip(texts, embedded.vectors, strict=True))


@pytest.mark.parametrize("half", sorted(HALVES))
async def test_meaning_joins_no_look_alikes_that_words_keep_apart(
    vectors: Mapping[str, Vector], half: str
) -> None:
    def is_joined(pair: Pair, language: str) -> bool:
        one, other = (Asked(text=text, language=language, vector=vectors.get(text)) for text in pair)
        return likeness(one, other) >= 1

    found = figures(HALVES[half], is_joined)
    sys.stdout.write(f"{half}: precision {found.precision:.3f}, recall {found.recall:.3f}\n")
    assert found.precision >= LEAST_PRECISION
    assert found.recall >= LEAST_RECALL[half]
