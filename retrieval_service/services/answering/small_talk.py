"""Recognises courtesies that no list has by their meaning, where no document answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import structlog

from retrieval_service import errors, metrics
from retrieval_service.domain.indexing.spaces import Scale, Vector, Vectors
from retrieval_service.providers.ports import Embedder
from retrieval_service.services.answering.context import Gathered
from retrieval_service.services.indexing.embedders import Embedders
from retrieval_service.services.retrieval.query_vectors import Questions
from retrieval_service.text.languages import dominant_script
from retrieval_service.text.polarity import affirmed
from retrieval_service.text.small_talk.examples import EXAMPLES, QUESTIONS, Example
from retrieval_service.text.small_talk.small_talk import Pleasantry, Said
from retrieval_service.text.words import words

log = structlog.get_logger("kladez.courtesies")

# A longer message is more than a courtesy.
MOST_WORDS = 12
# How much nearer than any example of a question a courtesy is, as a share of the space's spread. Measured with the
# local models on sentences that are no examples.
LEAST_MARGIN = 0.2
# What wishes for a person, questions and other courtesies are to come to on the line that is fitted through their
# vectors, how stiff that is, and from where on a message is such a wish: one of which the model is not sure stays a
# question. Measured with the local models on 240 messages of three languages and 290 questions that are no examples.
WISH, QUESTION, OTHER = 1.0, -1.0, -0.5
STIFFNESS = 0.1
LEAST_WISH = 0.1
# The longest wait of the first courtesy after the start for the examples; after it the message is taken as it stands.
PATIENCE_SECONDS = 5.0
_AS_SAID = {tuple(words(one.text)): one for one in EXAMPLES}
_ARE_WISHES = np.array([one.pleasantry is Pleasantry.HUMAN for one in EXAMPLES])
_SCRIPTS = np.array([dominant_script(one.text) for one in EXAMPLES])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Exemplars:
    """The vectors of all examples of one space, of courtesies and of questions, and what tells a wish for a person."""

    courtesies: Vectors
    questions: Vectors
    wish: _Wish


@dataclass(frozen=True, kw_only=True, eq=False)
class _Wish:
    """Near `WISH` for a vector that asks for a person, near `QUESTION` for one that asks for anything else."""

    direction: Vector
    usual: float

    def worth(self, vector: Vector) -> float:
        return float(vector @ self.direction) + self.usual


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
        # A message with a number is no courtesy: "see you at 5?"
        if not 0 < len(words(text)) <= MOST_WORDS or any(map(str.isdigit, text)):
            return None
        if example := _AS_SAID.get(tuple(words(text))):
            return _said(example, text)
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
        meant = _meant(text, vector, exemplars, scale)
        return _said(meant, text) if meant else None

    async def _known(self, space_id: int, embedder: Embedder) -> _Exemplars | None:
        """None when the examples are not ready in time; later messages get them."""
        if space_id in self._exemplars:
            return self._exemplars[space_id]
        embedding = self._embedding.get(space_id)
        if embedding is None:
            embedding = self._embedding[space_id] = asyncio.create_task(_exemplars(embedder))
            embedding.add_done_callback(_told)
        await asyncio.wait([embedding], timeout=PATIENCE_SECONDS)
        if not embedding.done():
            return None
        self._embedding.pop(space_id, None)
        self._exemplars[space_id] = embedding.result()
        return self._exemplars[space_id]


def _told(embedding: asyncio.Task[_Exemplars]) -> None:
    """Logs a failure, because nobody may be waiting any more."""
    if not embedding.cancelled() and (error := embedding.exception()):
        log.warning("courtesies_not_embedded", error=str(error))


async def _exemplars(embedder: Embedder) -> _Exemplars:
    vectors = await _embedded(embedder, [*(one.text for one in EXAMPLES), *QUESTIONS])
    courtesies, questions = vectors[: len(EXAMPLES)], vectors[len(EXAMPLES) :]
    wish = await asyncio.to_thread(_fitted, courtesies, questions)
    return _Exemplars(courtesies=courtesies, questions=questions, wish=wish)


def _fitted(courtesies: Vectors, questions: Vectors) -> _Wish:
    """By ridge regression: one example alone says little, for the same words wish for a person and ask about one."""
    vectors = np.concatenate([courtesies, questions])
    kinds = [WISH if one.pleasantry is Pleasantry.HUMAN else OTHER for one in EXAMPLES]
    targets = np.array([*kinds, *(QUESTION for _ in questions)], np.float32)
    usual = float(targets.mean())
    alike = vectors @ vectors.T + STIFFNESS * np.eye(len(vectors), dtype=np.float32)
    direction = vectors.T @ np.linalg.solve(alike, targets - usual)
    return _Wish(direction=np.asarray(direction, np.float32), usual=usual)


def _meant(text: str, vector: Vector, exemplars: _Exemplars, scale: Scale) -> Example | None:
    """The rows of the courtesies are those of `EXAMPLES`."""
    # What looks near in other letters than the text's is near by chance.
    cosines = np.where(dominant_script(text) == _SCRIPTS, exemplars.courtesies @ vector, -1.0)
    wishes = np.where(_ARE_WISHES, cosines, -1.0)
    question = float(np.max(exemplars.questions @ vector))
    # All examples together may err where a model reads little of them: none of them may be nearer than a wish.
    if exemplars.wish.worth(vector) >= LEAST_WISH and np.max(wishes) >= question:
        return EXAMPLES[int(np.argmax(wishes))]
    nearest = int(np.argmax(cosines))
    is_courtesy = cosines[nearest] - question >= LEAST_MARGIN * scale.spread and not _ARE_WISHES[nearest]
    return EXAMPLES[nearest] if is_courtesy else None


def _said(meant: Example, text: str) -> Said:
    """Who says nothing but that no person is wanted wants none: a model hardly reads a "not"."""
    is_declined = meant.pleasantry is Pleasantry.HUMAN and not affirmed(text)
    pleasantry = Pleasantry.ACKNOWLEDGEMENT if is_declined else meant.pleasantry
    return Said(pleasantry=pleasantry, language=meant.language)


def _reads(embedder: Embedder, language: str) -> bool:
    return not embedder.space.languages or language in embedder.space.languages


async def _embedded(embedder: Embedder, texts: list[str]) -> Vectors:
    read = await embedder.embed_queries(texts)
    metrics.note_embedded("courtesies", read.tokens)
    return read.vectors
