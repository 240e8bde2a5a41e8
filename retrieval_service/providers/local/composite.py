"""Two networks in one vector: e5 for every language, MiniLM beside it where a text is in a language that it reads.

E5 is strong across languages, MiniLM on short colloquial English. For a question and a passage whose language MiniLM
reads, the cosine of two composed vectors is, apart from one constant divisor,

    (1 - share) x cosine of e5 / its range  +  share x (cosine of MiniLM - its floor) / its range

and for all other pairs the first term alone. Each cosine is divided by how far it ranges between unrelated texts and
equal ones. MiniLM's floor, what it gives passages that share a question's subject and do not answer it, is taken off
so that an English passage gains nothing by its language alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retrieval_service.domain.indexing.chunking import ChunkPolicy
from retrieval_service.domain.indexing.spaces import Level, Scale, Space, Turns, Vectors
from retrieval_service.domain.retrieval.query_readings import Familiarity
from retrieval_service.providers.local import e5, minilm
from retrieval_service.providers.local.embedding import DEFAULT_WORKERS, LocalEmbedder
from retrieval_service.text.languages import detect_language

# Measured with English questions on passages that stand there in English and in Russian: with this floor the first ten
# hold both for 94 % of the questions, with a floor of 0.2 or with e5 alone for two thirds.
MINILM_SHARE = 0.4
E5_RANGE = 0.2
MINILM_RANGE = 0.6
MINILM_FLOOR = 0.4

_E5_WEIGHT = (1 - MINILM_SHARE) / E5_RANGE
_MINILM_WEIGHT = MINILM_SHARE / MINILM_RANGE
_FLOOR = _MINILM_WEIGHT * MINILM_FLOOR
_SQUARED_LENGTH = _E5_WEIGHT + _MINILM_WEIGHT + _FLOOR

# After the two vectors: the floor, and what fills a vector without MiniLM up to the length of all others. Questions
# and passages fill different places, so it never counts.
_FLOOR_AT = e5.SPACE.dimensions + minilm.SPACE.dimensions
_QUERY_FILLING_AT, _PASSAGE_FILLING_AT = _FLOOR_AT + 1, _FLOOR_AT + 2


def _composed(levels: Mapping[str, Level]) -> dict[str, Level]:
    """Those of e5 on the composed scale."""
    return {
        pair: Level(
            mean=(_E5_WEIGHT * level.mean) / _SQUARED_LENGTH,
            deviation=_E5_WEIGHT * level.deviation / _SQUARED_LENGTH,
        )
        for pair, level in levels.items()
    }


# In English MiniLM is heard too, and was measured with e5.
UNRELATED = _composed(e5.UNRELATED) | {"en>en": Level(mean=0.5448, deviation=0.0319)}

SPACE = Space(
    provider="local",
    model=f"{e5.SPACE.model}+{minilm.SPACE.model}",
    revision=f"{e5.SPACE.revision}+{MINILM_SHARE}x{minilm.SPACE.revision}",
    dimensions=_PASSAGE_FILLING_AT + 1,
    max_tokens=e5.SPACE.max_tokens,
    query_prefix=e5.SPACE.query_prefix,
    passage_prefix=e5.SPACE.passage_prefix,
    scale=Scale(
        floor=_E5_WEIGHT * e5.SCALE.floor / _SQUARED_LENGTH,
        spread=_E5_WEIGHT * e5.SCALE.spread / _SQUARED_LENGTH,
        share=e5.SCALE.share,
        reads_well=True,
        # Two passages fill the same places, which counts where MiniLM does not read them.
        alike={
            "": (_E5_WEIGHT * e5.SCALE.alike[""] + _MINILM_WEIGHT + _FLOOR) / _SQUARED_LENGTH,
            "en": 0.89,
        },
        unrelated=UNRELATED,
    ),
    turns=Turns(centres=e5.CENTRES, unrelated=_composed(e5.UNRELATED_TURNED)),
)


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A text as both networks read it; `minilm` is empty for a language that MiniLM does not read."""

    e5: list[int]
    minilm: list[int]
    is_query: bool

    def __len__(self) -> int:
        return len(self.e5) + len(self.minilm)


async def open_composite(
    model_dir: Path | None = None, workers: int = DEFAULT_WORKERS
) -> LocalEmbedder[Encoded]:
    """Checks and loads both in a thread; raises `errors.Misconfigured` when one is missing or altered."""
    return LocalEmbedder(await asyncio.to_thread(load, model_dir), workers)


class Composite:
    """A `Network`. The language of a text is found in the text itself, so equal texts have equal vectors."""

    def __init__(self, multilingual: e5.E5Small, english: minilm.MiniLM) -> None:
        self._e5 = multilingual
        self._minilm = english

    @property
    def space(self) -> Space:
        return SPACE

    @property
    def chunk_policy(self) -> ChunkPolicy:
        return self._e5.chunk_policy

    def encode_passage(self, text: str) -> Encoded:
        ids = self._minilm.encode_passage(text) if _is_read(text) else []
        return Encoded(e5=self._e5.encode_passage(text), minilm=ids, is_query=False)

    def encode_query(self, text: str) -> Encoded:
        ids = self._minilm.encode_query(text) if _is_read(text) else []
        return Encoded(e5=self._e5.encode_query(text), minilm=ids, is_query=True)

    def familiarity(self, word: str) -> Familiarity:
        """E5 judges all languages; English words that it knows only in pieces are whole ones of MiniLM."""
        is_english = self._minilm.familiarity(word) is Familiarity.KNOWN
        return Familiarity.KNOWN if is_english else self._e5.familiarity(word)

    def infer(self, batch: Sequence[Encoded]) -> Vectors:
        read = [row for row, one in enumerate(batch) if one.minilm]
        english = np.zeros((len(batch), minilm.SPACE.dimensions), np.float32)
        if read:
            english[read] = self._minilm.infer([batch[row].minilm for row in read])
        return compose(self._e5.infer([one.e5 for one in batch]), english, [one.is_query for one in batch])


def compose(multilingual: Vectors, english: Vectors, are_queries: Sequence[bool]) -> Vectors:
    """Unit vectors of both networks, zeros where MiniLM does not read the text, to unit vectors of the space."""
    are_read, asks = english.any(axis=1), np.array(are_queries)
    floors = np.where(asks, np.sqrt(_FLOOR), -np.sqrt(_FLOOR)) * are_read
    fillings = np.where(are_read, 0.0, np.sqrt(_MINILM_WEIGHT + _FLOOR))
    columns = [floors, fillings * asks, fillings * ~asks]
    composed = np.hstack(
        [multilingual * np.sqrt(_E5_WEIGHT), english * np.sqrt(_MINILM_WEIGHT), np.stack(columns, axis=1)]
    )
    return np.asarray(composed / np.sqrt(_SQUARED_LENGTH), np.float32)


def load(model_dir: Path | None = None) -> Composite:
    """Raises `errors.Misconfigured` when a model is missing or altered."""
    return Composite(e5.load(model_dir), minilm.load(model_dir))


def _is_read(text: str) -> bool:
    return detect_language(text) in minilm.SPACE.languages
