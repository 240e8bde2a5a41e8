"""SyncService on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from google.protobuf import message
from kladez.v1 import sync_service_pb2 as pb
from kladez.v1 import sync_service_pb2_grpc as pb_grpc

from retrieval_service.api import backends, calls, fields, pages
from retrieval_service.api.messages import sync_messages
from retrieval_service.api.paging import PageTokens, page_size
from retrieval_service.services.documents.reading import Reader
from retrieval_service.services.retrieval.shadow_results import Comparer
from retrieval_service.services.sync.backend_switches import Switcher
from retrieval_service.services.sync.backlog import Overseer
from retrieval_service.services.sync.drift_repair import Mender

Number = TypeVar("Number", bound=int)

PAGE = {"default": 50, "largest": 200}
NEWEST = 2**63 - 1
MAX_JOB_IDS = 500


class SyncServicer(pb_grpc.SyncServiceServicer):
    """Each method makes one service call; the status asks two services."""

    def __init__(
        self,
        reader: Reader,
        overseer: Overseer,
        mender: Mender,
        page_tokens: PageTokens,
        switcher: Switcher,
        comparer: Comparer,
    ) -> None:
        self._reader = reader
        self._overseer = overseer
        self._mender = mender
        self._page_tokens = page_tokens
        self._switcher = switcher
        self._comparer = comparer

    async def GetSyncStatus(self, request: pb.GetSyncStatusRequest, context: Any) -> pb.GetSyncStatusResponse:
        status = await self._reader.sync_status(calls.tenant_id())
        return pb.GetSyncStatusResponse(
            pending_count=status.documents.get("pending", 0),
            processing_count=status.documents.get("processing", 0),
            synced_count=status.documents.get("synced", 0),
            error_count=status.documents.get("error", 0),
            chunk_count=status.chunk_count,
            oldest_pending_age=sync_messages.age(status.oldest_pending),
            mirror=sync_messages.mirror(await self._overseer.mirror(calls.tenant_id())),
        )

    async def SetBackend(self, request: pb.SetBackendRequest, context: Any) -> pb.SetBackendResponse:
        switched = await self._switcher.switch(
            calls.tenant_id(),
            choice=backends.choice(request),
            shadow_share=backends.shadow_share(request),
            removes_files=request.remove_files,
            adopted_store_id=backends.vector_store_id(request),
        )
        return backends.switched(switched)

    async def GetBackendComparison(
        self, request: pb.GetBackendComparisonRequest, context: Any
    ) -> pb.GetBackendComparisonResponse:
        return backends.comparison(
            await self._comparer.report(calls.tenant_id(), days=backends.days(request))
        )

    async def SyncNow(self, request: pb.SyncNowRequest, context: Any) -> pb.SyncNowResponse:
        document_id = fields.optional_uuid("document_id", request.document_id)
        call = calls.current()
        queued = await self._overseer.sync_now(calls.tenant_id(), document_id, request_id=call.request_id)
        return pb.SyncNowResponse(queued_count=queued)

    async def ListSyncJobs(self, request: pb.ListSyncJobsRequest, context: Any) -> pb.ListSyncJobsResponse:
        size = page_size(request.page_size, **PAGE)
        rows = await self._overseer.jobs(
            calls.tenant_id(),
            before_id=self._before(request, request.page_token),
            status=filtered("status", request.status, sync_messages.STATUS_NAMES),
            target=filtered("target", request.target, sync_messages.TARGET_NAMES),
            limit=size + 1,
        )
        page = pages.cut(rows, size, sync_messages.sync_job)
        return pb.ListSyncJobsResponse(
            sync_jobs=page.items, next_page_token=self._token(request, page.last.id) if page.last else ""
        )

    async def RetrySyncJobs(self, request: pb.RetrySyncJobsRequest, context: Any) -> pb.RetrySyncJobsResponse:
        if len(request.sync_job_ids) > MAX_JOB_IDS:
            raise fields.refuse("sync_job_ids", f"must be at most {MAX_JOB_IDS}")
        retried = await self._overseer.retry(
            calls.tenant_id(), request.sync_job_ids, request_id=calls.current().request_id
        )
        return pb.RetrySyncJobsResponse(retried_count=retried)

    async def ListSyncLog(self, request: pb.ListSyncLogRequest, context: Any) -> pb.ListSyncLogResponse:
        size = page_size(request.page_size, **PAGE)
        rows = await self._overseer.log(
            calls.tenant_id(),
            before_id=self._before(request, request.page_token),
            document_id=fields.optional_uuid("document_id", request.document_id),
            outcome=filtered("outcome", request.outcome, sync_messages.OUTCOME_NAMES),
            limit=size + 1,
        )
        page = pages.cut(rows, size, sync_messages.log_entry)
        return pb.ListSyncLogResponse(
            entries=page.items, next_page_token=self._token(request, page.last.id) if page.last else ""
        )

    async def RepairDrift(self, request: pb.RepairDriftRequest, context: Any) -> pb.RepairDriftResponse:
        tenant_id = calls.tenant_id()
        if not request.apply:
            return sync_messages.drift(await self._mender.look(tenant_id))
        report = await self._mender.repair(tenant_id, request_id=calls.current().request_id)
        return sync_messages.drift(report)

    def _before(self, request: message.Message, token: str) -> int:
        """The id after which the page begins."""
        read = self._page_tokens.read(token, request, str(calls.tenant_id()))
        return int(read[0]) if read else NEWEST

    def _token(self, request: message.Message, last_id: int) -> str:
        """A page token for the rows after this one."""
        return self._page_tokens.write((last_id,), request, str(calls.tenant_id()))


def filtered(field: str, number: Number, names: Mapping[Number, str]) -> str:
    """The name of a filter's enum number, "" for any; raises `Invalid` for an unknown number."""
    if number and number not in names:
        raise fields.refuse(field, "is unknown")
    return names.get(number, "")
