"""Embedding spaces: which vectors may be compared with which, and what their model understands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from statistics import fmean
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Level:
    """The cosines of questions with passages about other things: their mean and their standard deviation."""

    mean: float
    deviation: float


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How the cosines of a model are to be read; measured for each model, for no two have the same.

    Texts that have nothing to do with each other have the `floor` or less, a right passage stands up to `spread` above
    it. `share` is how much the vectors count in a hybrid score where the model reads the question's language. Where a
    model `reads_well`, words count by how much of the question they are, and the vectors less the more it is. Two
    questions that have the cosine `alike` of their language, or of "" for all others, ask for the same; they are
    embedded as passages. `unrelated` has the cosines of texts that have nothing to do with each other by their
    languages, "en>ru" for an English question and a Russian passage: a model has all Portuguese texts nearer to each
    other than all Russian ones, and texts of two languages farther.
    """

    floor: float = 0.0
    spread: float = 1.0
    share: float = 0.5
    reads_well: bool = False
    alike: Mapping[str, float] = field(default_factory=dict)
    unrelated: Mapping[str, Level] = field(default_factory=dict)

    def likeness(self, cosine: float, language: str) -> float:
        """From 1 on, two questions of the language ask for the same; 0 where nothing is known."""
        least = self.alike.get(language, self.alike.get("", 0.0))
        return cosine / least if least else 0.0

    def distinction(self, cosine: float, asked_in: str, written_in: str) -> float | None:
        """By how many standard deviations a passage is nearer to a question than unrelated ones are.

        Languages are ISO 639-1, "" when unknown. A pair that was not measured has the average of its kind. None where
        none was.
        """
        asked_in = asked_in or written_in
        level = self.unrelated.get(f"{asked_in}>{written_in}") or self._usual(is_same=asked_in == written_in)
        return (cosine - level.mean) / level.deviation if level else None

    def _usual(self, *, is_same: bool) -> Level | None:
        pairs = [(pair.partition(">"), level) for pair, level in self.unrelated.items()]
        alike = [level for (asked_in, _, written_in), level in pairs if (asked_in == written_in) == is_same]
        if not alike:
            return None
        return Level(
            mean=fmean(level.mean for level in alike), deviation=fmean(level.deviation for level in alike)
        )

    def closeness(self, cosine: float) -> float:
        """0 for texts without anything in common, about 1 for a right passage."""
        return max(0.0, cosine - self.floor) / self.spread


@dataclass(frozen=True, kw_only=True, eq=False)
class Turns:
    """Turns a question towards the language of the passages, from which a model has those of others a bit away.

    `centres` are where the questions of a language lie, of as many dimensions as the model begins its vectors with.
    `unrelated` is what the scale calls so, of questions that were turned.
    """

    centres: Mapping[str, Vector]
    unrelated: Mapping[str, Level]

    def turned(self, question: Vector, asked_in: str, written_in: Collection[str]) -> Vector | None:
        """As long as before; None where some passages are in its own language, or a language has no centre."""
        centres = [self.centres[language] for language in written_in if language in self.centres]
        if asked_in not in self.centres or asked_in in written_in or not centres:
            return None
        count = len(self.centres[asked_in])
        own = question[:count]
        length = float(np.linalg.norm(own))
        moved = own / length + np.mean(centres, axis=0) - self.centres[asked_in]
        moved *= length / float(np.linalg.norm(moved))
        return np.concatenate([moved, question[count:]]).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Space:
    """One model with everything that changes its vectors; two equal keys mean comparable vectors.

    `languages` are the ISO 639-1 codes the model declares, empty for "all"; `scripts` are the Unicode
    scripts it can read at all ("Latin", "Cyrillic", …), empty for "all". `max_tokens` is the model's window.
    Without a `scale` nobody has measured yet how its cosines are to be read. `turns` are of models that read several
    languages, where they were measured.
    """

    provider: str
    model: str
    revision: str
    dimensions: int
    max_tokens: int
    languages: frozenset[str] = frozenset()
    scripts: frozenset[str] = frozenset()
    query_prefix: str = ""
    passage_prefix: str = ""
    scale: Scale | None = None
    turns: Turns | None = field(default=None, compare=False, repr=False)

    def of_turned(self) -> Space:
        """With the scale of questions that were turned."""
        if self.scale is None or self.turns is None:
            return self
        unrelated = {**self.scale.unrelated, **self.turns.unrelated}
        return replace(self, scale=replace(self.scale, unrelated=unrelated))

    @property
    def key(self) -> str:
        """Stable text identity, for example `local/all-MiniLM-L6-v2@53aa5117:384`."""
        return f"{self.provider}/{self.model}@{self.revision}:{self.dimensions}"


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Unit-length float32 rows of shape (texts, dimensions) and the tokens that were paid for them."""

    vectors: Vectors
    tokens: int


def mean(rows: Sequence[Vector]) -> Vector:
    """The direction that unit vectors have in common, of unit length again; of opposites, the first."""
    total: Vector = np.stack(rows).sum(axis=0)
    length = float(np.linalg.norm(total))
    return rows[0] if length == 0 else np.asarray(total / length, np.float32)


@dataclass(frozen=True, kw_only=True)
class TenantSpace:
    """A row of `tenant_spaces`: how complete a tenant's vectors are in one space.

    `state` is filling, ready, active, kept or dropping. `recall` is the share of the true ten nearest that a
    search finds, `agreement` the share of them that the active space found too, over `sample_count` questions.
    A walk fills the space, document by document; `last_document_id` is where it stands.
    """

    space_id: int
    state: str
    is_automatic: bool
    is_stale: bool
    total_count: int
    filled_count: int
    failed_count: int
    embedded_tokens: int
    last_document_id: UUID
    walk: int
    error: str
    sample_count: int
    recall: float | None
    agreement: float | None
    verified_at: datetime | None
    keep_until: datetime | None

    @property
    def is_complete(self) -> bool:
        """Whether every chunk that the model can read has its vector."""
        return self.state in {"ready", "active", "kept"} and not self.is_stale


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What filling a space would take; `dollars` is None for a model whose price is not known."""

    chunk_count: int
    token_count: int
    dollars: float | None
