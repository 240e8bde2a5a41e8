"""`kladez search` and `kladez ask`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer
from kladez.v1 import answer_service_pb2 as answers_pb
from kladez.v1 import common_pb2 as common_pb
from kladez.v1 import search_service_pb2 as search_pb

from retrieval_service.cli import output
from retrieval_service.cli.commands import summaries
from retrieval_service.cli.connection import tenant_client
from retrieval_service.cli.failures import Failed
from retrieval_service.cli.options import Options, options_of

SNIPPET_CHARACTERS = 300
NOT_SURE = answers_pb.FinishReason.FINISH_REASON_NOT_SURE
SourceTypes = Annotated[
    list[str] | None, typer.Option("--source-type", help="Only this kind of document; may be repeated.")
]


class Mode(StrEnum):
    """How passages are found."""

    HYBRID = "hybrid"
    SEMANTIC = "semantic"
    FULL_TEXT = "full-text"

    @property
    def wire(self) -> search_pb.SearchMode.ValueType:
        return search_pb.SearchMode.Value(f"SEARCH_MODE_{self.name}")


def register(app: typer.Typer) -> None:
    app.command()(search)
    app.command()(ask)


def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="What to look for.")],
    mode: Annotated[Mode, typer.Option(help="How to search.")] = Mode.HYBRID,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many passages.")] = 10,
    source_type: SourceTypes = None,
    summary: Annotated[bool, typer.Option("--summary", help="Say what the passages say.")] = False,
    snapshot: Annotated[
        bool, typer.Option("--snapshot", help="Keep the search and its summary; print the link.")
    ] = False,
    gateway: Annotated[
        str, typer.Option(help="The gateway's address, for the link of a snapshot. Default: the token alone.")
    ] = "",
    reader: Annotated[str, typer.Option(help="Whose snapshot it is; the former one goes.")] = "cli",
    days: Annotated[int, typer.Option(min=1, max=30, help="How long a snapshot is kept.")] = 7,
) -> None:
    """Find passages."""
    options = options_of(context)
    wanted = common_pb.Filter(source_types=source_type or ())
    if snapshot:
        asked = search_pb.CreateSnapshotRequest(
            query=query, mode=mode.wire, filter=wanted, reader_key=reader, valid_days=days
        )
        summaries.keep(options, asked, gateway=gateway)
        return
    if summary:
        summaries.summarize(
            options, search_pb.SummarizeSearchRequest(query=query, mode=mode.wire, filter=wanted)
        )
        return
    request = search_pb.SearchRequest(query=query, mode=mode.wire, page_size=limit, filter=wanted)
    response = asyncio.run(_search(options, request))
    if options.as_json:
        output.json_message(response)
    else:
        _print_hits(response)


def ask(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="What to answer.")],
    source_type: SourceTypes = None,
    language: Annotated[
        str, typer.Option(help="ISO 639-1 code of the answer. Default: the question's.")
    ] = "",
) -> None:
    """Answer a question from the documents, with sources."""
    options = options_of(context)
    request = answers_pb.StreamAnswerRequest(
        question=question, language=language, filter=common_pb.Filter(source_types=source_type or ())
    )
    completed = asyncio.run(_ask(options, request))
    if options.as_json:
        output.json_message(completed)
    else:
        _print_sources(completed.answer)


def snippet(text: str) -> str:
    """The passage on one line, cut between words."""
    whole = " ".join(text.split())
    if len(whole) <= SNIPPET_CHARACTERS:
        return whole
    return whole[:SNIPPET_CHARACTERS].rsplit(" ", 1)[0] + " …"


def cited(answer: answers_pb.Answer) -> Sequence[common_pb.Reference]:
    """The sources the answer points to, by number; all of them when it points to none."""
    numbers = {number for citation in answer.citations for number in citation.numbers}
    return [one for one in answer.references if not numbers or one.number in numbers]


async def _search(options: Options, request: search_pb.SearchRequest) -> search_pb.SearchResponse:
    async with tenant_client(options) as client:
        return await client.search(request)


async def _ask(options: Options, request: answers_pb.StreamAnswerRequest) -> answers_pb.AnswerCompleted:
    is_line_open = False
    try:
        async with tenant_client(options) as client:
            async for event in client.stream_answer(request):
                if event.HasField("delta") and not options.as_json:
                    is_line_open = True
                    sys.stdout.write(event.delta.text)
                    sys.stdout.flush()
                if event.HasField("completed"):
                    is_line_open = False
                    return event.completed
    finally:
        if is_line_open:
            output.line()
    raise Failed("The answer broke off.")


def _print_hits(response: search_pb.SearchResponse) -> None:
    if response.degraded:
        output.note(f"Degraded: {response.degraded_reason}", style="yellow")
    if not response.hits:
        output.note("Nothing found.")
    for place, hit in enumerate(response.hits, start=1):
        title = hit.title or hit.external_id
        output.line(f"{place}. {title}  {hit.score:.3f}  {hit.source_type}/{hit.external_id}", style="bold")
        output.line(f"   {snippet(hit.text)}")


def _print_sources(answer: answers_pb.Answer) -> None:
    output.line()
    if answer.finish_reason == answers_pb.FinishReason.FINISH_REASON_NO_RELEVANT_CONTENT:
        return
    output.line()
    for one in cited(answer):
        place = one.url or f"{one.source_type}/{one.external_id}"
        output.line(f"[{one.number}] {one.title or one.external_id}  {place}", style="dim")
    if answer.unsupported:
        output.note("Not from the documents:", style="yellow")
        for one in answer.unsupported:
            output.note(f"  {answer.text[one.start_offset : one.end_offset]}", style="yellow")
    if answer.model_away:
        output.note(
            "Quoted from the documents: the language model cannot be reached just now.", style="yellow"
        )
    elif answer.answerer == "extractive" and answer.finish_reason != NOT_SURE:
        output.note("Quoted from the documents: no language model is configured.", style="dim")
    if answer.finish_reason == answers_pb.FinishReason.FINISH_REASON_LENGTH:
        output.note("The length limit cut the answer.", style="yellow")
    if answer.finish_reason == NOT_SURE:
        output.note("Not sure: nothing was found that is known to answer.", style="yellow")
    if answer.wants_human:
        output.note("The customer asked for a person.", style="yellow")
