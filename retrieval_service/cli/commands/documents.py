"""`kladez document …`: look at documents, move, delete, queue and purge them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from google.protobuf import field_mask_pb2
from kladez.v1 import common_pb2
from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.cli import output
from retrieval_service.cli.connection import tenant_client
from retrieval_service.cli.failures import BadInput
from retrieval_service.cli.options import Options, options_of
from retrieval_service.client import Client

Result = TypeVar("Result")

DocumentName = Annotated[str, typer.Argument(help="SOURCE_TYPE/EXTERNAL_ID, for example faq/delivery.")]
Ids = Annotated[list[str] | None, typer.Option("--id", help="A document's id; may be repeated.")]
Section = Annotated[str, typer.Option(help="Every document of this section.")]
Tag = Annotated[str, typer.Option(help="Every document with this tag.")]
SourceType = Annotated[str, typer.Option(help="Every document of this source type.")]
Confirm = Annotated[bool, typer.Option("--confirm", help="Do it; without this it is only counted.")]

app = typer.Typer(help="Documents: look, move, delete, index again, purge.", no_args_is_help=True)


@app.command()
def get(context: typer.Context, name: DocumentName) -> None:
    """Show one document with its text."""
    options = options_of(context)
    request = documents_pb.GetDocumentRequest(key=key_of(name))
    response = _call(options, lambda client: client.get_document(request))
    if options.as_json:
        output.json_message(response.document)
        return
    output.table(("field", "value"), rows_of(response.document))
    output.line(response.document.content)


@app.command()
def move(
    context: typer.Context,
    name: DocumentName,
    parent: Annotated[
        str, typer.Argument(help="The document to put it below. Without one it becomes a root.")
    ] = "",
) -> None:
    """Put a document below another one; everything below it is indexed again."""
    key = key_of(name)
    document = documents_pb.Document(
        source_type=key.source_type,
        external_id=key.external_id,
        parent_key=key_of(parent) if parent else None,
    )
    mask = field_mask_pb2.FieldMask(paths=["parent_key"])
    request = documents_pb.UpdateDocumentRequest(document=document, update_mask=mask)
    options = options_of(context)
    response = _call(options, lambda client: client.update_document(request))
    if options.as_json:
        output.json_message(response.document)
    else:
        output.table(("field", "value"), rows_of(response.document))


@app.command()
def delete(
    context: typer.Context,
    document_id: Ids = None,
    section: Section = "",
    tag: Tag = "",
    source_type: SourceType = "",
    confirm: Confirm = False,
) -> None:
    """Delete documents; they stay in the database until they are purged."""
    selector = selector_of(document_id, section, tag, source_type)
    request = documents_pb.BatchDeleteDocumentsRequest(selector=selector, confirm=confirm)
    options = options_of(context)
    response = _call(options, lambda client: client.batch_delete_documents(request))
    if options.as_json:
        output.json_message(response)
        return
    output.line(f"{response.document_count:,} documents {'deleted' if confirm else 'would be deleted'}")
    _advise(confirmed=confirm)


@app.command()
def reindex(
    context: typer.Context,
    document_id: Ids = None,
    section: Section = "",
    tag: Tag = "",
    source_type: SourceType = "",
) -> None:
    """Queue documents for the index."""
    selector = selector_of(document_id, section, tag, source_type)
    request = documents_pb.ReindexDocumentsRequest(selector=selector)
    options = options_of(context)
    response = _call(options, lambda client: client.reindex_documents(request))
    if options.as_json:
        output.json_message(response)
        return
    output.line(f"{response.document_count:,} documents queued")


@app.command()
def purge(
    context: typer.Context,
    document_id: Ids = None,
    section: Section = "",
    tag: Tag = "",
    source_type: SourceType = "",
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Every document that was deleted before.")
    ] = False,
    confirm: Confirm = False,
) -> None:
    """Remove documents and all that was made of them for good, and print a receipt."""
    request = documents_pb.PurgeDocumentsRequest(confirm=confirm)
    if deleted:
        refuse_both(document_id, section, tag, source_type)
        request.deleted = True
    else:
        request.selector.CopyFrom(selector_of(document_id, section, tag, source_type))
    options = options_of(context)
    response = _call(options, lambda client: client.purge_documents(request))
    if options.as_json:
        output.json_message(response)
        return
    output.line(f"{response.document_count:,} documents {'purged' if confirm else 'would be purged'}")
    if confirm:
        rows = [(one.table, one.removed_count, one.remaining_count) for one in response.tables]
        output.table(("table", "removed", "remaining"), rows)
    _advise(confirmed=confirm)


def key_of(name: str) -> documents_pb.DocumentKey:
    source_type, slash, external_id = name.partition("/")
    if not (source_type and slash and external_id):
        raise BadInput(f'"{name}" is not SOURCE_TYPE/EXTERNAL_ID.')
    return documents_pb.DocumentKey(source_type=source_type, external_id=external_id)


def selector_of(
    ids: list[str] | None, section: str, tag: str, source_type: str
) -> documents_pb.DocumentSelector:
    """Exactly one way to select: two of them at once would leave open which one counts."""
    if sum(map(bool, (ids, section, tag, source_type))) != 1:
        raise BadInput("Name exactly one of --id, --section, --tag and --source-type.")
    if ids:
        return documents_pb.DocumentSelector(ids=documents_pb.DocumentIds(document_ids=ids))
    if section:
        return documents_pb.DocumentSelector(section=section)
    if tag:
        return documents_pb.DocumentSelector(tag=tag)
    return documents_pb.DocumentSelector(filter=common_pb2.Filter(source_types=[source_type]))


def refuse_both(*selected: object) -> None:
    if any(selected):
        raise BadInput("--deleted stands alone.")


def rows_of(document: documents_pb.Document) -> list[tuple[str, str]]:
    parent = document.parent_key
    return [
        ("id", document.document_id),
        ("name", f"{document.source_type}/{document.external_id}"),
        ("parent", f"{parent.source_type}/{parent.external_id}" if document.HasField("parent_key") else ""),
        ("title", document.title),
        ("section", document.section),
        ("tags", ", ".join(document.tags)),
        ("language", document.language),
        ("url", document.url),
        ("index", documents_pb.SyncStatus.Name(document.sync_status).removeprefix("SYNC_STATUS_").lower()),
    ]


def _advise(*, confirmed: bool) -> None:
    if not confirmed:
        output.note("Nothing was changed: repeat it with --confirm.")


def _call(options: Options, method: Callable[[Client], Awaitable[Result]]) -> Result:
    async def connected() -> Result:
        async with tenant_client(options) as client:
            return await method(client)

    return asyncio.run(connected())
