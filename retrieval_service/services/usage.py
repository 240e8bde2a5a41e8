"""Counts what is used without making anybody wait: amounts are added up and written once a second."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Iterable
from dataclasses import fields, replace
from uuid import UUID

import structlog

from retrieval_service import errors
from retrieval_service.domain.indexing.costs import PriceTable, answer_bill
from retrieval_service.domain.usage import Usage
from retrieval_service.stores.database import Database
from retrieval_service.stores.tenants import usage

log = structlog.get_logger("kladez.metering")

FLUSH_SECONDS = 1.0


class Meter:
    """A process that is killed loses the counts of its last second, never anything else."""

    def __init__(self, database: Database, prices: PriceTable | None = None) -> None:
        self._database = database
        self._prices = prices or PriceTable()
        self._waiting: dict[UUID, Usage] = {}
        self._writing = asyncio.Lock()

    def count(self, tenant_id: UUID, amounts: Usage) -> None:
        self._waiting[tenant_id] = total(self._waiting.get(tenant_id, Usage()), amounts)

    def count_answer(self, tenant_id: UUID, answerer: str, amounts: Usage) -> None:
        """Adds what the answering model of this name costs."""
        price = self._prices.of_answerer(answerer)
        bill = answer_bill(price, input_tokens=amounts.input_tokens, output_tokens=amounts.output_tokens)
        self.count(tenant_id, total(replace(amounts, input_tokens=0, output_tokens=0), bill))

    async def run(self) -> None:
        """Until cancelled; what is left is written on the way out."""
        try:
            while True:
                await asyncio.sleep(FLUSH_SECONDS)
                await self.flush()
        finally:
            with contextlib.suppress(errors.Unavailable):
                await self.flush()

    async def flush(self) -> None:
        """Everything counted so far is written when this returns; what cannot be is kept for the next time."""
        async with self._writing:
            await self._write()

    async def _write(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for tenant_id, amounts in waiting.items():
            try:
                async with self._database.tenant(tenant_id) as scope:
                    await usage.add(scope, amounts)
            except errors.Unavailable as error:
                self.count(tenant_id, amounts)
                log.warning("usage_not_written", tenant_id=str(tenant_id), error=str(error))


def total_of(days: Iterable[Usage]) -> Usage:
    return functools.reduce(total, days, Usage())


def total(one: Usage, other: Usage) -> Usage:
    names = [field.name for field in fields(Usage)]
    return Usage(**{name: getattr(one, name) + getattr(other, name) for name in names})
