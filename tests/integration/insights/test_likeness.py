"""Which questions are grouped, by their words and with the vectors of each local model."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import pytest
import pytest_asyncio

from retrieval_service.domain.indexing.spaces import Space, Vector
from retrieval_service.domain.insights.question_similarity import Asked, likeness
from retrieval_service.providers.local.composite import open_composite
from retrieval_service.providers.local.e5 import open_e5
from retrieval_service.providers.local.minilm import open_minilm
from tests.kits.likeness_pairs import HALVES, LEAST_PRECISION, LEAST_RECALL, Pair, figures

pytestmark = pytest.mark.asyncio(loop_scope="module")
OPENING = {"minilm": open_minilm, "e5": open_e5, "both": open_composite}


@dataclass(frozen=True, kw_only=True)
class Read:
    """The pairs' questions in the languages that the model declares to read."""

    space: Space
    vectors: Mapping[str, Vector]

    def asked(self, text: str, language: str) -> Asked:
        is_read = not self.space.languages or language in self.space.languages
        vector = self.vectors[text] if is_read else None
        return Asked(text=text, language=language, vector=vector, scale=self.space.scale)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=OPENING)
async def read(request: pytest.FixtureRequest) -> AsyncIterator[Read]:
    pairs = [
        pair for half in HALVES.values() for one in half.values() for pair in (*one.same, *one.different)
    ]
    texts = sorted({text for pair in pairs for text in pair})
    embedder = await OPENING[request.param](workers=1)
    embedded = await embedder.embed_passages(texts)
    await embedder.close()
    yield Read(space=embedder.space, vectors=dict(zip(texts, embedded.vectors, strict=True)))


@pytest.mark.parametrize("half", sorted(HALVES))
async def test_meaning_joins_no_look_alikes_that_words_keep_apart(read: Read, half: str) -> None:
    def is_joined(pair: Pair, language: str) -> bool:
        one, other = (read.asked(text, language) for text in pair)
        return likeness(one, other) >= 1

    found = figures(HALVES[half], is_joined)
    sys.stdout.write(f"{half}: precision {found.precision:.3f}, recall {found.recall:.3f}\n")
    assert found.precision >= LEAST_PRECISION
    assert found.recall >= LEAST_RECALL[half]
