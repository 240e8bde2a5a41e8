"""Shows a tenant what its customers asked: the chat log, groups of questions, and figures over them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from uuid import UUID

from retrieval_service import errors
from retrieval_service.domain.answering.logged import ChatLog
from retrieval_service.domain.answering.session_proofs import SessionProof
from retrieval_service.domain.insights.insights import (
    AskedWording,
    ChatFilter,
    Figures,
    Gap,
    GapExample,
    TopDocument,
    TopQuestion,
)
from retrieval_service.domain.insights.question_similarity import Asked, nearest
from retrieval_service.stores.chats import chat_logs, gaps
from retrieval_service.stores.database import Database

EXPORT_ROWS = 500
LAST_ID = UUID(int=2**128 - 1)
EXAMPLES = 5
# Rarer wordings are not worth the comparing.
WORDINGS = 500


@dataclass(frozen=True, kw_only=True)
class ShownGap:
    """A group with its newest questions."""

    gap: Gap
    examples: Sequence[GapExample]


class Surveyor:
    """Reads one tenant's chats; only a rating is written."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rate(
        self, tenant_id: UUID, answer_id: UUID, *, proof: SessionProof | None, rating: int, reason: str
    ) -> None:
        """Replaces an earlier rating; raises `NotFound` for an answer of another conversation."""
        async with self._database.tenant(tenant_id) as scope:
            rated = await chat_logs.rate(scope, answer_id, proof=proof, rating=rating, reason=reason)
        if not rated:
            raise errors.NotFound("there is no such answer in this conversation")

    async def chat_logs(
        self, tenant_id: UUID, wanted: ChatFilter, *, before: tuple[datetime, UUID], limit: int
    ) -> list[ChatLog]:
        async with self._database.tenant(tenant_id) as scope:
            return await chat_logs.page(scope, wanted, before=before, limit=limit)

    async def export(self, tenant_id: UUID, wanted: ChatFilter) -> AsyncGenerator[ChatLog, None]:
        """Newest first, read a few hundred at a time; what is asked meanwhile is not in it."""
        before = (datetime.now(UTC), LAST_ID)
        while page := await self.chat_logs(tenant_id, wanted, before=before, limit=EXPORT_ROWS):
            for row in page:
                yield row
            before = (page[-1].created_at, page[-1].id)

    async def gaps(
        self, tenant_id: UUID, *, before: tuple[int, UUID] | None, status: str, limit: int
    ) -> list[ShownGap]:
        async with self._database.snapshot(tenant_id) as scope:
            page = await gaps.page(scope, before=before, status=status, limit=limit)
            examples = await gaps.examples(scope, [gap.id for gap in page], limit=EXAMPLES)
        return [ShownGap(gap=gap, examples=[one for one in examples if one.gap_id == gap.id]) for gap in page]

    async def figures(self, tenant_id: UUID, *, days: int) -> Mapping[date | None, Figures]:
        """By day; under None stand those of the whole period, which are always there."""
        async with self._database.tenant(tenant_id) as scope:
            return {figures.day: figures for figures in await chat_logs.figures(scope, days=days)}

    async def top_questions(self, tenant_id: UUID, *, days: int, limit: int) -> list[TopQuestion]:
        """Near-duplicates are counted together, by their words."""
        async with self._database.tenant(tenant_id) as scope:
            wordings = await chat_logs.wordings(scope, days=days, limit=WORDINGS)
        grouped = await asyncio.to_thread(group_wordings, wordings)
        return sorted(grouped, key=lambda one: (-one.count, one.question))[:limit]

    async def top_documents(self, tenant_id: UUID, *, days: int, limit: int) -> list[TopDocument]:
        async with self._database.tenant(tenant_id) as scope:
            return await chat_logs.top_documents(scope, days=days, limit=limit)


def group_wordings(wordings: Sequence[AskedWording]) -> list[TopQuestion]:
    """Groups by words alone, led by the most frequent wording, which comes first."""
    groups: list[TopQuestion] = []
    leaders: list[Asked] = []
    for one in wordings:
        asked = Asked(text=one.question, language=one.language)
        place = nearest(asked, leaders)
        if place is None:
            leaders.append(asked)
            groups.append(TopQuestion(**vars(one), wording_count=1))
        else:
            groups[place] = joined(groups[place], one)
    return groups


def joined(group: TopQuestion, wording: AskedWording) -> TopQuestion:
    return replace(
        group,
        count=group.count + wording.count,
        unanswered_count=group.unanswered_count + wording.unanswered_count,
        last_asked_at=max(group.last_asked_at, wording.last_asked_at),
        wording_count=group.wording_count + 1,
    )
