"""`kladez gaps`: questions that got no good answer, and the entries that answer them."""

from __future__ import annotations

import asyncio
import sys
from enum import StrEnum
from typing import Annotated

import typer
from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import insight_service_pb2 as pb

from retrieval_service import errors
from retrieval_service.cli import output
from retrieval_service.cli.connection import tenant_client
from retrieval_service.cli.failures import BadInput, ExitCode
from retrieval_service.cli.options import Options, options_of
from retrieval_service.text.invisible import is_blank

PAGE = 100
FROM_STDIN = "-"

LONGEST_SHOWN = 120

app = typer.Typer(help="Questions without a good answer, in groups.", no_args_is_help=True)
GroupId = Annotated[str, typer.Argument(help="The group's id.")]


class Status(StrEnum):
    """Which groups are listed."""

    OPEN = "open"
    RESOLVED = "resolved"
    IGNORED = "ignored"
    ANY = "any"

    @property
    def wire(self) -> pb.UnansweredStatus.ValueType:
        name = "UNSPECIFIED" if self is Status.ANY else self.name
        return pb.UnansweredStatus.Value(f"UNANSWERED_STATUS_{name}")


@app.command("list")
def list_groups(
    context: typer.Context,
    status: Annotated[Status, typer.Option(help="Which groups.")] = Status.OPEN,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many groups.")] = 20,
) -> None:
    """List groups of questions, the most asked first."""
    options = options_of(context)
    request = pb.ListUnansweredRequest(status=status.wire, page_size=limit)
    response = asyncio.run(_list(options, request))
    if options.as_json:
        output.json_message(response)
        return
    output.table(
        ("id", "asked", "down", "not sure", "language", "status", "last asked", "question"),
        [group_row(group) for group in response.groups],
    )


@app.command()
def show(context: typer.Context, group_id: GroupId) -> None:
    """Show a group with its newest questions."""
    options = options_of(context)
    group = asyncio.run(_find(options, group_id))
    if options.as_json:
        output.json_message(group)
        return
    output.table(("group", ""), group_details(group))
    for example in group.examples:
        thumb = {answers_pb.RATING_UP: " (up)", answers_pb.RATING_DOWN: " (down)"}.get(example.rating, "")
        reason = f": {example.rating_reason}" if example.rating_reason else ""
        output.line(f"- {example.question}  {example.channel}{thumb}{reason}")


@app.command()
def resolve(
    context: typer.Context,
    group_id: GroupId,
    answer: Annotated[str, typer.Argument(help='The answer; "-" reads it from standard input.')],
    question: Annotated[str, typer.Option(help="The FAQ's wording. Default: the group's first.")] = "",
    title: Annotated[str, typer.Option(help="The document's title. Default: the question.")] = "",
    language: Annotated[str, typer.Option(help="ISO 639-1 code. Default: the group's.")] = "",
) -> None:
    """Answer a group: make an FAQ document, index it and ask the question again."""
    options = options_of(context)
    text = sys.stdin.read() if answer == FROM_STDIN else answer
    if is_blank(text):
        raise BadInput("The answer is empty.")
    entry = pb.FaqEntry(answer=text, question=question, title=title, language=language)
    response = asyncio.run(_resolve(options, pb.ResolveUnansweredRequest(group_id=group_id, faq=entry)))
    if options.as_json:
        output.json_message(response)
    else:
        _print_resolution(response)
    if response.group.status != pb.UNANSWERED_STATUS_RESOLVED:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def ignore(context: typer.Context, group_id: GroupId) -> None:
    """Set a group aside."""
    options = options_of(context)
    request = pb.ResolveUnansweredRequest(group_id=group_id, ignore=pb.IgnoreGroup())
    response = asyncio.run(_resolve(options, request))
    if options.as_json:
        output.json_message(response)
        return
    output.line(f"Ignored: {response.group.question}")


def shortened(question: str) -> str:
    """On one line; `kladez gaps show` has the whole."""
    line = " ".join(question.split())
    return line if len(line) <= LONGEST_SHOWN else f"{line[: LONGEST_SHOWN - 1].rstrip()}…"


def group_row(group: pb.UnansweredGroup) -> tuple[object, ...]:
    """What a table shows of a group."""
    return (
        group.group_id,
        group.question_count,
        group.rated_down_count,
        group.not_sure_count,
        group.language,
        status_name(group),
        moment(group),
        shortened(group.question),
    )


def group_details(group: pb.UnansweredGroup) -> list[tuple[str, object]]:
    answered = {True: "yes", False: "no"}[group.answered] if group.HasField("answered") else "not asked again"
    return [
        ("question", group.question),
        ("language", group.language),
        ("status", status_name(group)),
        ("asked", group.question_count),
        ("thumbs down", group.rated_down_count),
        ("offered what may help", group.not_sure_count),
        ("first asked", group.first_ask_time.ToDatetime().isoformat(sep=" ", timespec="seconds")),
        ("last asked", moment(group)),
        ("FAQ document", group.document_id or "none"),
        ("answered now", answered),
    ]


def status_name(group: pb.UnansweredGroup) -> str:
    return pb.UnansweredStatus.Name(group.status).removeprefix("UNANSWERED_STATUS_").lower()


def moment(group: pb.UnansweredGroup) -> str:
    return group.last_ask_time.ToDatetime().isoformat(sep=" ", timespec="seconds")


def _print_resolution(response: pb.ResolveUnansweredResponse) -> None:
    output.line(f"faq/{response.external_id} is in the index. Asked again: {response.group.question}")
    output.line(response.answer_text)
    if response.group.status == pb.UNANSWERED_STATUS_RESOLVED:
        output.note("Resolved.", style="green")
    elif response.answered:
        output.note("Still open: the answer does not rest on the new document.", style="yellow")
    else:
        output.note(
            "Still open: the question finds nothing. Word the entry like the question.", style="yellow"
        )


async def _list(options: Options, request: pb.ListUnansweredRequest) -> pb.ListUnansweredResponse:
    async with tenant_client(options) as client:
        return await client.list_unanswered(request)


async def _find(options: Options, group_id: str) -> pb.UnansweredGroup:
    request = pb.ListUnansweredRequest(page_size=PAGE)
    async with tenant_client(options) as client:
        while True:
            page = await client.list_unanswered(request)
            found = [group for group in page.groups if group.group_id == group_id]
            if found:
                return found[0]
            if not page.next_page_token:
                raise errors.NotFound(f"There is no group {group_id}.")
            request.page_token = page.next_page_token


async def _resolve(options: Options, request: pb.ResolveUnansweredRequest) -> pb.ResolveUnansweredResponse:
    async with tenant_client(options) as client:
        return await client.resolve_unanswered(request)
