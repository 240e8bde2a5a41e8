"""The one door to the retrieval service for the bot, the gateway, the command line and other programs.

Requests and responses are the messages of `kladez.v1`; failures are `CallFailed`. Importing this module
needs grpcio alone.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from typing import Any, Protocol, Self, TypeVar

import grpc
from google.protobuf import message
from grpc_health.v1 import health_pb2
from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import answer_service_pb2_grpc as answers_grpc
from kladez.v1 import document_service_pb2 as documents_pb
from kladez.v1 import document_service_pb2_grpc as documents_grpc
from kladez.v1 import index_job_service_pb2 as index_jobs_pb
from kladez.v1 import index_job_service_pb2_grpc as index_jobs_grpc
from kladez.v1 import insight_service_pb2 as insights_pb
from kladez.v1 import insight_service_pb2_grpc as insights_grpc
from kladez.v1 import search_service_pb2 as search_pb
from kladez.v1 import search_service_pb2_grpc as search_grpc
from kladez.v1 import source_service_pb2 as sources_pb
from kladez.v1 import source_service_pb2_grpc as sources_grpc
from kladez.v1 import space_service_pb2 as spaces_pb
from kladez.v1 import space_service_pb2_grpc as spaces_grpc
from kladez.v1 import sync_service_pb2 as sync_pb
from kladez.v1 import sync_service_pb2_grpc as sync_grpc
from kladez.v1 import tenant_service_pb2 as tenants_pb
from kladez.v1 import tenant_service_pb2_grpc as tenants_grpc

from retrieval_service.client_failures import CallFailed, FieldViolation, streamed, translated

__all__ = ["CallFailed", "Client", "FieldViolation", "connect"]

Response = TypeVar("Response", covariant=True)
Metadata = tuple[tuple[str, str], ...]

UNARY_TIMEOUT_SECONDS = 30.0
# For calls about any number of documents.
MANY_TIMEOUT_SECONDS = 300.0
ANSWER_TIMEOUT_SECONDS = 90.0
SOURCE_TIMEOUT_SECONDS = 3600.0
DRIFT_TIMEOUT_SECONDS = 3600.0
IMPORT_TIMEOUT_SECONDS = 3600.0
EXPORT_TIMEOUT_SECONDS = 3600.0
# Indexing one document and answering one question.
RESOLVE_TIMEOUT_SECONDS = 120.0
WATCH_TIMEOUT_SECONDS = 86_400.0

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
    ),
}


class Client:
    """Calls with one key, for one tenant when the key serves many. Build it with `connect()`."""

    def __init__(self, channel: grpc.aio.Channel, metadata: Metadata) -> None:
        self._channel = channel
        self._metadata = metadata
        self._tenants = tenants_grpc.TenantServiceStub(channel)
        self._documents = documents_grpc.DocumentServiceStub(channel)
        self._search = search_grpc.SearchServiceStub(channel)
        self._answers = answers_grpc.AnswerServiceStub(channel)
        self._sync = sync_grpc.SyncServiceStub(channel)
        self._index_jobs = index_jobs_grpc.IndexJobServiceStub(channel)
        self._sources = sources_grpc.SourceServiceStub(channel)
        self._spaces = spaces_grpc.SpaceServiceStub(channel)
        self._insights = insights_grpc.InsightServiceStub(channel)

    def for_tenant(self, tenant_id: str) -> Self:
        """The same connection and key, speaking for one tenant."""
        others = tuple(pair for pair in self._metadata if pair[0] != "x-tenant-id")
        return type(self)(self._channel, (*others, ("x-tenant-id", tenant_id)))

    async def wait_until_ready(self, timeout_seconds: float) -> None:
        """Returns once the service says it is serving; raises `CallFailed` when it does not in time."""
        check = self._channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        async with translated():
            response = await check(
                health_pb2.HealthCheckRequest(), timeout=timeout_seconds, wait_for_ready=True
            )
        if response.status != health_pb2.HealthCheckResponse.SERVING:
            raise CallFailed("the retrieval service is starting or stopping", code="UNAVAILABLE")

    async def create_tenant(self, request: tenants_pb.CreateTenantRequest) -> tenants_pb.CreateTenantResponse:
        return await self._unary(self._tenants.CreateTenant, request)

    async def get_tenant(self, request: tenants_pb.GetTenantRequest) -> tenants_pb.GetTenantResponse:
        return await self._unary(self._tenants.GetTenant, request)

    async def list_tenants(self, request: tenants_pb.ListTenantsRequest) -> tenants_pb.ListTenantsResponse:
        return await self._unary(self._tenants.ListTenants, request)

    async def update_tenant(self, request: tenants_pb.UpdateTenantRequest) -> tenants_pb.UpdateTenantResponse:
        return await self._unary(self._tenants.UpdateTenant, request)

    async def delete_tenant(self, request: tenants_pb.DeleteTenantRequest) -> tenants_pb.DeleteTenantResponse:
        return await self._unary(self._tenants.DeleteTenant, request)

    async def undelete_tenant(
        self, request: tenants_pb.UndeleteTenantRequest
    ) -> tenants_pb.UndeleteTenantResponse:
        return await self._unary(self._tenants.UndeleteTenant, request)

    async def create_api_key(
        self, request: tenants_pb.CreateApiKeyRequest
    ) -> tenants_pb.CreateApiKeyResponse:
        return await self._unary(self._tenants.CreateApiKey, request)

    async def list_api_keys(self, request: tenants_pb.ListApiKeysRequest) -> tenants_pb.ListApiKeysResponse:
        return await self._unary(self._tenants.ListApiKeys, request)

    async def revoke_api_key(
        self, request: tenants_pb.RevokeApiKeyRequest
    ) -> tenants_pb.RevokeApiKeyResponse:
        return await self._unary(self._tenants.RevokeApiKey, request)

    async def rotate_public_key(
        self, request: tenants_pb.RotatePublicKeyRequest
    ) -> tenants_pb.RotatePublicKeyResponse:
        return await self._unary(self._tenants.RotatePublicKey, request)

    async def resolve_public_key(
        self, request: tenants_pb.ResolvePublicKeyRequest
    ) -> tenants_pb.ResolvePublicKeyResponse:
        return await self._unary(self._tenants.ResolvePublicKey, request)

    async def upsert_document(
        self, request: documents_pb.UpsertDocumentRequest
    ) -> documents_pb.UpsertDocumentResponse:
        return await self._unary(self._documents.UpsertDocument, request)

    async def batch_upsert_documents(
        self, request: documents_pb.BatchUpsertDocumentsRequest
    ) -> documents_pb.BatchUpsertDocumentsResponse:
        return await self._unary(self._documents.BatchUpsertDocuments, request)

    async def import_documents(
        self, requests: AsyncIterator[documents_pb.ImportDocumentsRequest]
    ) -> AsyncGenerator[documents_pb.ImportDocumentsResponse, None]:
        """Bidirectional: acknowledgements arrive while chunks are still being sent."""
        call = self._documents.ImportDocuments(
            requests, metadata=self._metadata, timeout=IMPORT_TIMEOUT_SECONDS
        )
        async with contextlib.aclosing(streamed(call)) as events:
            async for event in events:
                yield event

    async def import_shop(self, request: documents_pb.ImportShopRequest) -> documents_pb.ImportShopResponse:
        return await self._unary(self._documents.ImportShop, request)

    async def get_document(
        self, request: documents_pb.GetDocumentRequest
    ) -> documents_pb.GetDocumentResponse:
        return await self._unary(self._documents.GetDocument, request)

    async def list_documents(
        self, request: documents_pb.ListDocumentsRequest
    ) -> documents_pb.ListDocumentsResponse:
        return await self._unary(self._documents.ListDocuments, request)

    async def update_document(
        self, request: documents_pb.UpdateDocumentRequest
    ) -> documents_pb.UpdateDocumentResponse:
        return await self._unary(self._documents.UpdateDocument, request)

    async def delete_document(
        self, request: documents_pb.DeleteDocumentRequest
    ) -> documents_pb.DeleteDocumentResponse:
        return await self._unary(self._documents.DeleteDocument, request)

    async def batch_delete_documents(
        self, request: documents_pb.BatchDeleteDocumentsRequest
    ) -> documents_pb.BatchDeleteDocumentsResponse:
        return await self._unary(
            self._documents.BatchDeleteDocuments, request, timeout_seconds=MANY_TIMEOUT_SECONDS
        )

    async def reindex_documents(
        self, request: documents_pb.ReindexDocumentsRequest
    ) -> documents_pb.ReindexDocumentsResponse:
        return await self._unary(
            self._documents.ReindexDocuments, request, timeout_seconds=MANY_TIMEOUT_SECONDS
        )

    async def purge_documents(
        self, request: documents_pb.PurgeDocumentsRequest
    ) -> documents_pb.PurgeDocumentsResponse:
        return await self._unary(
            self._documents.PurgeDocuments, request, timeout_seconds=MANY_TIMEOUT_SECONDS
        )

    async def undo_import(self, request: documents_pb.UndoImportRequest) -> documents_pb.UndoImportResponse:
        return await self._unary(self._documents.UndoImport, request, timeout_seconds=MANY_TIMEOUT_SECONDS)

    async def search(self, request: search_pb.SearchRequest) -> search_pb.SearchResponse:
        return await self._unary(self._search.Search, request)

    async def summarize_search(
        self, request: search_pb.SummarizeSearchRequest
    ) -> search_pb.SummarizeSearchResponse:
        return await self._unary(
            self._search.SummarizeSearch, request, timeout_seconds=ANSWER_TIMEOUT_SECONDS
        )

    async def create_snapshot(
        self, request: search_pb.CreateSnapshotRequest
    ) -> search_pb.CreateSnapshotResponse:
        return await self._unary(self._search.CreateSnapshot, request, timeout_seconds=ANSWER_TIMEOUT_SECONDS)

    async def get_snapshot(self, request: search_pb.GetSnapshotRequest) -> search_pb.GetSnapshotResponse:
        return await self._unary(self._search.GetSnapshot, request)

    async def resolve_snapshot(
        self, request: search_pb.ResolveSnapshotRequest
    ) -> search_pb.ResolveSnapshotResponse:
        return await self._unary(self._search.ResolveSnapshot, request)

    async def delete_snapshot(
        self, request: search_pb.DeleteSnapshotRequest
    ) -> search_pb.DeleteSnapshotResponse:
        return await self._unary(self._search.DeleteSnapshot, request)

    async def stream_answer(
        self, request: answers_pb.StreamAnswerRequest, *, timeout_seconds: float = ANSWER_TIMEOUT_SECONDS
    ) -> AsyncGenerator[answers_pb.StreamAnswerResponse, None]:
        """The events of one answer; who closes the generator stops listening, and the answer is written on."""
        call = self._answers.StreamAnswer(request, metadata=self._metadata, timeout=timeout_seconds)
        async with contextlib.aclosing(streamed(call)) as events:
            async for event in events:
                yield event

    async def get_answer(self, request: answers_pb.GetAnswerRequest) -> answers_pb.GetAnswerResponse:
        return await self._unary(self._answers.GetAnswer, request)

    async def create_session(
        self, request: answers_pb.CreateSessionRequest
    ) -> answers_pb.CreateSessionResponse:
        return await self._unary(self._answers.CreateSession, request)

    async def cancel_answer(self, request: answers_pb.CancelAnswerRequest) -> answers_pb.CancelAnswerResponse:
        return await self._unary(self._answers.CancelAnswer, request)

    async def list_session_turns(
        self, request: answers_pb.ListSessionTurnsRequest
    ) -> answers_pb.ListSessionTurnsResponse:
        return await self._unary(self._answers.ListSessionTurns, request)

    async def delete_session(
        self, request: answers_pb.DeleteSessionRequest
    ) -> answers_pb.DeleteSessionResponse:
        return await self._unary(self._answers.DeleteSession, request)

    async def create_handoff(
        self, request: answers_pb.CreateHandoffRequest
    ) -> answers_pb.CreateHandoffResponse:
        return await self._unary(self._answers.CreateHandoff, request)

    async def claim_handoff(self, request: answers_pb.ClaimHandoffRequest) -> answers_pb.ClaimHandoffResponse:
        return await self._unary(self._answers.ClaimHandoff, request)

    async def submit_feedback(
        self, request: answers_pb.SubmitFeedbackRequest
    ) -> answers_pb.SubmitFeedbackResponse:
        return await self._unary(self._answers.SubmitFeedback, request)

    async def get_sync_status(self, request: sync_pb.GetSyncStatusRequest) -> sync_pb.GetSyncStatusResponse:
        return await self._unary(self._sync.GetSyncStatus, request)

    async def sync_now(self, request: sync_pb.SyncNowRequest) -> sync_pb.SyncNowResponse:
        return await self._unary(self._sync.SyncNow, request, timeout_seconds=MANY_TIMEOUT_SECONDS)

    async def list_sync_jobs(self, request: sync_pb.ListSyncJobsRequest) -> sync_pb.ListSyncJobsResponse:
        return await self._unary(self._sync.ListSyncJobs, request)

    async def retry_sync_jobs(self, request: sync_pb.RetrySyncJobsRequest) -> sync_pb.RetrySyncJobsResponse:
        return await self._unary(self._sync.RetrySyncJobs, request, timeout_seconds=MANY_TIMEOUT_SECONDS)

    async def list_sync_log(self, request: sync_pb.ListSyncLogRequest) -> sync_pb.ListSyncLogResponse:
        return await self._unary(self._sync.ListSyncLog, request)

    async def repair_drift(self, request: sync_pb.RepairDriftRequest) -> sync_pb.RepairDriftResponse:
        return await self._unary(self._sync.RepairDrift, request, timeout_seconds=DRIFT_TIMEOUT_SECONDS)

    async def set_backend(self, request: sync_pb.SetBackendRequest) -> sync_pb.SetBackendResponse:
        return await self._unary(self._sync.SetBackend, request)

    async def get_backend_comparison(
        self, request: sync_pb.GetBackendComparisonRequest
    ) -> sync_pb.GetBackendComparisonResponse:
        return await self._unary(self._sync.GetBackendComparison, request)

    async def create_index_job(
        self, request: index_jobs_pb.CreateIndexJobRequest
    ) -> index_jobs_pb.CreateIndexJobResponse:
        return await self._unary(self._index_jobs.CreateIndexJob, request)

    async def get_index_job(
        self, request: index_jobs_pb.GetIndexJobRequest
    ) -> index_jobs_pb.GetIndexJobResponse:
        return await self._unary(self._index_jobs.GetIndexJob, request)

    async def list_index_jobs(
        self, request: index_jobs_pb.ListIndexJobsRequest
    ) -> index_jobs_pb.ListIndexJobsResponse:
        return await self._unary(self._index_jobs.ListIndexJobs, request)

    async def cancel_index_job(
        self, request: index_jobs_pb.CancelIndexJobRequest
    ) -> index_jobs_pb.CancelIndexJobResponse:
        return await self._unary(self._index_jobs.CancelIndexJob, request)

    async def watch_index_job(
        self, request: index_jobs_pb.WatchIndexJobRequest
    ) -> AsyncGenerator[index_jobs_pb.WatchIndexJobResponse, None]:
        """The job as it goes on; the generator ends with a final state, and closing it leaves the job alone."""
        call = self._index_jobs.WatchIndexJob(request, metadata=self._metadata, timeout=WATCH_TIMEOUT_SECONDS)
        async with contextlib.aclosing(streamed(call)) as events:
            async for event in events:
                yield event

    async def upsert_source(self, request: sources_pb.UpsertSourceRequest) -> sources_pb.UpsertSourceResponse:
        return await self._unary(self._sources.UpsertSource, request)

    async def get_source(self, request: sources_pb.GetSourceRequest) -> sources_pb.GetSourceResponse:
        return await self._unary(self._sources.GetSource, request)

    async def list_sources(self, request: sources_pb.ListSourcesRequest) -> sources_pb.ListSourcesResponse:
        return await self._unary(self._sources.ListSources, request)

    async def delete_source(self, request: sources_pb.DeleteSourceRequest) -> sources_pb.DeleteSourceResponse:
        return await self._unary(self._sources.DeleteSource, request)

    async def test_source(self, request: sources_pb.TestSourceRequest) -> sources_pb.TestSourceResponse:
        return await self._unary(self._sources.TestSource, request)

    async def sync_source(self, request: sources_pb.SyncSourceRequest) -> sources_pb.SyncSourceResponse:
        return await self._unary(self._sources.SyncSource, request, timeout_seconds=SOURCE_TIMEOUT_SECONDS)

    async def list_spaces(self, request: spaces_pb.ListSpacesRequest) -> spaces_pb.ListSpacesResponse:
        return await self._unary(self._spaces.ListSpaces, request)

    async def estimate_switch(
        self, request: spaces_pb.EstimateSwitchRequest
    ) -> spaces_pb.EstimateSwitchResponse:
        return await self._unary(self._spaces.EstimateSwitch, request, timeout_seconds=MANY_TIMEOUT_SECONDS)

    async def start_switch(self, request: spaces_pb.StartSwitchRequest) -> spaces_pb.StartSwitchResponse:
        return await self._unary(self._spaces.StartSwitch, request)

    async def verify_switch(self, request: spaces_pb.VerifySwitchRequest) -> spaces_pb.VerifySwitchResponse:
        return await self._unary(self._spaces.VerifySwitch, request, timeout_seconds=MANY_TIMEOUT_SECONDS)

    async def flip_space(self, request: spaces_pb.FlipSpaceRequest) -> spaces_pb.FlipSpaceResponse:
        return await self._unary(self._spaces.FlipSpace, request)

    async def drop_space(self, request: spaces_pb.DropSpaceRequest) -> spaces_pb.DropSpaceResponse:
        return await self._unary(self._spaces.DropSpace, request, timeout_seconds=MANY_TIMEOUT_SECONDS)

    async def get_usage(self, request: insights_pb.GetUsageRequest) -> insights_pb.GetUsageResponse:
        return await self._unary(self._insights.GetUsage, request)

    async def record_evaluation(
        self, request: insights_pb.RecordEvaluationRequest
    ) -> insights_pb.RecordEvaluationResponse:
        return await self._unary(self._insights.RecordEvaluation, request)

    async def list_evaluations(
        self, request: insights_pb.ListEvaluationsRequest
    ) -> insights_pb.ListEvaluationsResponse:
        return await self._unary(self._insights.ListEvaluations, request)

    async def list_chat_logs(
        self, request: insights_pb.ListChatLogsRequest
    ) -> insights_pb.ListChatLogsResponse:
        return await self._unary(self._insights.ListChatLogs, request)

    async def export_chat_logs(
        self, request: insights_pb.ExportChatLogsRequest
    ) -> AsyncGenerator[insights_pb.ExportChatLogsResponse, None]:
        """Every chat log that the filter lets through, newest first."""
        call = self._insights.ExportChatLogs(request, metadata=self._metadata, timeout=EXPORT_TIMEOUT_SECONDS)
        async with contextlib.aclosing(streamed(call)) as rows:
            async for row in rows:
                yield row

    async def list_unanswered(
        self, request: insights_pb.ListUnansweredRequest
    ) -> insights_pb.ListUnansweredResponse:
        return await self._unary(self._insights.ListUnanswered, request)

    async def resolve_unanswered(
        self, request: insights_pb.ResolveUnansweredRequest
    ) -> insights_pb.ResolveUnansweredResponse:
        return await self._unary(
            self._insights.ResolveUnanswered, request, timeout_seconds=RESOLVE_TIMEOUT_SECONDS
        )

    async def list_top_questions(
        self, request: insights_pb.ListTopQuestionsRequest
    ) -> insights_pb.ListTopQuestionsResponse:
        return await self._unary(self._insights.ListTopQuestions, request)

    async def list_top_documents(
        self, request: insights_pb.ListTopDocumentsRequest
    ) -> insights_pb.ListTopDocumentsResponse:
        return await self._unary(self._insights.ListTopDocuments, request)

    async def _unary(
        self,
        method: UnaryMethod[Response],
        request: message.Message,
        *,
        timeout_seconds: float = UNARY_TIMEOUT_SECONDS,
    ) -> Response:
        async with translated():
            return await method(request, metadata=self._metadata, timeout=timeout_seconds)


class UnaryMethod(Protocol[Response]):
    """A unary method of a generated stub."""

    def __call__(self, request: Any, /, *, metadata: Metadata, timeout: float) -> Awaitable[Response]: ...


@contextlib.asynccontextmanager
async def connect(address: str, key: str, *, tenant_id: str = "") -> AsyncIterator[Client]:
    """A client for `host:port`; the connection is made at the first call and kept until the block ends."""
    metadata = (("authorization", f"Bearer {key}"),)
    async with grpc.aio.insecure_channel(target(address), options=channel_options()) as channel:
        client = Client(channel, metadata)
        yield client.for_tenant(tenant_id) if tenant_id else client


def target(address: str) -> str:
    return address if "://" in address or address.startswith("dns:") else f"dns:///{address}"


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
