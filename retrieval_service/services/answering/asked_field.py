"""Points at what a question is about within each product that was found: customers get the field that they mean."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import numpy as np
import structlog

from retrieval_service import errors, metrics
from retrieval_service.domain.fragments import Fragment, Prompt
from retrieval_service.domain.indexing.spaces import Vector
from retrieval_service.domain.quotation.asked_field import Statement, asked_of, meant, of_size, statements_of
from retrieval_service.providers.ports import Embedder
from retrieval_service.services.indexing.embedders import Embedders
from retrieval_service.services.retrieval.query_vectors import Questions
from retrieval_service.services.retrieval.search import Found

log = structlog.get_logger("kladez.pointing")

# Of each question; what comes after is not quoted.
MOST_PRODUCTS = 4
# Names of fields are few, and the same in all products of a tenant. What one tenant has asked for tells no other one
# anything, not even by the time it takes.
REMEMBERED_TEXTS = 2_000

Known = Mapping[str, Vector]


class Pointer:
    """Only with a model whose cosines are known, which is one of ours: no provider is asked for another vector."""

    def __init__(self, embedders: Embedders, questions: Questions) -> None:
        self._embedders = embedders
        self._questions = questions
        self._vectors: OrderedDict[tuple[UUID, int, str], Vector] = OrderedDict()

    async def pointed(self, tenant_id: UUID, found: Found, prompt: Prompt) -> Prompt:
        """The same prompt where the model does not read the language, or is away."""
        space_id = self._embedders.id_of(found.space)
        embedder = self._embedders.get(space_id)
        if space_id is None or embedder is None or not _reads(embedder, found.language):
            return prompt
        try:
            parts = [
                replace(
                    part,
                    fragments=await self._pointed(
                        tenant_id, space_id, embedder, part.question, part.fragments
                    ),
                )
                for part in prompt.parts
            ]
            whole = () if parts else prompt.fragments
            fragments = await self._pointed(tenant_id, space_id, embedder, prompt.asked, whole)
        except (errors.ProviderUnavailable, errors.ProviderRefused) as error:
            log.warning("not_pointed", error=str(error))
            return prompt
        return replace(prompt, parts=tuple(parts), fragments=fragments or prompt.fragments)

    async def _pointed(
        self, tenant_id: UUID, space_id: int, embedder: Embedder, question: str, fragments: Sequence[Fragment]
    ) -> tuple[Fragment, ...]:
        likeliest = sorted(fragments, key=lambda one: -one.score)[:MOST_PRODUCTS]
        stated = {one.number: found for one in likeliest if (found := statements_of(one))}
        asked = asked_of(question, [one for one in fragments if one.number in stated])
        if not asked:
            return tuple(fragments)
        vector = await self._questions.vector(tenant_id, space_id, asked)
        texts = {statement.meaning for several in stated.values() for statement in several}
        known = await self._known((tenant_id, space_id), embedder, sorted(texts))
        return await asyncio.to_thread(_meant, question, asked, vector, known, stated, fragments)

    async def _known(self, owner: tuple[UUID, int], embedder: Embedder, texts: Sequence[str]) -> Known:
        keys = {text: (*owner, text) for text in texts}
        known = {text: self._vectors[key] for text, key in keys.items() if key in self._vectors}
        if new := [text for text in texts if text not in known]:
            embedded = await embedder.embed_passages(new)
            metrics.note_embedded("fields", embedded.tokens)
            known |= zip(new, embedded.vectors, strict=True)
        for text, key in keys.items():
            self._vectors[key] = known[text]
            self._vectors.move_to_end(key)
        while len(self._vectors) > REMEMBERED_TEXTS:
            self._vectors.popitem(last=False)
        return known


def _meant(
    question: str,
    asked: str,
    vector: Vector,
    known: Known,
    stated: Mapping[int, Sequence[Statement]],
    fragments: Sequence[Fragment],
) -> tuple[Fragment, ...]:
    def pointed(one: Fragment) -> Fragment:
        if one.number not in stated:
            return one
        statements = of_size(question, asked, one, stated[one.number])
        closeness = [float(np.dot(known[statement.meaning], vector)) for statement in statements]
        return replace(one, meant=meant(asked, one.language, statements, closeness))

    return tuple(map(pointed, fragments))


def _reads(embedder: Embedder, language: str) -> bool:
    space = embedder.space
    return space.scale is not None and (not space.languages or language in space.languages)
