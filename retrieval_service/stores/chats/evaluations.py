"""What runs of labelled questions measured, by tenant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from retrieval_service.domain.insights.answer_metrics import Evaluation
from retrieval_service.stores.database import TenantScope, only

INSERT = """
INSERT INTO answer_evaluations (tenant_id, set_name, answerer, figures)
VALUES (%(tenant_id)s, %(set_name)s, %(answerer)s, %(figures)s)
RETURNING id, set_name, answerer, figures, created_at
"""


async def insert(
    scope: TenantScope, *, set_name: str, answerer: str, figures: Mapping[str, Mapping[str, Any]]
) -> Evaluation:
    async with scope.connection.cursor(row_factory=class_row(Evaluation)) as cursor:
        parameters = {
            "tenant_id": scope.tenant_id,
            "set_name": set_name,
            "answerer": answerer,
            "figures": Jsonb(figures),
        }
        await cursor.execute(INSERT, parameters)
        return only(await cursor.fetchone())


SELECT_PAGE = """
SELECT id, set_name, answerer, figures, created_at FROM answer_evaluations
WHERE tenant_id = %(tenant_id)s AND (created_at, id) < (%(before_time)s, %(before_id)s)
    AND (%(set_name)s = '' OR set_name = %(set_name)s)
ORDER BY created_at DESC, id DESC LIMIT %(limit)s
"""


async def page(
    scope: TenantScope, *, before: tuple[datetime, UUID], set_name: str, limit: int
) -> list[Evaluation]:
    """Newest first; "" means any set."""
    async with scope.connection.cursor(row_factory=class_row(Evaluation)) as cursor:
        parameters = {
            "tenant_id": scope.tenant_id,
            "before_time": before[0],
            "before_id": before[1],
            "set_name": set_name,
            "limit": limit,
        }
        await cursor.execute(SELECT_PAGE, parameters)
        return await cursor.fetchall()
