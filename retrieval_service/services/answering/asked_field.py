"""Finds the field of each product that the question means."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np
import structlog
from cachetools import LRUCache

from retrieval_service import errors, metrics
from retrieval_service.domain.answering.founded import (
    Nearness,
    are_said,
    asks_only_price,
    is_named,
    names_another,
    of_another_name,
    offered,
    verdict_of,
)
from retrieval_service.domain.documents.templates import usual_labels
from retrieval_service.domain.fragments import Fragment, Prompt
from retrieval_service.domain.indexing.spaces import Scale, Vector
from retrieval_service.domain.quotation.asked_field import Statement, asked_of, meant, of_size, statements_of
from retrieval_service.providers.ports import Embedder
from retrieval_service.services.indexing.embedders import Embedders
from retrieval_service.services.retrieval.query_vectors import Questions
from retrieval_service.services.retrieval.search import Found

log = structlog.get_logger("kladez.pointing")

# The most products of a question; later ones are not quoted.
MOST_PRODUCTS = 4
# Names of fields are few, and the same in all products of a tenant. What one tenant has asked for tells no other one
# anything, not even by the time it takes.
REMEMBERED_TEXTS = 2_000
# The usual names of fields are no tenant's secret.
NOBODY = UUID(int=0)
# Two names of fields this near to each other count as one.
ALIKE = 0.94

Known = Mapping[str, Vector]


class Pointer:
    """Only with a model whose cosines are known, which is one of ours: no provider is asked for another vector."""

    def __init__(self, embedders: Embedders, questions: Questions) -> None:
        self._embedders = embedders
        self._questions = questions
        self._vectors: LRUCache[tuple[UUID, int, str], Vector] = LRUCache(REMEMBERED_TEXTS)

    async def pointed(self, tenant_id: UUID, found: Found, prompt: Prompt) -> Prompt:
        """The prompt, unchanged where the model does not read the language or is away."""
        space_id = self._embedders.id_of(found.space)
        embedder = self._embedders.get(space_id)
        if space_id is None or embedder is None or not _reads(embedder, found.language):
            return prompt
        asking = _Asking(tenant_id, space_id, embedder, found.language)
        try:
            told = [await self._pointed(asking, part.question, part.fragments) for part in prompt.parts]
            whole = await self._pointed(asking, prompt.asked, () if prompt.parts else prompt.fragments)
        except (errors.ProviderUnavailable, errors.ProviderRefused) as error:
            log.warning("not_pointed", error=str(error))
            return prompt
        pairs = zip(prompt.parts, told, strict=True)
        parts = tuple(offered(replace(part, fragments=one.fragments), one.unfounded) for part, one in pairs)
        given = replace(prompt, parts=parts, fragments=whole.fragments or prompt.fragments)
        return replace(given, verdict=verdict_of(given, whole.unfounded))

    async def _pointed(self, asking: _Asking, question: str, fragments: Sequence[Fragment]) -> _Pointed:
        likeliest = sorted(fragments, key=lambda one: -one.score)[:MOST_PRODUCTS]
        stated = {one.number: found for one in likeliest if (found := statements_of(one))}
        asked = asked_of(question, [one for one in fragments if one.number in stated])
        if not asked:
            return _Pointed(tuple(fragments))
        vector = await self._questions.vector(asking.tenant_id, asking.space_id, asked)
        labels = {one.language: usual_labels(one.language) for one in likeliest if one.number in stated}
        texts = {statement.meaning for several in stated.values() for statement in several}
        usual = {label for several in labels.values() for label in several}
        known = {
            **await self._known((NOBODY, asking.space_id), asking.embedder, sorted(usual)),
            **await self._known((asking.tenant_id, asking.space_id), asking.embedder, sorted(texts)),
        }
        closest = _Closest(
            question, asked, asking.language, asking.embedder.space.scale, vector, known, labels
        )
        return await asyncio.to_thread(closest.pointed, stated, fragments)

    async def _known(self, owner: tuple[UUID, int], embedder: Embedder, texts: Sequence[str]) -> Known:
        keys = {text: (*owner, text) for text in texts}
        remembered = ((text, self._vectors.get(key)) for text, key in keys.items())
        known = {text: vector for text, vector in remembered if vector is not None}
        if new := [text for text in texts if text not in known]:
            embedded = await embedder.embed_passages(new)
            metrics.note_embedded("fields", embedded.tokens)
            made = dict(zip(new, embedded.vectors, strict=True))
            self._vectors.update({keys[text]: vector for text, vector in made.items()})
            known |= made
        return known


@dataclass(frozen=True)
class _Asking:
    """The tenant, the language and the model of a question."""

    tenant_id: UUID
    space_id: int
    embedder: Embedder
    language: str


@dataclass(frozen=True)
class _Pointed:
    """The fragments with what is meant of each, and the numbers of those that do not tell what is asked."""

    fragments: tuple[Fragment, ...]
    unfounded: frozenset[int] = frozenset()


@dataclass(frozen=True)
class _Closest:
    """A question beside all that is compared with it; `labels` are what things usually tell, by language."""

    question: str
    asked: str
    language: str
    scale: Scale | None
    vector: Vector
    known: Known
    labels: Mapping[str, Sequence[str]]

    def pointed(self, stated: Mapping[int, Sequence[Statement]], fragments: Sequence[Fragment]) -> _Pointed:
        pointed = list(fragments)
        unfounded: set[int] = set()
        for place, one in enumerate(fragments):
            if one.number not in stated:
                continue
            sentences, is_founded = self._told(one, stated[one.number])
            if not is_founded:
                unfounded.add(one.number)
            pointed[place] = replace(one, meant=sentences)
        return _Pointed(tuple(pointed), frozenset(unfounded))

    def _told(self, one: Fragment, every: Sequence[Statement]) -> tuple[tuple[str, ...], bool]:
        """What is meant, and whether it is what was asked for."""
        statements = of_size(self.question, self.asked, one, every)
        is_size = len(statements) < len(every)
        if not is_size and asks_only_price(self.asked, one.language):
            return ("",), True
        sentences = meant(self.asked, one.language, statements, list(map(self._cosine, statements)))
        chosen = [statement for statement in statements if statement.sentence in sentences]
        if is_size or not is_named(self.question, one) or self._is_founded(one, every, chosen):
            return sentences, True
        # A field of another name is never the one that was asked for; a sentence may help.
        return tuple(said.sentence for said in chosen if not said.is_field)[:1] or ("",), False

    def _cosine(self, statement: Statement) -> float:
        return float(np.dot(self.known[statement.meaning], self.vector))

    def _is_founded(self, one: Fragment, every: Sequence[Statement], chosen: Sequence[Statement]) -> bool:
        if are_said(self.asked, one.language, chosen):
            return True
        if names_another(self.question, self.asked, one.language, chosen):
            return False
        best = max(chosen, key=self._cosine)
        nearest = self._distinction(one, self._cosine(best))
        others = of_another_name(self.labels[one.language], one.language, every)
        rivals = [self.known[label] for label in others if not self._is_alike(label, every)]
        rival = max((float(np.dot(vector, self.vector)) for vector in rivals), default=-1.0)
        other = self._distinction(one, rival)
        if nearest is None or other is None:
            return True
        return Nearness(chosen=nearest, other=other, is_told=not best.sentence).is_clear

    def _distinction(self, one: Fragment, cosine: float) -> float | None:
        return self.scale.distinction(cosine, self.language, one.language) if self.scale else None

    def _is_alike(self, label: str, statements: Sequence[Statement]) -> bool:
        own = (float(np.dot(self.known[label], self.known[statement.meaning])) for statement in statements)
        return max(own) >= ALIKE


def _reads(embedder: Embedder, language: str) -> bool:
    space = embedder.space
    return space.scale is not None and (not space.languages or language in space.languages)
