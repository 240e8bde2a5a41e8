"""Groups questions without a good answer in the background, so that no answer waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import structlog

from retrieval_service import errors, metrics
from retrieval_service.domain.indexing.costs import embedding_bill
from retrieval_service.domain.indexing.spaces import Scale, Space, Vector
from retrieval_service.domain.insights.question_similarity import Asked, nearest
from retrieval_service.services.indexing.embedders import Embedders
from retrieval_service.stores.chats import gaps
from retrieval_service.stores.chats.gaps import Leader, Ungrouped, Waiting
from retrieval_service.stores.database import Database, TenantScope
from retrieval_service.stores.tenants import usage

log = structlog.get_logger("kladez.collecting")

BATCH = 100
# A tenant whose worker died or whose model was away is served again after this time.
PAUSE_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a question belongs; `is_new` when no group asked the same before."""

    answer_id: UUID
    gap_id: UUID
    is_new: bool
    vector: Vector | None


class Collector:
    """Every question is taken from the chat log itself, so that a crash loses none and repeats none."""

    def __init__(
        self,
        database: Database,
        embedders: Embedders,
        *,
        new_id: Callable[[], UUID] = uuid4,
    ) -> None:
        self._database = database
        self._embedders = embedders
        self._space_id = embedders.home_id
        self._new_id = new_id

    @property
    def _space(self) -> Space:
        return self._embedders.home_space

    async def run_housekeeping(self) -> None:
        """Groups what waits, of every tenant; one whose questions cannot be grouped keeps no other waiting."""
        while (one := await self._claim()) is not None:
            await self.collect(one.tenant_id)
            async with self._database.tenant(one.tenant_id) as scope:
                await gaps.empty_inbox(scope, one.arrivals)

    async def collect(self, tenant_id: UUID) -> None:
        """Groups every question of the tenant that is in no group yet."""
        while await self._collect_batch(tenant_id):
            pass

    async def _claim(self) -> Waiting | None:
        async with self._database.operator() as operator:
            return await gaps.claim(operator, pause_seconds=PAUSE_SECONDS)

    async def _collect_batch(self, tenant_id: UUID) -> bool:
        """The vectors are made before the transaction that groups: it must not wait for a network."""
        async with self._database.tenant(tenant_id) as scope:
            questions = await gaps.ungrouped(scope, limit=BATCH)
            leaders = await gaps.leaders(scope, self._space_id) if questions else []
        if not questions:
            return False
        unread = [leader for leader in leaders if leader.vector is None]
        vectors, tokens = await self._vectors([*questions, *unread])
        async with self._database.tenant(tenant_id) as scope:
            await gaps.lock(scope)
            await self._keep_vectors(scope, unread, vectors)
            await self._group(scope, vectors)
            await gaps.prune(scope)
            if tokens:
                await usage.add(scope, embedding_bill(self._embedders.price(self._space_id), tokens=tokens))
        return len(questions) == BATCH

    async def _vectors(self, asked: Sequence[Ungrouped | Leader]) -> tuple[Mapping[str, Vector], int]:
        """By question, for those that the model reads; raises `Unavailable` to try again later."""
        texts = list(dict.fromkeys(one.question for one in asked if understood(one, self._space)))
        if not texts:
            return {}, 0
        try:
            embedded = await self._embedders.home.embed_passages(texts)
        except errors.ProviderRefused as error:
            log.warning("questions_grouped_by_words", error=str(error))
            return {}, 0
        metrics.note_embedded("questions", embedded.tokens)
        return dict(zip(texts, embedded.vectors, strict=True)), embedded.tokens

    async def _keep_vectors(
        self, scope: TenantScope, unread: Sequence[Leader], vectors: Mapping[str, Vector]
    ) -> None:
        for leader in unread:
            if leader.question in vectors:
                await gaps.set_vector(scope, leader.gap_id, self._space_id, vectors[leader.question])

    async def _group(self, scope: TenantScope, vectors: Mapping[str, Vector]) -> None:
        """Both are read again: another process may have grouped some of the questions meanwhile."""
        questions = await gaps.ungrouped(scope, limit=BATCH)
        leaders = await gaps.leaders(scope, self._space_id)
        scale = self._space.scale
        for one in await asyncio.to_thread(placements, questions, leaders, vectors, self._new_id, scale):
            if one.is_new:
                await gaps.open_gap(scope, one.gap_id, one.answer_id)
                if one.vector is not None:
                    await gaps.set_vector(scope, one.gap_id, self._space_id, one.vector)
            await gaps.assign(scope, one.gap_id, one.answer_id)


def understood(one: Ungrouped | Leader, space: Space) -> bool:
    """A vector of a model that does not read the language, or that was not measured yet, joins what looks alike."""
    return space.scale is not None and (not space.languages or one.language in space.languages)


def placements(
    questions: Sequence[Ungrouped],
    leaders: Sequence[Leader],
    vectors: Mapping[str, Vector],
    new_id: Callable[[], UUID],
    scale: Scale | None,
) -> list[Placement]:
    """In order: the first question that asks for something new leads those after it."""
    ids = [leader.gap_id for leader in leaders]
    known = [
        Asked(text=leader.question, language=leader.language, vector=leader.vector, scale=scale)
        for leader in leaders
    ]
    placed: list[Placement] = []
    for one in questions:
        vector = vectors.get(one.question)
        asked = Asked(text=one.question, language=one.language, vector=vector, scale=scale)
        place = nearest(asked, known)
        if place is None:
            ids.append(new_id())
            known.append(asked)
        gap_id = ids[-1] if place is None else ids[place]
        placed.append(
            Placement(answer_id=one.answer_id, gap_id=gap_id, is_new=place is None, vector=asked.vector)
        )
    return placed
