"""Texts and vectors of shops that do not exist, the same in every process and every run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval_service.domain.documents.documents import Draft
from retrieval_service.domain.indexing.spaces import Embedded, Scale, Space, Vector, Vectors
from retrieval_service.domain.retrieval.query_readings import Familiarity

DIMENSIONS = 384
# All tenants' passages are variations of these, so a question's nearest neighbours are mostly other tenants'.
TOPICS = 500
VARIATION = 0.7

WORDS_PER_CHUNK = 80
VOCABULARY = 20_000
ZIPF = 1.2
SYLLABLES = ("ba", "ce", "di", "fo", "gu", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "zo", "cha", "tri")
COMMON = ("the", "and", "of", "to", "is", "in", "for", "you", "it", "with", "on", "we", "are", "this", "from")

SPACE = Space(
    provider="synthetic",
    model="topics",
    revision="1",
    dimensions=DIMENSIONS,
    max_tokens=8_000,
    scale=Scale(),
)


class SyntheticEmbedder:
    """An embedder that costs nothing: a text's vector is made once from its hash, and then remembered."""

    def __init__(self) -> None:
        self._topics = unit(np.random.default_rng(1).standard_normal((TOPICS, DIMENSIONS)))
        self._remembered: dict[str, Vector] = {}
        self.embedded_count = 0

    @property
    def space(self) -> Space:
        return SPACE

    def vectors(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self._vector(text) for text in texts])

    async def embed_passages(self, texts: Sequence[str], *, patiently: bool = False) -> Embedded:  # noqa: ARG002
        self.embedded_count += len(texts)
        return Embedded(vectors=self.vectors(texts), tokens=len(texts))

    def familiarity(self, word: str) -> Familiarity:  # noqa: ARG002
        return Familiarity.POSSIBLE

    async def embed_query(self, text: str) -> Embedded:
        return Embedded(vectors=self.vectors([text]), tokens=1)

    async def embed_queries(self, texts: Sequence[str]) -> Embedded:
        return Embedded(vectors=self.vectors(texts), tokens=len(texts))

    async def close(self) -> None:
        """Nothing is open."""

    def _vector(self, text: str) -> Vector:
        if text not in self._remembered:
            seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
            noise = unit(np.random.default_rng(seed).standard_normal((1, DIMENSIONS)))[0]
            self._remembered[text] = unit(self._topics[seed % TOPICS] + VARIATION * noise)
        return self._remembered[text]


def unit(vectors: NDArray[np.float64]) -> Vectors:
    """Rows of length 1."""
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


class Writer:
    """Writes English-looking nonsense whose words are as unevenly frequent as real ones."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def text(self, words: int = WORDS_PER_CHUNK) -> str:
        ranks = np.minimum(self._random.zipf(ZIPF, words), VOCABULARY)
        return " ".join(COMMON[rank - 1] if rank <= len(COMMON) else word(int(rank)) for rank in ranks) + "."

    def question(self, about: str) -> str:
        """Four words of the text, asked the way people ask."""
        rare = [each.strip(".") for each in about.split() if each not in COMMON]
        asked = self._random.choice(rare, min(4, len(rare)), replace=False)
        return f"how long does it take to {' '.join(asked)}?"


def word(rank: int) -> str:
    """The word of this rank; frequent ones are short."""
    syllables = [SYLLABLES[rank % len(SYLLABLES)]]
    while rank >= len(SYLLABLES):
        rank //= len(SYLLABLES)
        syllables.append(SYLLABLES[rank % len(SYLLABLES)])
    return "".join(syllables)


def drafts(count: int, writer: Writer, *, words: int = WORDS_PER_CHUNK) -> Iterator[Draft]:
    """Documents of the size of an FAQ entry."""
    for number in range(count):
        yield Draft(
            source_type="faq",
            external_id=f"faq-{number}",
            title=f"Question {number}",
            content=writer.text(words),
            language="en",
            metadata={"price": number},
        )
