"""`kladez chats`: what customers asked and were answered, in a list or exported whole."""

from __future__ import annotations

import asyncio
import csv
import sys
from contextlib import aclosing
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer
from google.protobuf import json_format, timestamp_pb2
from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import insight_service_pb2 as pb

from retrieval_service.cli import output
from retrieval_service.cli.connection import tenant_client
from retrieval_service.cli.options import Options, options_of

# A spreadsheet runs a cell that begins so; a customer must not write formulas into it.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = (
    *(
        "answer_id",
        "session_id",
        "channel",
        "time",
        "language",
        "question",
        "answer",
        "status",
        "finish_reason",
    ),
    *(
        "rating",
        "reason",
        "rated",
        "unsupported",
        "documents",
        "answerer",
        "input_tokens",
        "output_tokens",
        "first_token_ms",
    ),
    *("latency_ms", "ended", "wants_human"),
)
SHOWN = ("time", "channel", "language", "rating", "finish_reason", "question")

app = typer.Typer(help="The chat log.", no_args_is_help=True)


class Rating(StrEnum):
    """How an answer was rated."""

    UP = "up"
    DOWN = "down"


class End(StrEnum):
    """How an answer ended, as far as somebody looks for it."""

    ANSWERED = "stop"
    NOT_SURE = "not_sure"
    NOTHING = "no_relevant_content"
    PLEASANTRY = "pleasantry"
    CUT = "length"
    REFUSED_BY_MODEL = "policy"


Since = Annotated[datetime | None, typer.Option(help="Asked at this time (UTC) or later.")]
Until = Annotated[datetime | None, typer.Option(help="Asked before this time (UTC).")]
Channel = Annotated[str, typer.Option(help='"widget", "telegram", "api" or another channel.')]
Language = Annotated[str, typer.Option(help="ISO 639-1 code of the answer.")]
Rated = Annotated[Rating | None, typer.Option(help="Rated so.")]
Answered = Annotated[bool | None, typer.Option("--answered/--unanswered", help="Whether anything was found.")]
Ended = Annotated[End | None, typer.Option(help="Ended so.")]
Session = Annotated[str, typer.Option(help="Only this conversation.")]


@app.command("list")
def list_chats(
    context: typer.Context,
    since: Since = None,
    until: Until = None,
    channel: Channel = "",
    language: Language = "",
    rating: Rated = None,
    answered: Answered = None,
    ended: Ended = None,
    session: Session = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many.")] = 20,
) -> None:
    """List questions with how they were answered, newest first."""
    options = options_of(context)
    wanted = chat_filter(since, until, channel, language, rating, answered, ended, session)
    request = pb.ListChatLogsRequest(filter=wanted, page_size=limit)
    response = asyncio.run(_list(options, request))
    if options.as_json:
        output.json_message(response)
        return
    rows = [cells(log) for log in response.chat_logs]
    output.table(SHOWN, [[row[name] for name in SHOWN] for row in rows])


@app.command()
def export(
    context: typer.Context,
    since: Since = None,
    until: Until = None,
    channel: Channel = "",
    language: Language = "",
    rating: Rated = None,
    answered: Answered = None,
    ended: Ended = None,
    session: Session = "",
    as_csv: Annotated[
        bool, typer.Option("--csv/--jsonl", help="CSV for spreadsheets, or JSON lines.")
    ] = False,
) -> None:
    """Write the whole chat log to standard output, newest first."""
    wanted = chat_filter(since, until, channel, language, rating, answered, ended, session)
    asyncio.run(_export(options_of(context), pb.ExportChatLogsRequest(filter=wanted), as_csv=as_csv))


def chat_filter(
    since: datetime | None,
    until: datetime | None,
    channel: str,
    language: str,
    rating: Rating | None,
    answered: bool | None,
    ended: End | None,
    session: str,
) -> pb.ChatLogFilter:
    return pb.ChatLogFilter(
        start_time=stamp(since) if since else None,
        end_time=stamp(until) if until else None,
        channel=channel,
        language=language,
        rating=answers_pb.Rating.Value(f"RATING_{rating.name}") if rating else answers_pb.RATING_UNSPECIFIED,
        answered=answered,
        finish_reason=answers_pb.FinishReason.Value(f"FINISH_REASON_{ended.upper()}")
        if ended
        else answers_pb.FINISH_REASON_UNSPECIFIED,
        session_id=session,
    )


def stamp(moment: datetime) -> timestamp_pb2.Timestamp:
    result = timestamp_pb2.Timestamp()
    result.FromDatetime(moment.replace(tzinfo=moment.tzinfo or UTC))
    return result


def cells(log: pb.ChatLog) -> dict[str, object]:
    """One row, by column."""
    answer = log.answer
    return {
        "answer_id": answer.answer_id,
        "session_id": answer.session_id,
        "channel": log.channel,
        "time": moment(answer.create_time),
        "language": answer.language,
        "question": answer.question,
        "answer": answer.text,
        "status": short(answers_pb.AnswerStatus.Name(answer.status)),
        "finish_reason": short(answers_pb.FinishReason.Name(answer.finish_reason)),
        "rating": short(answers_pb.Rating.Name(log.rating)),
        "reason": log.rating_reason,
        "rated": moment(log.rate_time) if log.HasField("rate_time") else "",
        "unsupported": " … ".join(
            answer.text[one.start_offset : one.end_offset] for one in answer.unsupported
        ),
        "documents": " ".join(f"{one.source_type}/{one.external_id}" for one in answer.references),
        "answerer": answer.answerer,
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "first_token_ms": log.first_token_ms if log.HasField("first_token_ms") else "",
        "latency_ms": log.latency_ms if log.HasField("latency_ms") else "",
        "ended": moment(log.end_time) if log.HasField("end_time") else "",
        "wants_human": "yes" if answer.wants_human else "",
    }


def harmless(value: object) -> object:
    """The cell as text that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def short(name: str) -> str:
    """A value of an enum without its prefix; "" for the unspecified one."""
    for prefix in ("ANSWER_STATUS_", "FINISH_REASON_", "RATING_"):
        name = name.removeprefix(prefix)
    return "" if name == "UNSPECIFIED" else name.lower()


def moment(time: timestamp_pb2.Timestamp) -> str:
    return time.ToDatetime().isoformat(sep=" ", timespec="seconds")


async def _list(options: Options, request: pb.ListChatLogsRequest) -> pb.ListChatLogsResponse:
    """As many as were asked for: the service ends a page early when it grows large."""
    wanted = request.page_size
    async with tenant_client(options) as client:
        response = await client.list_chat_logs(request)
        while response.next_page_token and len(response.chat_logs) < wanted:
            request.page_token = response.next_page_token
            request.page_size = wanted - len(response.chat_logs)
            further = await client.list_chat_logs(request)
            response.chat_logs.extend(further.chat_logs)
            response.next_page_token = further.next_page_token
        return response


async def _export(options: Options, request: pb.ExportChatLogsRequest, *, as_csv: bool) -> None:
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    if as_csv:
        writer.writeheader()
    async with tenant_client(options) as client, aclosing(client.export_chat_logs(request)) as rows:
        async for row in rows:
            if as_csv:
                writer.writerow({name: harmless(value) for name, value in cells(row.chat_log).items()})
            else:
                sys.stdout.write(json_line(row.chat_log) + "\n")


def json_line(log: pb.ChatLog) -> str:
    return json_format.MessageToJson(log, preserving_proto_field_name=True, ensure_ascii=False, indent=None)
