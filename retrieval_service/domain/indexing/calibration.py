"""Measures how the cosines of a model are to be read, on questions and passages of our own in three languages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from retrieval_service.domain.indexing.spaces import Level, Scale, Space, Vectors

SCRIPTS = {"en": "Latin", "pt": "Latin", "ru": "Cyrillic"}
TEXTS = Path(__file__).with_name("calibration.json")

# A model reads a language when it finds so many of the right passages among twice as many as there are questions.
LEAST_FOUND = 0.5
# Where e5, with which the weights of `relevance` were fitted, has passages about other things and right passages.
CLOSENESS_OF_OTHERS = 0.28
CLOSENESS_OF_ANSWERS = 0.63
# As much as local models were found to be worth: e5 where it finds nearly all, MiniLM otherwise.
FOUND_WELL, SHARE_OF_GOOD, SHARE_OF_OTHERS = 0.7, 0.75, 0.5
# Only the nearest of those who ask the same in other words are told by their meaning.
ALIKE_QUANTILE = 0.9


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A question as two people word it, the passage that answers it, and one that is about the same and does not."""

    question: str
    other_wording: str
    answer: str
    near_miss: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Unit rows of one language's topics; `asked` and `reworded` are read as passages are.

    The topics are the same in all languages, in the same order.
    """

    questions: Vectors
    answers: Vectors
    near_misses: Vectors
    asked: Vectors
    reworded: Vectors


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What was measured: no `scale` where the model reads none of the languages; otherwise those that it reads.

    `texts` names the texts that it was measured with.
    """

    texts: str
    scale: Scale | None
    languages: frozenset[str]

    def of(self, space: Space) -> Space:
        """The space as it is to be searched. A model that reads all languages of ours may read any other."""
        if self.scale is None or self.languages == SCRIPTS.keys():
            return replace(space, scale=self.scale)
        scripts = frozenset(SCRIPTS[language] for language in self.languages)
        return replace(space, scale=self.scale, languages=self.languages, scripts=scripts)

    def to_json(self) -> dict[str, Any]:
        scale = asdict(self.scale) if self.scale else None
        return {"texts": self.texts, "scale": scale, "languages": sorted(self.languages)}


@dataclass(frozen=True, kw_only=True)
class KnownSpace:
    """A row of `embedding_spaces`; `key` is the space's own.

    `calibration` is what was measured here, for models that bring no scale of their own. `calibration_error` tells why
    the last attempt failed.
    """

    id: int
    key: str
    provider: str
    model: str
    dimensions: int
    calibration: Calibration | None
    calibration_error: str


def from_json(stored: Mapping[str, Any]) -> Calibration | None:
    """None for what was measured with other texts than these."""
    if stored["texts"] != fingerprint():
        return None
    scale = stored["scale"]
    return Calibration(
        texts=stored["texts"],
        scale=_scale(scale) if scale else None,
        languages=frozenset(stored["languages"]),
    )


def _scale(stored: Mapping[str, Any]) -> Scale:
    unrelated = {pair: Level(**level) for pair, level in stored["unrelated"].items()}
    return Scale(**{**stored, "unrelated": unrelated})


@cache
def topics() -> Mapping[str, Sequence[Topic]]:
    """By language."""
    listed = json.loads(TEXTS.read_text(encoding="utf-8"))
    return {language: [Topic(**one) for one in ones] for language, ones in listed.items()}


@cache
def fingerprint() -> str:
    """Changes with the texts and with the rules of this module."""
    return hashlib.sha256(TEXTS.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:8]


def calibrated(samples: Mapping[str, Sample]) -> Calibration:
    """`samples` are by language. A model for which all texts are about the same reads none of them."""
    read = {language: one for language, one in samples.items() if found(one) >= LEAST_FOUND}
    scale = scale_of(read) if read else None
    if scale is None or not _tells_apart(scale):
        return Calibration(texts=fingerprint(), scale=None, languages=frozenset())
    return Calibration(texts=fingerprint(), scale=scale, languages=frozenset(read))


def _tells_apart(scale: Scale) -> bool:
    """What is rounded to nothing would be divided by."""
    return scale.spread > 0 and all(level.deviation > 0 for level in scale.unrelated.values())


def scale_of(samples: Mapping[str, Sample]) -> Scale:
    """Puts passages about other things, and right ones, where e5's scale has them."""
    others = float(np.mean([np.median(_others(one)) for one in samples.values()]))
    answers = float(np.mean([np.median(_row_by_row(one.questions, one.answers)) for one in samples.values()]))
    spread = (answers - others) / (CLOSENESS_OF_ANSWERS - CLOSENESS_OF_OTHERS)
    is_good = np.mean([found(one) for one in samples.values()]) >= FOUND_WELL
    return Scale(
        floor=round(others - CLOSENESS_OF_OTHERS * spread, 4),
        spread=round(spread, 4),
        share=SHARE_OF_GOOD if is_good else SHARE_OF_OTHERS,
        reads_well=True,
        alike={language: round(_alike(one), 4) for language, one in samples.items()},
        unrelated={
            f"{asked}>{written}": _level(_others(one, other))
            for asked, one in samples.items()
            for written, other in samples.items()
        },
    )


def found(sample: Sample) -> float:
    """The share of the questions whose answer is nearer than all other passages, near misses included."""
    cosines = sample.questions @ np.vstack([sample.answers, sample.near_misses]).T
    return float(np.mean(cosines.argmax(axis=1) == np.arange(len(sample.questions))))


def _level(cosines: Vectors) -> Level:
    return Level(mean=round(float(cosines.mean()), 4), deviation=round(float(cosines.std()), 4))


def _others(sample: Sample, passages: Sample | None = None) -> Vectors:
    """Cosines of questions with passages of other topics, of the same language or of another one."""
    of, count = passages or sample, len(sample.questions)
    cosines = sample.questions @ np.vstack([of.answers, of.near_misses]).T
    own = np.hstack([np.eye(count, dtype=bool)] * 2)
    return cosines[~own]


def _alike(sample: Sample) -> float:
    return float(np.quantile(_row_by_row(sample.asked, sample.reworded), ALIKE_QUANTILE))


def _row_by_row(one: Vectors, other: Vectors) -> Vectors:
    return np.asarray(np.einsum("ij,ij->i", one, other), np.float32)
