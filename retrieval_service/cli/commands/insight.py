"""`kladez insight`: what is asked and what is cited most."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from kladez.v1 import insight_service_pb2 as pb

from retrieval_service.cli import output
from retrieval_service.cli.connection import tenant_client
from retrieval_service.cli.options import Options, options_of

app = typer.Typer(help="What is asked and cited most.", no_args_is_help=True)
Days = Annotated[int, typer.Option(min=1, max=366, help="How many days back.")]
Limit = Annotated[int, typer.Option(min=1, max=100, help="How many.")]


@app.command()
def questions(context: typer.Context, days: Days = 30, limit: Limit = 20) -> None:
    """List the most asked questions, near-duplicates counted together."""
    options = options_of(context)
    response = asyncio.run(_questions(options, pb.ListTopQuestionsRequest(days=days, limit=limit)))
    if options.as_json:
        output.json_message(response)
        return
    output.table(
        ("asked", "unanswered", "wordings", "language", "question"),
        [
            (one.ask_count, one.unanswered_count, one.wording_count, one.language, one.question)
            for one in response.questions
        ],
    )


@app.command()
def documents(context: typer.Context, days: Days = 30, limit: Limit = 20) -> None:
    """List the documents that most answers cite."""
    options = options_of(context)
    response = asyncio.run(_documents(options, pb.ListTopDocumentsRequest(days=days, limit=limit)))
    if options.as_json:
        output.json_message(response)
        return
    output.table(
        ("answers", "thumbs down", "document", "title"),
        [
            (one.answer_count, one.rated_down_count, f"{one.source_type}/{one.external_id}", named(one))
            for one in response.documents
        ],
    )


def named(document: pb.TopDocument) -> str:
    return f"{document.title} (deleted)" if document.deleted else document.title


async def _questions(options: Options, request: pb.ListTopQuestionsRequest) -> pb.ListTopQuestionsResponse:
    async with tenant_client(options) as client:
        return await client.list_top_questions(request)


async def _documents(options: Options, request: pb.ListTopDocumentsRequest) -> pb.ListTopDocumentsResponse:
    async with tenant_client(options) as client:
        return await client.list_top_documents(request)
