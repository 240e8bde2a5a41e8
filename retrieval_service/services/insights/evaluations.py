"""Keeps what runs of labelled questions measured, and shows it beside later ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from retrieval_service.domain.insights.answer_metrics import Evaluation
from retrieval_service.stores.chats import evaluations
from retrieval_service.stores.database import Database


class Evaluations:
    """Runs of one tenant at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(
        self, tenant_id: UUID, *, set_name: str, answerer: str, figures: Mapping[str, Mapping[str, Any]]
    ) -> Evaluation:
        async with self._database.tenant(tenant_id) as scope:
            return await evaluations.insert(scope, set_name=set_name, answerer=answerer, figures=figures)

    async def page(
        self, tenant_id: UUID, *, before: tuple[datetime, UUID], set_name: str, limit: int
    ) -> list[Evaluation]:
        """Newest first; "" means any set."""
        async with self._database.tenant(tenant_id) as scope:
            return await evaluations.page(scope, before=before, set_name=set_name, limit=limit)
