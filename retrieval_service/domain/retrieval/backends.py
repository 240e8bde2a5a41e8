"""Who finds passages for a tenant, and how far two that were asked the same agree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

COMPARED_DOCUMENTS = 10


class Backend(StrEnum):
    """What searches."""

    PGVECTOR = "pgvector"
    OPENAI = "openai"


class Choice(StrEnum):
    """What a tenant asks for; DEFAULT is whatever the installation uses."""

    DEFAULT = "default"
    PGVECTOR = "pgvector"
    OPENAI = "openai"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a tenant asks for, and what stands ready for it at the provider.

    `store_id` is empty while the tenant has no store. `is_filling` says that documents have waited for the
    provider long enough to be missed there. An adopted store holds files of others, too. While the tenant
    `leaves_provider`, what is held there is removed.
    """

    choice: Choice
    shadow_share: float
    is_mirrored: bool
    leaves_provider: bool
    store_id: str
    is_filling: bool
    is_adopted: bool = False


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One search that both did; without `overlap` one of them failed, and `error` says why."""

    query: str
    served_by: Backend
    pgvector_count: int
    openai_count: int
    overlap: float | None
    pgvector_ms: float
    openai_ms: float
    cost_usd: float
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class ComparedExample(Comparison):
    """A comparison that was kept."""

    compared_at: datetime


@dataclass(frozen=True, kw_only=True)
class ComparisonSummary:
    """Over some days; overlaps in [0, 1] and times in milliseconds are None when nothing was compared."""

    count: int
    failed_count: int
    overlap_mean: float | None
    overlap_p10: float | None
    pgvector_p50_ms: float | None
    pgvector_p95_ms: float | None
    openai_p50_ms: float | None
    openai_p95_ms: float | None
    cost_usd: float


def effective(choice: Choice, *, uses_openai: bool) -> Backend:
    """`uses_openai` is what the installation says."""
    if choice is Choice.DEFAULT:
        return Backend.OPENAI if uses_openai else Backend.PGVECTOR
    return Backend(choice.value)


def other(backend: Backend) -> Backend:
    return Backend.PGVECTOR if backend is Backend.OPENAI else Backend.OPENAI


def overlap(one: Iterable[UUID], another: Iterable[UUID]) -> float:
    """The share of first documents that both found, by the longer of two rankings; 1 when neither found any."""
    first, second = set(first_documents(one)), set(first_documents(another))
    longer = max(len(first), len(second))
    return len(first & second) / longer if longer else 1.0


def first_documents(document_ids: Iterable[UUID]) -> list[UUID]:
    """The first `COMPARED_DOCUMENTS` of a ranking that may name one several times; reads no further."""
    first: dict[UUID, None] = {}
    for document_id in document_ids:
        first.setdefault(document_id)
        if len(first) == COMPARED_DOCUMENTS:
            break
    return list(first)
