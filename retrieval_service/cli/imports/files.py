"""What `kladez import documents` reads: a file of JSON lines, or a folder of texts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.api.messages import metadata_messages
from retrieval_service.cli.failures import BadInput
from retrieval_service.cli.imports import folders
from retrieval_service.domain.documents import front_matter
from retrieval_service.domain.documents.documents import MAX_CONTENT_BYTES, faults_of_metadata
from retrieval_service.text import exact_json

CONTENT_TYPES = {".md": "text/markdown", ".markdown": "text/markdown", ".txt": "text/plain"}
FOLDER_SOURCE_TYPE = "article"
# Room for the other fields; the service takes four times as much in one message, but no larger content.
_MAX_DOCUMENT_BYTES = MAX_CONTENT_BYTES + 256 * 1024
_FIELDS = documents_pb.Document.DESCRIPTOR.fields_by_name
_TEXT = FieldDescriptor.TYPE_STRING


@dataclass(frozen=True, kw_only=True)
class Row:
    """A document and where it stands: "line 7" or a file's path; its metadata also as they were read."""

    place: str
    document: documents_pb.Document
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a row was not imported; `field` is empty when the row as a whole is wrong."""

    place: str
    field: str = ""
    description: str


class Source(Protocol):
    """Documents in an order that is the same each time."""

    @property
    def path(self) -> Path: ...

    def fingerprint(self) -> str:
        """Changes with any byte of the content."""
        ...

    def entries(self) -> Iterator[Row | Problem]: ...


def open_source(path: Path) -> Source:
    """Raises `BadInput` for what is neither a folder nor a `.jsonl` file."""
    if path.is_dir():
        return Folder(path=path)
    if not path.exists():
        raise BadInput(f"There is no file {path}.")
    if path.suffix.lower() not in {".jsonl", ".ndjson"}:
        raise BadInput(f"{path} is neither a folder nor a .jsonl file.")
    return JsonLines(path=path)


@dataclass(frozen=True, kw_only=True)
class JsonLines:
    """One document as JSON on each line, with the field names of the contract."""

    path: Path

    def fingerprint(self) -> str:
        """Raises `BadInput` for a file that cannot be read."""
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise BadInput(f"{self.path} cannot be read: {error.strerror}") from error

    def entries(self) -> Iterator[Row | Problem]:
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield from _from_line(f"line {number}", line)


@dataclass(frozen=True, kw_only=True)
class Folder:
    """Every Markdown and text file below a folder, hidden ones left out."""

    path: Path

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for file in self._look().files:
            content = hashlib.sha256(folders.content_of(file)).hexdigest()
            digest.update(f"{file.relative_to(self.path).as_posix()}\n{content}\n".encode())
        return digest.hexdigest()

    def entries(self) -> Iterator[Row | Problem]:
        found = self._look()
        yield from unreadable(found)
        for file in found.files:
            yield _from_file(file.relative_to(self.path).as_posix(), file)

    def hidden(self) -> Sequence[str]:
        """Names of hidden files and folders, which are left out."""
        return self._look().hidden

    def _look(self) -> folders.Found:
        return folders.look(self.path, CONTENT_TYPES)


def unreadable(found: folders.Found) -> Iterator[Problem]:
    return (Problem(place=one.place, description=one.reason) for one in found.left_out)


def title_of(content: str, content_type: str, name: str) -> str:
    """That of its front matter, the first Markdown heading, or the file's name."""
    found = front_matter.read(content)
    if found and found.title:
        return found.title
    if content_type == "text/markdown":
        body = content[found.end :] if found else content
        headings = (line.lstrip("#").strip() for line in body.splitlines() if line.startswith("#"))
        return next(filter(None, headings), name)
    return name


def _from_line(place: str, line: bytes) -> Iterator[Row | Problem]:
    try:
        value = exact_json.loads(line.decode("utf-8-sig"))
    except ValueError as error:
        yield not_json(place, error)
        return
    if not isinstance(value, dict):
        yield Problem(place=place, description="must be an object")
        return
    document = documents_pb.Document()
    problems = [*repeated(place, value)]
    problems += [problem for name in value for problem in _set(document, place, name, value[name])]
    metadata = value.get(metadata_messages.METADATA)
    yield from dict.fromkeys(problems) or [_fitting(place, document, metadata)]


def not_json(place: str, error: ValueError) -> Problem:
    """Why the text could not be read: no JSON, or too deep for any program."""
    is_deep = isinstance(error, exact_json.TooDeep)
    return Problem(place=place, description=str(error) if is_deep else f"is not JSON: {error}")


def unstorable(place: str, name: str, metadata: Mapping[str, Any]) -> Iterator[Problem]:
    """What the service would refuse, by its path below `name`: some of it could not even be sent."""
    for one in faults_of_metadata(metadata, name):
        yield Problem(place=place, field=one.field, description=one.description)


def repeated(place: str, value: object) -> Iterator[Problem]:
    """Of a key that stands twice it is anybody's guess which value was meant."""
    for path in exact_json.repetitions(value):
        yield Problem(place=place, field=path, description="is given more than once")


def _set(document: documents_pb.Document, place: str, name: str, value: object) -> Iterator[Problem]:
    if name not in _FIELDS:
        yield Problem(place=place, field=name, description="is not a field of a document")
        return
    if _FIELDS[name].type == _TEXT and not _FIELDS[name].is_repeated and not isinstance(value, str):
        yield Problem(place=place, field=name, description="must be text")
        return
    if name == metadata_messages.METADATA and value is not None:
        yield from _set_metadata(document, place, value)
        return
    try:
        json_format.ParseDict({name: value}, document)
    except (json_format.ParseError, ValueError, TypeError) as error:
        reason = str(error).removeprefix(f"Failed to parse {name} field: ")
        yield Problem(place=place, field=name, description=reason.rstrip("."))


def _set_metadata(document: documents_pb.Document, place: str, value: object) -> Iterator[Problem]:
    name = metadata_messages.METADATA
    if not isinstance(value, dict):
        yield Problem(place=place, field=name, description="must be an object")
        return
    problems = list(unstorable(place, name, value))
    yield from problems
    if not problems:
        metadata_messages.put(document, value)


def _from_file(name: str, path: Path) -> Row | Problem:
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        return Problem(place=name, field="content", description="is not UTF-8")
    except OSError as error:
        return Problem(place=name, description=f"cannot be read: {error.strerror}")
    content_type = CONTENT_TYPES[path.suffix.lower()]
    document = documents_pb.Document(
        source_type=FOLDER_SOURCE_TYPE,
        external_id=name,
        title=title_of(content, content_type, path.name),
        content=content,
        content_type=content_type,
    )
    return _fitting(name, document)


def _fitting(
    place: str, document: documents_pb.Document, metadata: Mapping[str, Any] | None = None
) -> Row | Problem:
    """The service would break the whole import off at a message that is too large."""
    size = document.ByteSize()
    if size <= _MAX_DOCUMENT_BYTES:
        return Row(place=place, document=document, metadata=metadata)
    limit = f"must be at most {MAX_CONTENT_BYTES:,} bytes of UTF-8"
    return Problem(place=place, field="content", description=f"{limit}; the document has {size:,}")
