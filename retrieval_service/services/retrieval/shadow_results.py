"""Shows how the backends compare on a tenant's own searches, and forgets comparisons after a month."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from retrieval_service.domain.retrieval.backends import ComparedExample, ComparisonSummary
from retrieval_service.stores.database import Database
from retrieval_service.stores.sync import comparisons

KEPT_DAYS = 30
EXAMPLES = 20
HOUSEKEEPING_SECONDS = 3_600.0


@dataclass(frozen=True, kw_only=True)
class ComparisonReport:
    """The figures, and the searches that agree least."""

    summary: ComparisonSummary
    examples: Sequence[ComparedExample]


class Comparer:
    """Compares backends, and forgets old comparisons once an hour."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._next_look = clock()

    async def report(self, tenant_id: UUID, *, days: int) -> ComparisonReport:
        async with self._database.snapshot(tenant_id) as scope:
            return ComparisonReport(
                summary=await comparisons.summary(scope, days=days),
                examples=await comparisons.worst(scope, days=days, limit=EXAMPLES),
            )

    async def run_housekeeping(self) -> None:
        if self._clock() < self._next_look:
            return
        self._next_look = self._clock() + HOUSEKEEPING_SECONDS
        await self.forget_old()

    async def forget_old(self) -> None:
        """Forgets old comparisons of all tenants."""
        async with self._database.operator() as operator:
            await comparisons.prune(operator, days=KEPT_DAYS)
