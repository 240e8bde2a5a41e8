"""Messages of summaries and snapshots, read from requests and written to answers."""

from __future__ import annotations

from dataclasses import asdict

from kladez.v1 import search_service_pb2 as pb

from retrieval_service.api import fields
from retrieval_service.api.messages import common_messages, search_messages
from retrieval_service.domain.summaries.blocks import MOST_BLOCKS
from retrieval_service.domain.summaries.snapshots import SnapshotHit
from retrieval_service.domain.summaries.summaries import Flavour
from retrieval_service.services.retrieval.search import Query
from retrieval_service.services.summaries.snapshots import Kept
from retrieval_service.services.summaries.summaries import Request, Summarized

MAX_QUERY = 2_000
VALID_DAYS = 7
MAX_VALID_DAYS = 30

FLAVOURS = {
    pb.SUMMARY_FLAVOUR_WEB: Flavour.WEB,
    pb.SUMMARY_FLAVOUR_TELEGRAM: Flavour.TELEGRAM,
}


def wanted(request: pb.SummarizeSearchRequest | pb.CreateSnapshotRequest, flavour: Flavour) -> Request:
    with fields.collected() as check:
        text = check(fields.text, "query", request.query, limit=MAX_QUERY)
        conditions = check(fields.conditions, request.filter)
        language = check(fields.language, "language", request.language)
    query = Query(
        text=text,
        mode=search_messages.MODES[request.mode],
        conditions=conditions,
        limit=MOST_BLOCKS,
        depth=2 * MOST_BLOCKS,
    )
    return Request(query=query, flavour=flavour, language=language)


def response(summarized: Summarized) -> pb.SummarizeSearchResponse:
    return pb.SummarizeSearchResponse(
        html=summarized.html,
        references=[search_messages.reference(one) for one in summarized.references],
        language=summarized.language,
        degraded=bool(summarized.degraded_reason),
        degraded_reason=summarized.degraded_reason,
        mode=search_messages.MODE_NUMBERS[summarized.mode],
        summarizer=summarized.summarizer,
        input_tokens=summarized.ending.input_tokens,
        output_tokens=summarized.ending.output_tokens,
    )


def valid_days(request: pb.CreateSnapshotRequest) -> int:
    if not 0 <= request.valid_days <= MAX_VALID_DAYS:
        raise fields.refuse("valid_days", f"must be 1-{MAX_VALID_DAYS}, or 0 for {VALID_DAYS}")
    return request.valid_days or VALID_DAYS


def snapshot(kept: Kept) -> pb.Snapshot:
    row = kept.snapshot
    return pb.Snapshot(
        snapshot_id=str(row.id),
        query=row.query,
        language=row.language,
        summary_html=row.summary,
        hits=[snapshot_hit(one) for one in kept.hits],
        summarizer=row.summarizer,
        create_time=common_messages.timestamp(row.created_at),
        expire_time=common_messages.timestamp(row.expires_at),
    )


def snapshot_hit(one: SnapshotHit) -> pb.SnapshotHit:
    ids = {"document_id": str(one.document_id), "chunk_id": str(one.chunk_id)}
    return pb.SnapshotHit(**{**asdict(one), **ids})
