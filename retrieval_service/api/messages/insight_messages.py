"""Chat logs, groups of questions and figures as messages of the contract, and their filter back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from google.protobuf import timestamp_pb2
from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import insight_service_pb2 as pb

from retrieval_service.api import fields
from retrieval_service.api.messages import answer_messages, common_messages, search_messages
from retrieval_service.domain.answering.logged import ChatLog
from retrieval_service.domain.documents.documents import MAX_TITLE
from retrieval_service.domain.insights.insights import (
    ChatFilter,
    Figures,
    Gap,
    GapExample,
    GapStatus,
    TopDocument,
    TopQuestion,
)
from retrieval_service.domain.operations.processes import Process, disagreements
from retrieval_service.services.insights.gap_resolution import Entry, Resolution, cited_documents
from retrieval_service.services.insights.reports import ShownGap

MAX_ANSWER = 8_000

RATINGS = {answers_pb.RATING_UP: 1, answers_pb.RATING_DOWN: -1}
RATING_NUMBERS = {None: answers_pb.RATING_UNSPECIFIED, 1: answers_pb.RATING_UP, -1: answers_pb.RATING_DOWN}

STATUSES = {
    pb.UNANSWERED_STATUS_OPEN: GapStatus.OPEN,
    pb.UNANSWERED_STATUS_RESOLVED: GapStatus.RESOLVED,
    pb.UNANSWERED_STATUS_IGNORED: GapStatus.IGNORED,
}
STATUS_NUMBERS = {status: number for number, status in STATUSES.items()}


def chat_filter(wanted: pb.ChatLogFilter) -> ChatFilter:
    """Raises `Invalid` for impossible values and for an empty period."""
    since = moment("filter.start_time", wanted.start_time) if wanted.HasField("start_time") else None
    until = moment("filter.end_time", wanted.end_time) if wanted.HasField("end_time") else None
    if since and until and until <= since:
        raise fields.refuse("filter.end_time", "must be later than filter.start_time")
    return ChatFilter(
        since=since,
        until=until,
        channel=fields.channel("filter.channel", wanted.channel) if wanted.channel else "",
        language=fields.language("filter.language", wanted.language),
        rating=rating("filter.rating", wanted.rating) if wanted.rating else None,
        answered=wanted.answered if wanted.HasField("answered") else None,
        session_id=fields.optional_uuid("filter.session_id", wanted.session_id),
        finish_reason=answer_messages.FINISH_NAMES[wanted.finish_reason],
    )


def moment(field: str, stamp: timestamp_pb2.Timestamp) -> datetime:
    try:
        return stamp.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise fields.refuse(field, "is not a moment of the years 1 to 9999") from error


def rating(field: str, number: answers_pb.Rating.ValueType) -> int:
    if number not in RATINGS:
        raise fields.refuse(field, "must be RATING_UP or RATING_DOWN")
    return RATINGS[number]


def status(number: pb.UnansweredStatus.ValueType) -> str:
    """ "" for any."""
    if number and number not in STATUSES:
        raise fields.refuse("status", "is not a status")
    return STATUSES[number] if number else ""


def entry(wanted: pb.FaqEntry) -> Entry:
    return Entry(
        answer=fields.text("faq.answer", wanted.answer, limit=MAX_ANSWER),
        question=fields.optional_text("faq.question", wanted.question, limit=MAX_TITLE),
        title=fields.optional_text("faq.title", wanted.title, limit=MAX_TITLE),
        language=fields.language("faq.language", wanted.language),
    )


def chat_log(row: ChatLog, *, with_references: bool) -> pb.ChatLog:
    return pb.ChatLog(
        answer=answer_messages.answer(row, with_references=with_references),
        channel=row.channel,
        rating=RATING_NUMBERS[row.rating],
        rating_reason=row.rating_reason,
        rate_time=common_messages.timestamp(row.rated_at),
        first_token_ms=row.first_token_ms,
        latency_ms=row.latency_ms,
        end_time=common_messages.timestamp(row.finished_at),
    )


def shown_group(shown: ShownGap) -> pb.UnansweredGroup:
    message = group(shown.gap)
    message.examples.extend(example(one) for one in shown.examples)
    return message


def group(gap: Gap) -> pb.UnansweredGroup:
    return pb.UnansweredGroup(
        group_id=str(gap.id),
        status=STATUS_NUMBERS[GapStatus(gap.status)],
        question=gap.question,
        language=gap.language,
        question_count=gap.question_count,
        rated_down_count=gap.down_count,
        not_sure_count=gap.not_sure_count,
        first_ask_time=common_messages.timestamp(gap.first_asked_at),
        last_ask_time=common_messages.timestamp(gap.last_asked_at),
        document_id=str(gap.document_id) if gap.document_id else "",
        answered=gap.is_answered,
        resolve_time=common_messages.timestamp(gap.resolved_at),
    )


def example(one: GapExample) -> pb.UnansweredExample:
    return pb.UnansweredExample(
        answer_id=str(one.answer_id),
        question=one.question,
        channel=one.channel,
        rating=RATING_NUMBERS[one.rating],
        rating_reason=one.rating_reason,
        create_time=common_messages.timestamp(one.created_at),
        finish_reason=answer_messages.FINISH_REASONS[one.finish_reason],
    )


def resolution(done: Resolution) -> pb.ResolveUnansweredResponse:
    cited = cited_documents(done.answer)
    references = [
        search_messages.reference(one) for one in done.answer.references if one.document_id in cited
    ]
    return pb.ResolveUnansweredResponse(
        group=group(done.gap),
        answered=done.is_answered,
        document_id=str(done.document.id),
        external_id=done.document.external_id,
        answer_text=done.answer.answer,
        references=references,
    )


def figures(row: Figures) -> pb.DailyUsage:
    """Only the fields that come from the chat log. They are merged into the usage of the same period."""
    return pb.DailyUsage(
        answered_share=row.answered / row.completed if row.completed else None,
        latency_p50_ms=row.latency_p50_ms,
        latency_p95_ms=row.latency_p95_ms,
        rated_up_count=row.up_count,
        rated_down_count=row.down_count,
        user_count=row.user_count,
    )


def top_question(one: TopQuestion) -> pb.TopQuestion:
    return pb.TopQuestion(
        question=one.question,
        language=one.language,
        ask_count=one.count,
        unanswered_count=one.unanswered_count,
        wording_count=one.wording_count,
        last_ask_time=common_messages.timestamp(one.last_asked_at),
    )


def top_document(one: TopDocument) -> pb.TopDocument:
    return pb.TopDocument(
        document_id=str(one.document_id),
        source_type=one.source_type,
        external_id=one.external_id,
        title=one.title,
        deleted=one.is_deleted,
        answer_count=one.answer_count,
        rated_down_count=one.down_count,
        last_cite_time=common_messages.timestamp(one.last_cited_at),
    )


def processes(known: Sequence[Process]) -> pb.ListProcessesResponse:
    """All processes, and the settings on which live ones disagree."""
    return pb.ListProcessesResponse(
        processes=[process(one) for one in known],
        disagreements=[
            pb.SettingDisagreement(
                setting=one.setting,
                processes={
                    value: pb.ProcessNames(names=titles) for value, titles in one.titles_by_value.items()
                },
            )
            for one in disagreements(known)
        ],
    )


def process(one: Process) -> pb.Process:
    return pb.Process(
        process_id=str(one.id),
        kind=one.kind.value,
        name=one.name,
        version=one.version,
        alive=one.is_alive,
        start_time=common_messages.timestamp(one.started_at),
        alive_time=common_messages.timestamp(one.alive_at),
        settings=one.settings,
    )
