"""Answers as messages of the contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from kladez.v1 import answer_service_pb2 as pb
from kladez.v1 import common_pb2

from retrieval_service.api.messages import search_messages
from retrieval_service.api.messages.common_messages import timestamp
from retrieval_service.domain.answering.answers import is_model_away
from retrieval_service.domain.answering.citations import Cited
from retrieval_service.domain.answering.grounding import Flagged, Reason
from retrieval_service.domain.answering.logged import LoggedAnswer

CUSTOMERS_SNIPPET = 240

ANSWER_STATUSES = {
    "running": pb.ANSWER_STATUS_RUNNING,
    "completed": pb.ANSWER_STATUS_COMPLETED,
    "cancelled": pb.ANSWER_STATUS_CANCELLED,
    "interrupted": pb.ANSWER_STATUS_INTERRUPTED,
}

FINISH_REASONS = {
    "": pb.FINISH_REASON_UNSPECIFIED,
    "stop": pb.FINISH_REASON_STOP,
    "length": pb.FINISH_REASON_LENGTH,
    "no_relevant_content": pb.FINISH_REASON_NO_RELEVANT_CONTENT,
    "policy": pb.FINISH_REASON_POLICY,
    "pleasantry": pb.FINISH_REASON_PLEASANTRY,
    "not_sure": pb.FINISH_REASON_NOT_SURE,
}

FINISH_NAMES = {number: name for name, number in FINISH_REASONS.items()}

UNSUPPORTED_REASONS = {
    Reason.NOT_CITED: pb.UNSUPPORTED_REASON_NOT_CITED,
    Reason.FACT_NOT_IN_SOURCE: pb.UNSUPPORTED_REASON_FACT_NOT_IN_SOURCE,
}


def citation(one: Cited) -> pb.Citation:
    return pb.Citation(start_offset=one.start, end_offset=one.end, numbers=one.numbers)


def unsupported(one: Flagged) -> pb.UnsupportedRange:
    return pb.UnsupportedRange(
        start_offset=one.start, end_offset=one.end, reason=UNSUPPORTED_REASONS[one.reason]
    )


def citations(row: LoggedAnswer) -> Iterator[pb.Citation]:
    """Leaves out the numbers of fragments that were purged since."""
    present = {one.number for one in row.references}
    for one in row.citations:
        if left := tuple(number for number in one.numbers if number in present):
            yield citation(replace(one, numbers=left))


def shorten_snippets(references: Iterable[common_pb2.Reference]) -> None:
    """Shortens snippets to the one line that customers see."""
    for reference in references:
        line = " ".join(reference.snippet.split())
        is_short = len(line) <= CUSTOMERS_SNIPPET
        reference.snippet = line if is_short else f"{line[: CUSTOMERS_SNIPPET - 1].rstrip()}…"


def answer(row: LoggedAnswer, *, with_references: bool = True) -> pb.Answer:
    return pb.Answer(
        answer_id=str(row.id),
        session_id=str(row.session_id) if row.session_id else "",
        question=row.question,
        text=row.answer,
        language=row.language,
        citations=citations(row),
        references=[search_messages.reference(one) for one in row.references] if with_references else (),
        status=ANSWER_STATUSES[row.status],
        finish_reason=FINISH_REASONS[row.finish_reason],
        answerer=row.answerer,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        create_time=timestamp(row.created_at),
        degraded=bool(row.degraded_reason),
        degraded_reason=row.degraded_reason,
        model_away=is_model_away(row.degraded_reason),
        standalone_question=row.standalone_question,
        unsupported=[unsupported(one) for one in row.unsupported],
        wants_human=row.wants_human,
    )
