"""The queue, the sync log and drift as messages of the contract."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf import duration_pb2
from kladez.v1 import sync_service_pb2 as pb

from retrieval_service.api.messages.common_messages import timestamp
from retrieval_service.domain.sync.drift import Finding, Kind
from retrieval_service.services.sync.backlog import LoggedEntry, Mirror, QueuedJob
from retrieval_service.services.sync.drift_repair import DriftReport

SAMPLE_SIZE = 20

TARGETS = {"pgvector": pb.SYNC_TARGET_PGVECTOR, "openai": pb.SYNC_TARGET_OPENAI}
STATUSES = {
    "pending": pb.SYNC_JOB_STATUS_PENDING,
    "processing": pb.SYNC_JOB_STATUS_PROCESSING,
    "done": pb.SYNC_JOB_STATUS_DONE,
    "error": pb.SYNC_JOB_STATUS_ERROR,
}
ACTIONS = {"upsert": pb.SYNC_ACTION_UPSERT, "delete": pb.SYNC_ACTION_DELETE}
OUTCOMES = {"done": pb.SYNC_OUTCOME_DONE, "failed": pb.SYNC_OUTCOME_FAILED}
KINDS = {
    Kind.STORE_GONE: pb.DRIFT_KIND_STORE_GONE,
    Kind.MISSING: pb.DRIFT_KIND_MISSING,
    Kind.CONTENT: pb.DRIFT_KIND_CONTENT,
    Kind.ATTRIBUTES: pb.DRIFT_KIND_ATTRIBUTES,
    Kind.STUCK: pb.DRIFT_KIND_STUCK,
    Kind.DUPLICATE: pb.DRIFT_KIND_DUPLICATE,
    Kind.EXTRA: pb.DRIFT_KIND_EXTRA,
    Kind.ORPHAN: pb.DRIFT_KIND_ORPHAN,
    Kind.LEFTOVER: pb.DRIFT_KIND_LEFTOVER,
    Kind.UNKNOWN_FILE: pb.DRIFT_KIND_UNKNOWN_FILE,
    Kind.GIVEN_UP: pb.DRIFT_KIND_GIVEN_UP,
}
TARGET_NAMES = {number: name for name, number in TARGETS.items()}
STATUS_NAMES = {number: name for name, number in STATUSES.items()}
OUTCOME_NAMES = {number: name for name, number in OUTCOMES.items()}


def mirror(found: Mirror | None) -> pb.MirrorStatus | None:
    if found is None:
        return None
    return pb.MirrorStatus(
        is_mirrored=found.is_mirrored,
        vector_store_id=found.store_id,
        store_adopted=found.is_adopted,
        pending_count=found.documents.get("pending", 0),
        synced_count=found.documents.get("synced", 0),
        error_count=found.documents.get("error", 0),
        oldest_pending_age=age(found.oldest_pending),
    )


def sync_job(job: QueuedJob) -> pb.SyncJob:
    return pb.SyncJob(
        sync_job_id=job.id,
        document_id=str(job.document_id),
        source_type=job.source_type,
        external_id=job.external_id,
        action=ACTIONS[job.action],
        target=TARGETS[job.target],
        status=STATUSES[job.status],
        attempt_count=job.attempts,
        last_error=job.last_error,
        schedule_time=timestamp(job.scheduled_at),
        create_time=timestamp(job.created_at),
    )


def log_entry(entry: LoggedEntry) -> pb.SyncLogEntry:
    return pb.SyncLogEntry(
        sync_log_entry_id=entry.id,
        happen_time=timestamp(entry.happened_at),
        actor=entry.actor,
        action=entry.action,
        vector_store_id=entry.store_id,
        document_ids=[str(document_id) for document_id in entry.document_ids],
        file_ids=entry.file_ids,
        byte_count=entry.byte_count,
        duration=duration(timedelta(milliseconds=entry.duration_ms)),
        outcome=OUTCOMES[entry.outcome],
        error=entry.error,
        request_id=entry.request_id,
    )


def drift(report: DriftReport) -> pb.RepairDriftResponse:
    return pb.RepairDriftResponse(
        drifts=[_drift_of(kind, report.comparison.of(kind)) for kind in Kind if report.comparison.of(kind)],
        queued_count=report.queued_count,
        removed_count=report.removed_count,
    )


def _drift_of(kind: Kind, findings: list[Finding]) -> pb.Drift:
    sample = findings[:SAMPLE_SIZE]
    return pb.Drift(
        kind=KINDS[kind],
        count=len(findings),
        sample_document_ids=[str(one.document_id) for one in sample if one.document_id],
        sample_file_ids=[one.file_id for one in sample if one.file_id],
    )


def age(since: datetime | None) -> duration_pb2.Duration | None:
    return None if since is None else duration(datetime.now(UTC) - since)


def duration(length: timedelta) -> duration_pb2.Duration:
    message = duration_pb2.Duration()
    message.FromTimedelta(length)
    return message
