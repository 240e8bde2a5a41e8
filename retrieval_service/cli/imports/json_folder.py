"""What `kladez import json` reads: a folder of JSON files, each with one object or a list of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.api.messages import metadata_messages
from retrieval_service.cli.failures import BadInput
from retrieval_service.cli.imports import folders
from retrieval_service.cli.imports.files import Problem, Row, not_json, repeated, unreadable, unstorable
from retrieval_service.text import exact_json

SUFFIXES = (".json",)
DEFAULT_NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "external_id", "slug"),
    "title": ("title", "name"),
    "content": ("content", "text", "body"),
    "url": ("url", "link"),
    "tags": ("tags",),
    "section": ("section", "category"),
    "language": ("language", "lang"),
}
DEFAULT_METADATA_NAME = "metadata"


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """Which names of an object stand for which field of a document; everything else is metadata.

    `names` holds candidates for each field, the first one that an object has is taken. The members of the object
    under `metadata_name` are metadata too. `metadata` is added to every document, over what the object says itself.
    """

    source_type: str = "document"
    content_type: str = "text/plain"
    names: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: DEFAULT_NAMES)
    metadata_name: str = DEFAULT_METADATA_NAME
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class JsonFolder:
    """Every `.json` file below a folder in the order of their paths; hidden ones and links are left out."""

    path: Path
    mapped: Mapped

    def fingerprint(self) -> str:
        """Also changes with the mapping: another one makes other documents of the same files."""
        digest = hashlib.sha256(repr(self.mapped).encode())
        for file in self.files():
            content = hashlib.sha256(folders.content_of(file)).hexdigest()
            digest.update(f"{file.relative_to(self.path).as_posix()}\n{content}\n".encode())
        return digest.hexdigest()

    def entries(self) -> Iterator[Row | Problem]:
        found = self._look()
        yield from unreadable(found)
        seen: dict[str, str] = {}
        for file in found.files:
            for entry in _from_file(file, file.relative_to(self.path).as_posix(), self.mapped):
                yield _first_of_its_id(entry, seen)

    def hidden(self) -> Sequence[str]:
        """Names of hidden files and folders, which are left out."""
        return self._look().hidden

    def files(self) -> list[Path]:
        return self._look().files

    def _look(self) -> folders.Found:
        return folders.look(self.path, SUFFIXES)


def open_folder(path: Path, mapped: Mapped) -> JsonFolder:
    """Raises `BadInput` when it is no folder, or has nothing to import."""
    if not path.is_dir():
        raise BadInput(f"{path} is not a folder.")
    found = folders.look(path, SUFFIXES)
    if not (found.files or found.left_out):
        raise BadInput(f"{path} holds no .json file.")
    return JsonFolder(path=path, mapped=mapped)


def _from_file(file: Path, name: str, mapped: Mapped) -> Iterator[Row | Problem]:
    try:
        value = exact_json.loads(file.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        yield Problem(place=name, description=f"cannot be read: {error.strerror}")
        return
    except ValueError as error:
        yield not_json(name, error)
        return
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _from_object(item, f"{name}[{number}]", mapped)
    else:
        yield from _from_object(value, name, mapped)


def _from_object(value: object, place: str, mapped: Mapped) -> Iterator[Row | Problem]:
    if not isinstance(value, dict):
        yield Problem(place=place, description="must be an object")
        return
    rest = dict(value)
    own = rest.pop(mapped.metadata_name, None)
    taken = {field: _take(rest, names) for field, names in mapped.names.items()}
    problems = [*repeated(place, value), *_wrong_kinds(place, taken)]
    # What cannot be stored cannot be compared either.
    problems += _unstorable(place, own, rest, mapped) or _wrong_metadata(place, own, rest, mapped)
    if problems:
        yield from dict.fromkeys(problems)
    else:
        yield _row(place, taken, {**rest, **(own or {}), **mapped.metadata}, mapped)


def _unstorable(place: str, own: Any, rest: Mapping[str, Any], mapped: Mapped) -> list[Problem]:
    """By the paths in the file. Keys that stand twice are told of by `repeated`."""
    named = (("", rest), (mapped.metadata_name, own))
    return [
        problem
        for name, values in named
        if isinstance(values, dict)
        for problem in unstorable(place, name, values)
    ]


def _wrong_metadata(place: str, own: Any, rest: Mapping[str, Any], mapped: Mapped) -> Iterator[Problem]:
    name = mapped.metadata_name
    if own is None:
        return
    if not isinstance(own, dict):
        description = "must be an object; it is a field like others when --metadata-field names another"
        yield Problem(place=place, field=name, description=description)
        return
    for key in own.keys() & rest.keys():
        if not exact_json.are_same(own[key], rest[key]):
            yield Problem(
                place=place, field=f"{name}.{key}", description=f"is not the same as {key} beside {name}"
            )


def _take(rest: dict[str, Any], names: tuple[str, ...]) -> Any:
    """The first of the names that the object has, which then is no metadata; None without any."""
    name = next((name for name in names if rest.get(name) is not None), None)
    return None if name is None else rest.pop(name)


def _wrong_kinds(place: str, taken: Mapping[str, Any]) -> Iterator[Problem]:
    for name, value in taken.items():
        if name == "tags":
            if value is not None and not (
                isinstance(value, list) and all(isinstance(tag, str) for tag in value)
            ):
                yield Problem(place=place, field=name, description="must be a list of texts")
        elif name == "id":
            if isinstance(value, bool | float) or not isinstance(value, str | int | None):
                yield Problem(place=place, field=name, description="must be text or a whole number")
        elif not isinstance(value, str | None):
            yield Problem(place=place, field=name, description="must be text")


def _row(place: str, taken: Mapping[str, Any], metadata: Mapping[str, Any], mapped: Mapped) -> Row | Problem:
    """An object without an id is named by its place, which stays the same as long as the files do."""
    document = documents_pb.Document(source_type=mapped.source_type, content_type=mapped.content_type)
    told = {**taken, "external_id": place if taken["id"] is None else str(taken["id"])}
    for name in ("external_id", "title", "content", "url", "section", "language", "tags", "metadata"):
        try:
            _put(document, name, metadata if name == "metadata" else told[name])
        except ValueError as error:
            return Problem(place=place, field=name, description=f"cannot be sent: {error}")
    return Row(place=place, document=document, metadata=metadata)


def _put(document: documents_pb.Document, name: str, value: Any) -> None:
    """Raises `ValueError` for half of a surrogate pair."""
    if name == "metadata":
        metadata_messages.put(document, value)
    elif name == "tags":
        document.tags.extend(value or ())
    else:
        setattr(document, name, value or "")


def _first_of_its_id(entry: Row | Problem, seen: dict[str, str]) -> Row | Problem:
    if isinstance(entry, Problem):
        return entry
    before = seen.setdefault(entry.document.external_id, entry.place)
    if before == entry.place:
        return entry
    return Problem(place=entry.place, field="id", description=f"is that of {before} too")
