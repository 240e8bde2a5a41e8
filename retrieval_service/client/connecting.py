"""Opens the connection that a client speaks over: spread over all servers, repeated where that is safe."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

from retrieval_service.client import addresses, channels, diagnosing
from retrieval_service.client.answers import AnswerCalls
from retrieval_service.client.documents import DocumentCalls
from retrieval_service.client.indexing import IndexCalls
from retrieval_service.client.insights import InsightCalls
from retrieval_service.client.searches import SearchCalls
from retrieval_service.client.syncing import SyncCalls
from retrieval_service.client.tenants import TenantCalls
from retrieval_service.client.tls import Tls

log = logging.getLogger("kladez.client")

# Reads are repeated when a server goes away; writes by key are idempotent too, but not sessions and keys.
IDEMPOTENT = {
    "kladez.v1.TenantService": ("GetTenant", "ListTenants", "ListApiKeys", "ResolvePublicKey"),
    "kladez.v1.DocumentService": (
        "UpsertDocument",
        "BatchUpsertDocuments",
        "ImportShop",
        "GetDocument",
        "ListDocuments",
        "ReindexDocuments",
    ),
    "kladez.v1.SearchService": ("Search", "SummarizeSearch", "GetSnapshot", "ResolveSnapshot"),
    "kladez.v1.AnswerService": ("GetAnswer", "CancelAnswer", "ListSessionTurns", "SubmitFeedback"),
    "kladez.v1.SyncService": (
        "GetSyncStatus",
        "SyncNow",
        "ListSyncJobs",
        "RetrySyncJobs",
        "ListSyncLog",
        "RepairDrift",
        "GetBackendComparison",
    ),
    "kladez.v1.IndexJobService": ("GetIndexJob", "ListIndexJobs", "CancelIndexJob"),
    "kladez.v1.SourceService": ("UpsertSource", "GetSource", "ListSources"),
    "kladez.v1.SpaceService": ("ListSpaces", "EstimateSwitch", "StartSwitch", "VerifySwitch"),
    "kladez.v1.InsightService": (
        "GetUsage",
        "ListEvaluations",
        "ListChatLogs",
        "ListUnanswered",
        "ListTopQuestions",
        "ListTopDocuments",
        "ListProcesses",
    ),
}


class Client(
    TenantCalls,
    DocumentCalls,
    SearchCalls,
    AnswerCalls,
    SyncCalls,
    IndexCalls,
    InsightCalls,
):
    """Calls with one key, for one tenant when the key serves many. Build it with `connect()`."""


@contextlib.asynccontextmanager
async def connect(
    address: str, key: str, *, tenant_id: str = "", tls: Tls | None = None
) -> AsyncIterator[Client]:
    """A client for `https://host:port`, or `host:port` without TLS; raises `Misconfigured`.

    The connection is made at the first call and kept until the block ends.
    """
    place, tls = addresses.parse(address), tls or Tls()
    if key and place.goes_over_a_network and not place.is_secure:
        log.warning("The key for %s goes over the network in clear text: use https://", place.target)
    metadata = (("authorization", f"Bearer {key}"),)
    async with channels.opened(place, tls, channel_options()) as channel:
        client = Client(channel, metadata, lambda: diagnosing.fault(place, tls))
        yield client.for_tenant(tenant_id) if tenant_id else client


def channel_options() -> list[tuple[str, str | int]]:
    return [
        ("grpc.service_config", json.dumps(service_config())),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.max_receive_message_length", 16 * 1024 * 1024),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 5_000),
    ]


def service_config() -> dict[str, Any]:
    """Spread over all servers, leave those that stop, repeat what may be repeated (gRFC A2, A6, A17)."""
    names = [
        {"service": service, "method": name} for service, methods in IDEMPOTENT.items() for name in methods
    ]
    retry = {
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": ""},
        "methodConfig": [{"name": names, "retryPolicy": retry}],
    }
