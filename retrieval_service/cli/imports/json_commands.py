"""`kladez import json` and `kladez import undo`: documents from files of another system, and back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.cli import output
from retrieval_service.cli.connection import tenant_client
from retrieval_service.cli.failures import BadInput
from retrieval_service.cli.imports import backups
from retrieval_service.cli.imports.files import Row
from retrieval_service.cli.imports.import_commands import import_with_progress
from retrieval_service.cli.imports.json_folder import (
    DEFAULT_METADATA_NAME,
    DEFAULT_NAMES,
    JsonFolder,
    Mapped,
    open_folder,
)
from retrieval_service.cli.imports.sending import Report, import_id_of
from retrieval_service.cli.options import Options, options_of
from retrieval_service.domain.documents.documents import faults_of_metadata
from retrieval_service.text import exact_json

if TYPE_CHECKING:
    from retrieval_service.cli.imports.verification import Difference, Integrity

Field = Annotated[str, typer.Option(help="The name in the files. Default: the usual ones.")]
IdField = Annotated[str, typer.Option(help="The name in the files. Default: id, external_id or slug.")]
TitleField = Annotated[str, typer.Option(help="The name in the files. Default: title or name.")]
MetadataField = Annotated[
    str, typer.Option(help="The name of an object whose members are metadata. Default: metadata.")
]
ContentField = Annotated[str, typer.Option(help="The name in the files. Default: content, text or body.")]


@dataclass(frozen=True, kw_only=True)
class Migrated:
    """What became of a folder."""

    report: Report
    integrity: Integrity
    manifest: Path


def register(app: typer.Typer) -> None:
    app.command("json")(import_json)
    app.command()(undo)


def import_json(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A folder of .json files: one object each, or a list.")],
    backup: Annotated[
        Path | None, typer.Option(help="Where the originals are copied first. Default: in the data folder.")
    ] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE for every document; may be repeated.")
    ] = None,
    source_type: Annotated[str, typer.Option(help="The source type of every document.")] = "document",
    content_type: Annotated[str, typer.Option(help="text/plain, text/markdown or text/html.")] = "text/plain",
    id_field: IdField = "",
    title_field: TitleField = "",
    content_field: ContentField = "",
    url_field: Field = "",
    tags_field: Field = "",
    section_field: Field = "",
    language_field: Field = "",
    metadata_field: MetadataField = "",
) -> None:
    """Import a folder of JSON documents, back the originals up, and compare both sides afterwards."""
    told = {
        "id": id_field,
        "title": title_field,
        "content": content_field,
        "url": url_field,
        "tags": tags_field,
        "section": section_field,
        "language": language_field,
    }
    names = {name: (told[name],) if told[name] else usual for name, usual in DEFAULT_NAMES.items()}
    mapped = Mapped(
        source_type=source_type,
        content_type=content_type,
        names=names,
        metadata_name=metadata_field or DEFAULT_METADATA_NAME,
        metadata=pairs(metadata or ()),
    )
    options = options_of(context)
    _print(options, asyncio.run(migrate(options, open_folder(folder, mapped), backup)))


def undo(
    context: typer.Context, import_id: Annotated[str, typer.Argument(help="As the import printed it.")]
) -> None:
    """Take an import back: delete what it made, restore what it changed."""
    options = options_of(context)
    response = asyncio.run(_undo(options, import_id))
    if options.as_json:
        output.json_message(response)
    else:
        counts = ("deleted", "restored", "skipped")
        output.line(", ".join(f"{getattr(response, f'{name}_count'):,} {name}" for name in counts))
        for document_id in response.skipped_document_ids:
            output.note(f"{document_id} changed after the import and was left alone.")
    if response.skipped_count:
        raise typer.Exit(1)


async def migrate(options: Options, folder: JsonFolder, backup: Path | None) -> Migrated:
    """Started again after a break it goes on where it stood."""
    from retrieval_service.cli.imports import verification  # loads what the service is made of

    import_id = await asyncio.to_thread(import_id_of, folder)
    target = backup or options.data_dir / "backups" / import_id
    files = await asyncio.to_thread(folder.files)
    manifest = await asyncio.to_thread(backups.copy, files, folder.path, target)
    async with tenant_client(options) as client:
        report = await import_with_progress(client, folder)
        refused = {problem.place for problem in report.problems}
        # What was refused is told of already, with its reason.
        rows = (one for one in folder.entries() if isinstance(one, Row) and one.place not in refused)
        compared = await verification.compare(client, rows)
    output.note_left_out(await asyncio.to_thread(folder.hidden))
    return Migrated(report=report, integrity=compared, manifest=manifest)


def pairs(texts: Sequence[str]) -> dict[str, Any]:
    """Values are JSON where they are, otherwise text. Raises `BadInput` for what no document may have."""
    told = dict(map(pair, texts))
    for one in faults_of_metadata(told, ""):
        raise BadInput(f"--metadata {one.field}: {one.description}")
    return told


def pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise BadInput(f'--metadata "{text}" is not KEY=VALUE.')
    try:
        return key, exact_json.loads(value)
    except exact_json.TooDeep as error:
        raise BadInput(f"--metadata {key}: {error}") from error
    except ValueError:
        return key, value


async def _undo(options: Options, import_id: str) -> documents_pb.UndoImportResponse:
    async with tenant_client(options) as client:
        return await client.undo_import(documents_pb.UndoImportRequest(import_id=import_id))


def _print(options: Options, migrated: Migrated) -> None:
    """Exits with 1 when a document was refused or is not stored as it was sent."""
    if options.as_json:
        output.json_value(_json(migrated))
    else:
        _print_text(migrated)
    if migrated.report.summary.failed_count or migrated.integrity.differences:
        raise typer.Exit(1)


def _print_text(migrated: Migrated) -> None:
    report, compared = migrated.report, migrated.integrity
    output.note(report.title, style="dim")
    output.note(f"Originals in {migrated.manifest.parent}", style="dim")
    summary = report.summary
    counts = {name: getattr(summary, name) for name in documents_pb.ImportSummary.DESCRIPTOR.fields_by_name}
    output.line(", ".join(f"{count:,} {name.removesuffix('_count')}" for name, count in counts.items()))
    output.line(f"{compared.sent_count:,} sent, {compared.sent_hash}")
    output.line(f"{compared.stored_count:,} stored, {compared.stored_hash}")
    rows = [(one.place, one.field, one.description) for one in report.problems]
    rows += [
        (f"{one.key.source_type}/{one.key.external_id}", ", ".join(one.fields), difference(one))
        for one in compared.differences
    ]
    if rows:
        output.table(("where", "field", "problem"), rows)


def difference(one: Difference) -> str:
    return "is stored differently" if one.fields else "is not stored"


def _json(migrated: Migrated) -> dict[str, Any]:
    return {
        "import_id": migrated.report.import_id,
        "earlier_import_id": migrated.report.earlier_id,
        "backup": str(migrated.manifest.parent),
        "summary": json.loads(output.message_json(migrated.report.summary)),
        "problems": [asdict(problem) for problem in migrated.report.problems],
        "integrity": asdict(migrated.integrity),
    }
