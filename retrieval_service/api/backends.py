"""Choices of a backend and comparisons of the two as messages of the contract."""

from __future__ import annotations

import re

from kladez.v1 import sync_service_pb2 as pb

from retrieval_service.api import fields
from retrieval_service.api.messages import common_messages, tenant_messages
from retrieval_service.domain.retrieval.backends import Choice, ComparedExample
from retrieval_service.services.retrieval.shadow_results import KEPT_DAYS, ComparisonReport
from retrieval_service.services.sync.backend_switches import Switched

DEFAULT_DAYS = 7
# The id becomes part of a URL.
STORE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def choice(request: pb.SetBackendRequest) -> Choice | None:
    """None leaves it as it is."""
    if not request.backend:
        return None
    if request.backend not in tenant_messages.CHOICES:
        raise fields.refuse("backend", "is not one that we know")
    return tenant_messages.CHOICES[request.backend]


def shadow_share(request: pb.SetBackendRequest) -> float | None:
    """None leaves it as it is."""
    if not request.HasField("shadow_share"):
        return None
    if not 0 <= request.shadow_share <= 1:
        raise fields.refuse("shadow_share", "must be in [0, 1]")
    return request.shadow_share


def vector_store_id(request: pb.SetBackendRequest) -> str:
    """An empty string keeps the store."""
    if request.vector_store_id and not STORE_ID.fullmatch(request.vector_store_id):
        raise fields.refuse("vector_store_id", "must be 1-128 characters of a-z, A-Z, 0-9, _ and -")
    return request.vector_store_id


def days(request: pb.GetBackendComparisonRequest) -> int:
    if not 0 <= request.days <= KEPT_DAYS:
        raise fields.refuse("days", f"must be 1-{KEPT_DAYS}")
    return request.days or DEFAULT_DAYS


def switched(now: Switched) -> pb.SetBackendResponse:
    return pb.SetBackendResponse(
        backend=tenant_messages.CHOICE_NUMBERS[now.choice],
        previous_backend=tenant_messages.CHOICE_NUMBERS[now.previous],
        effective_backend=tenant_messages.BACKEND_NUMBERS[now.effective],
        shadow_share=now.shadow_share,
        mirrored=now.is_mirrored,
        removing_files=now.leaves_provider,
        queued_count=now.queued_count,
        vector_store_id=now.store_id,
        store_adopted=now.is_adopted,
    )


def comparison(report: ComparisonReport) -> pb.GetBackendComparisonResponse:
    summary = report.summary
    return pb.GetBackendComparisonResponse(
        count=summary.count,
        failed_count=summary.failed_count,
        overlap_mean=summary.overlap_mean,
        overlap_p10=summary.overlap_p10,
        pgvector=pb.BackendLatency(p50_ms=summary.pgvector_p50_ms, p95_ms=summary.pgvector_p95_ms),
        openai=pb.BackendLatency(p50_ms=summary.openai_p50_ms, p95_ms=summary.openai_p95_ms),
        cost_usd=summary.cost_usd,
        examples=[compared(one) for one in report.examples],
    )


def compared(example: ComparedExample) -> pb.ComparedSearch:
    return pb.ComparedSearch(
        query=example.query,
        served_by=tenant_messages.BACKEND_NUMBERS[example.served_by],
        overlap=example.overlap or 0.0,  # None for failed searches, which are no examples
        pgvector_count=example.pgvector_count,
        openai_count=example.openai_count,
        pgvector_ms=example.pgvector_ms,
        openai_ms=example.openai_ms,
        compare_time=common_messages.timestamp(example.compared_at),
    )
