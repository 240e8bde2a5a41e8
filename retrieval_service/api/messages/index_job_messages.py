"""Index jobs as messages of the contract."""

from __future__ import annotations

from kladez.v1 import (
    index_job_service_pb2,
)

from retrieval_service.api.messages.common_messages import timestamp
from retrieval_service.domain.indexing.index_jobs import IndexJob

INDEX_JOB_STATES = {
    "queued": index_job_service_pb2.INDEX_JOB_STATE_QUEUED,
    "running": index_job_service_pb2.INDEX_JOB_STATE_RUNNING,
    "cancelling": index_job_service_pb2.INDEX_JOB_STATE_CANCELLING,
    "completed": index_job_service_pb2.INDEX_JOB_STATE_COMPLETED,
    "failed": index_job_service_pb2.INDEX_JOB_STATE_FAILED,
    "cancelled": index_job_service_pb2.INDEX_JOB_STATE_CANCELLED,
}

INDEX_SCOPES = {
    "missing": index_job_service_pb2.IndexScope(missing=index_job_service_pb2.IndexMissing()),
    "changed": index_job_service_pb2.IndexScope(changed=index_job_service_pb2.IndexChanged()),
    "all": index_job_service_pb2.IndexScope(all=index_job_service_pb2.IndexAll()),
    "rebuild": index_job_service_pb2.IndexScope(rebuild=index_job_service_pb2.IndexRebuild()),
}


def index_job(row: IndexJob) -> index_job_service_pb2.IndexJob:
    return index_job_service_pb2.IndexJob(
        index_job_id=str(row.id),
        state=INDEX_JOB_STATES[row.state],
        scope=INDEX_SCOPES[row.mode],
        progress=index_job_service_pb2.IndexProgress(
            total_count=row.total_count,
            processed_count=row.processed_count,
            indexed_count=row.indexed_count,
            skipped_count=row.skipped_count,
            failed_count=row.failed_count,
            removed_count=row.removed_count,
            embedded_token_count=row.embedded_tokens,
            saved_token_count=row.saved_tokens,
        ),
        error=row.error,
        row_error=row.row_error,
        create_time=timestamp(row.created_at),
        start_time=timestamp(row.started_at),
        end_time=timestamp(row.ended_at),
    )
