"""Tells courtesies that no list has from questions, by what they mean, where no document answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import structlog

from retrieval_service import errors, metrics
from retrieval_service.domain.courtesy_examples import EXAMPLES, QUESTIONS, Example
from retrieval_service.domain.languages import dominant_script
from retrieval_service.domain.pleasantries import Pleasantry, Said
from retrieval_service.domain.polarity import affirmed
from retrieval_service.domain.spaces import Scale, Vector, Vectors
from retrieval_service.domain.words import words
from retrieval_service.providers.ports import Embedder
from retrieval_service.services.embedders import Embedders
from retrieval_service.services.gathering import Gathered
from retrieval_service.services.questions import Questions

log = structlog.get_logger("kladez.courtesies")

# Whoever writes more wants more.
MOST_WORDS = 12
# How much nearer than any example of a question a courtesy is, as a share of the space's spread. Measured with the
# local models on sentences that are no examples.
LEAST_MARGIN = 0.2
# Whoever says the first courtesy since the start waits so long for the examples, and is answered as they stand without.
PATIENCE_SECONDS = 5.0
_PLACES = {tuple(words(one.text)): place for place, one in enumerate(EXAMPLES)}
_SCRIPTS = np.array([dominant_script(one.text) for one in EXAMPLES])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Exemplars:
    """The vectors of all examples of one space, of courtesies and of questions."""

    courtesies: Vectors
    questions: Vectors


class Courtesies:
    """The examples of a space are embedded when the first short message finds no answer in it, beside the questions."""

    def __init__(self, embedders: Embedders, questions: Questions) -> None:
        self._embedders = embedders
        self._questions = questions
        self._exemplars: dict[int, _Exemplars] = {}
        self._embedding: dict[int, asyncio.Task[_Exemplars]] = {}

    async def meant(self, tenant_id: UUID, text: str, gathered: Gathered) -> Said | None:
        """None for what a document answers, for what is long, and where the model does not read the language."""
        found = gathered.found
        space_id = self._embedders.id_of(found.space)
        embedder = self._embedders.get(space_id)
        scale = embedder.space.scale if embedder else None
        if gathered.sifted.answers or space_id is None or embedder is None or scale is None:
            return None
        # A number is never mere politeness: "see you at 5?"
        if not 0 < len(words(text)) <= MOST_WORDS or any(map(str.isdigit, text)):
            return None
        if not _reads(embedder, found.language):
            return None
        try:
            exemplars = await self._known(space_id, embedder)
            if exemplars is None:
                return None
            vector = await self._questions.vector(tenant_id, space_id, text)
        except (errors.ProviderUnavailable, errors.ProviderRefused) as error:
            log.warning("courtesies_not_told", error=str(error))
            return None
        nearest = _nearest(text, vector, exemplars.courtesies, exemplars.questions, scale)
        return nearest and Said(pleasantry=_wished(nearest.pleasantry, text), language=nearest.language)

    async def _known(self, space_id: int, embedder: Embedder) -> _Exemplars | None:
        """None when they are not ready in time; whoever comes later gets them."""
        if space_id in self._exemplars:
            return self._exemplars[space_id]
        embedding = self._embedding.get(space_id)
        if embedding is None:
            embedding = self._embedding[space_id] = asyncio.create_task(_exemplars(embedder))
        await asyncio.wait([embedding], timeout=PATIENCE_SECONDS)
        if not embedding.done():
            return None
        self._embedding.pop(space_id, None)
        self._exemplars[space_id] = embedding.result()
        return self._exemplars[space_id]


async def _exemplars(embedder: Embedder) -> _Exemplars:
    vectors = await _embedded(embedder, [*(one.text for one in EXAMPLES), *QUESTIONS])
    return _Exemplars(courtesies=vectors[: len(EXAMPLES)], questions=vectors[len(EXAMPLES) :])


def _nearest(
    text: str, vector: Vector, courtesies: Vectors, questions: Vectors, scale: Scale
) -> Example | None:
    """The example of a courtesy that is nearer than all questions by enough; the rows are those of `EXAMPLES`.

    What looks near in other letters than the text's is near by chance. An example itself is what it is.
    """
    if (place := _PLACES.get(tuple(words(text)))) is not None:
        return EXAMPLES[place]
    cosines = np.where(dominant_script(text) == _SCRIPTS, courtesies @ vector, -1.0)
    nearest = int(np.argmax(cosines))
    margin = float(cosines[nearest] - np.max(questions @ vector))
    return EXAMPLES[nearest] if margin >= LEAST_MARGIN * scale.spread else None


def _wished(pleasantry: Pleasantry, text: str) -> Pleasantry:
    """Who says nothing but that no person is wanted wants none: a model hardly reads a "not"."""
    is_declined = pleasantry is Pleasantry.HUMAN and not affirmed(text)
    return Pleasantry.ACKNOWLEDGEMENT if is_declined else pleasantry


def _reads(embedder: Embedder, language: str) -> bool:
    return not embedder.space.languages or language in embedder.space.languages


async def _embedded(embedder: Embedder, texts: list[str]) -> Vectors:
    """As questions are; in one call where questions and passages are embedded alike."""
    if embedder.space.query_prefix == embedder.space.passage_prefix:
        read = [await embedder.embed_passages(texts)]
    else:
        read = [await embedder.embed_query(text) for text in texts]
    metrics.note_embedded("courtesies", sum(one.tokens for one in read))
    return np.concatenate([one.vectors for one in read])
