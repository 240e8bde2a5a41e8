"""What each method demands of its caller and its messages. A method without an entry is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

OPERATOR = "operator"
TENANT_WRITE = "tenant:write"
TENANT_READ = "tenant:read"
CHANNEL = "channel"
SCOPES = (OPERATOR, TENANT_WRITE, TENANT_READ, CHANNEL)

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The caller needs any one of `scopes`; an empty set makes the method public.

    gRPC clients that watch health make no other call while their watch is refused, unless the refusal says that the
    server has no health service.
    """

    scopes: frozenset[str]
    needs_tenant: bool
    max_request_bytes: int = 64 * KIB
    max_seconds: float = 30.0
    watches_health: bool = False


def _operator() -> Policy:
    return Policy(scopes=frozenset({OPERATOR}), needs_tenant=False)


def _operator_of_tenant(*, max_seconds: float = 30.0) -> Policy:
    return Policy(
        scopes=frozenset({OPERATOR}),
        needs_tenant=True,
        max_request_bytes=128 * KIB,
        max_seconds=max_seconds,
    )


def _write(*, max_request_bytes: int, max_seconds: float = 60.0) -> Policy:
    return Policy(
        scopes=frozenset({TENANT_WRITE}),
        needs_tenant=True,
        max_request_bytes=max_request_bytes,
        max_seconds=max_seconds,
    )


def _read(*, max_seconds: float = 30.0, max_request_bytes: int = 64 * KIB) -> Policy:
    return Policy(
        scopes=frozenset({TENANT_READ}),
        needs_tenant=True,
        max_request_bytes=max_request_bytes,
        max_seconds=max_seconds,
    )


def _question(*, max_seconds: float = 30.0) -> Policy:
    """Allows a message larger than the longest question, so that the error can name the field."""
    return _read(max_seconds=max_seconds, max_request_bytes=512 * KIB)


def _also_for_channels(policy: Policy) -> Policy:
    """For gateways and bots. Without `tenant:read` they reach only conversations that a session token proves."""
    return replace(policy, scopes=policy.scopes | {CHANNEL})


def _channels() -> Policy:
    """For callers with a public key, a code or a token that implies the tenant, so that the request names none."""
    return Policy(scopes=frozenset({CHANNEL}), needs_tenant=False)


def _public(*, max_seconds: float) -> Policy:
    return Policy(scopes=frozenset(), needs_tenant=False, max_seconds=max_seconds)


HOUR_SECONDS = 3_600.0
DAY_SECONDS = 86_400.0

POLICIES: Mapping[str, Policy] = {
    "/kladez.v1.TenantService/CreateTenant": _operator(),
    "/kladez.v1.TenantService/GetTenant": _operator(),
    "/kladez.v1.TenantService/ListTenants": _operator(),
    "/kladez.v1.TenantService/UpdateTenant": _operator(),
    "/kladez.v1.TenantService/DeleteTenant": _operator(),
    "/kladez.v1.TenantService/UndeleteTenant": _operator(),
    "/kladez.v1.TenantService/CreateApiKey": _operator(),
    "/kladez.v1.TenantService/ListApiKeys": _operator(),
    "/kladez.v1.TenantService/RevokeApiKey": _operator(),
    "/kladez.v1.TenantService/RotatePublicKey": _operator(),
    "/kladez.v1.TenantService/ResolvePublicKey": _channels(),
    "/kladez.v1.DocumentService/UpsertDocument": _write(max_request_bytes=1_200 * KIB),
    "/kladez.v1.DocumentService/BatchUpsertDocuments": _write(max_request_bytes=4 * MIB),
    "/kladez.v1.DocumentService/ImportDocuments": _write(max_request_bytes=4 * MIB, max_seconds=DAY_SECONDS),
    "/kladez.v1.DocumentService/ImportShop": _write(max_request_bytes=1_100 * KIB),
    "/kladez.v1.DocumentService/GetDocument": _read(),
    "/kladez.v1.DocumentService/ListDocuments": _read(),
    "/kladez.v1.DocumentService/UpdateDocument": _write(max_request_bytes=1_200 * KIB),
    "/kladez.v1.DocumentService/DeleteDocument": _write(max_request_bytes=64 * KIB),
    "/kladez.v1.DocumentService/BatchDeleteDocuments": _write(max_request_bytes=64 * KIB, max_seconds=300.0),
    "/kladez.v1.DocumentService/ReindexDocuments": _write(max_request_bytes=64 * KIB, max_seconds=300.0),
    "/kladez.v1.DocumentService/PurgeDocuments": _write(max_request_bytes=64 * KIB, max_seconds=300.0),
    "/kladez.v1.DocumentService/UndoImport": _write(max_request_bytes=64 * KIB, max_seconds=300.0),
    "/kladez.v1.SearchService/Search": _question(),
    "/kladez.v1.SearchService/SummarizeSearch": _question(max_seconds=120.0),
    "/kladez.v1.SearchService/CreateSnapshot": _question(max_seconds=120.0),
    "/kladez.v1.SearchService/GetSnapshot": _read(),
    "/kladez.v1.SearchService/ResolveSnapshot": _channels(),
    "/kladez.v1.SearchService/DeleteSnapshot": _write(max_request_bytes=64 * KIB, max_seconds=30.0),
    "/kladez.v1.AnswerService/StreamAnswer": _also_for_channels(_question(max_seconds=120.0)),
    "/kladez.v1.AnswerService/GetAnswer": _read(),
    "/kladez.v1.AnswerService/CreateSession": _also_for_channels(_read()),
    "/kladez.v1.AnswerService/CancelAnswer": _also_for_channels(_read()),
    "/kladez.v1.AnswerService/ListSessionTurns": _read(),
    "/kladez.v1.AnswerService/DeleteSession": _read(),
    "/kladez.v1.AnswerService/CreateHandoff": _also_for_channels(_read()),
    "/kladez.v1.AnswerService/ClaimHandoff": _channels(),
    "/kladez.v1.AnswerService/SubmitFeedback": _also_for_channels(_read()),
    "/kladez.v1.SyncService/GetSyncStatus": _read(),
    "/kladez.v1.SyncService/SyncNow": _write(max_request_bytes=64 * KIB, max_seconds=300.0),
    "/kladez.v1.SyncService/ListSyncJobs": _read(),
    "/kladez.v1.SyncService/RetrySyncJobs": _write(max_request_bytes=64 * KIB, max_seconds=300.0),
    "/kladez.v1.SyncService/ListSyncLog": _read(),
    "/kladez.v1.SyncService/RepairDrift": _write(max_request_bytes=64 * KIB, max_seconds=HOUR_SECONDS),
    # The operator pays for storage and searches at OpenAI.
    "/kladez.v1.SyncService/SetBackend": _operator_of_tenant(),
    "/kladez.v1.SyncService/GetBackendComparison": _read(),
    "/kladez.v1.IndexJobService/CreateIndexJob": _write(max_request_bytes=64 * KIB),
    "/kladez.v1.IndexJobService/GetIndexJob": _read(),
    "/kladez.v1.IndexJobService/ListIndexJobs": _read(),
    "/kladez.v1.IndexJobService/CancelIndexJob": _write(max_request_bytes=64 * KIB),
    "/kladez.v1.IndexJobService/WatchIndexJob": _read(max_seconds=DAY_SECONDS),
    "/kladez.v1.SourceService/UpsertSource": _operator_of_tenant(),
    "/kladez.v1.SourceService/GetSource": _read(),
    "/kladez.v1.SourceService/ListSources": _read(),
    "/kladez.v1.SourceService/DeleteSource": _operator_of_tenant(),
    "/kladez.v1.SourceService/TestSource": _write(max_request_bytes=64 * KIB),
    "/kladez.v1.SourceService/SyncSource": _write(max_request_bytes=2 * MIB, max_seconds=HOUR_SECONDS),
    "/kladez.v1.SpaceService/ListSpaces": _operator_of_tenant(),
    "/kladez.v1.SpaceService/EstimateSwitch": _operator_of_tenant(max_seconds=300.0),
    "/kladez.v1.SpaceService/StartSwitch": _operator_of_tenant(),
    "/kladez.v1.SpaceService/VerifySwitch": _operator_of_tenant(max_seconds=300.0),
    "/kladez.v1.SpaceService/FlipSpace": _operator_of_tenant(),
    "/kladez.v1.SpaceService/DropSpace": _operator_of_tenant(max_seconds=300.0),
    "/kladez.v1.InsightService/GetUsage": _read(),
    "/kladez.v1.InsightService/RecordEvaluation": _write(max_request_bytes=64 * KIB),
    "/kladez.v1.InsightService/ListEvaluations": _read(),
    "/kladez.v1.InsightService/ListChatLogs": _read(),
    "/kladez.v1.InsightService/ExportChatLogs": _read(max_seconds=HOUR_SECONDS),
    "/kladez.v1.InsightService/ListUnanswered": _read(),
    "/kladez.v1.InsightService/ResolveUnanswered": _write(max_request_bytes=128 * KIB, max_seconds=120.0),
    "/kladez.v1.InsightService/ListTopQuestions": _read(),
    "/kladez.v1.InsightService/ListTopDocuments": _read(),
    "/kladez.v1.InsightService/ListProcesses": _operator(),
    "/grpc.health.v1.Health/Check": _public(max_seconds=5.0),
    "/grpc.health.v1.Health/List": _public(max_seconds=5.0),
    "/grpc.health.v1.Health/Watch": replace(_public(max_seconds=DAY_SECONDS), watches_health=True),
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": _public(max_seconds=600.0),
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": _public(max_seconds=600.0),
}
