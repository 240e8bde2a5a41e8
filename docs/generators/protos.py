"""The contract with its comments, which the generated Python code leaves out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from google.protobuf import descriptor_pb2
from grpc_tools import protoc

PROTOS = Path(__file__).parents[2] / "protos"
FIELD = descriptor_pb2.FieldDescriptorProto

# Where things stand in a FileDescriptorProto and its parts: the numbers that paths of comments are made of.
MESSAGES, ENUMS, SERVICES = 4, 5, 6
METHODS, FIELDS, NESTED, NESTED_ENUMS, VALUES = 2, 2, 3, 4, 2
SCALARS = {
    FIELD.TYPE_DOUBLE: "double",
    FIELD.TYPE_FLOAT: "float",
    FIELD.TYPE_INT64: "int64",
    FIELD.TYPE_UINT64: "uint64",
    FIELD.TYPE_INT32: "int32",
    FIELD.TYPE_UINT32: "uint32",
    FIELD.TYPE_BOOL: "bool",
    FIELD.TYPE_STRING: "string",
    FIELD.TYPE_BYTES: "bytes",
}


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field of a message, or a value of an enumeration."""

    name: str
    kind: str
    comment: str


@dataclass(frozen=True, kw_only=True)
class Type:
    """A message or an enumeration; those inside a message have its name before theirs."""

    name: str
    comment: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method with the names of its messages."""

    name: str
    comment: str
    request: str
    response: str
    streams_request: bool
    streams_response: bool


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of the contract."""

    service: str
    comment: str
    methods: tuple[Method, ...]
    types: tuple[Type, ...]


@cache
def contract() -> tuple[File, ...]:
    """All files of the contract, by name."""
    return tuple(Reading(file).file() for file in file_set().file if file.package == "kladez.v1")


def file_set() -> descriptor_pb2.FileDescriptorSet:
    """What protoc knows of the contract, with the comments."""
    names = sorted(str(path) for path in PROTOS.glob("kladez/v1/*.proto"))
    google = files("grpc_tools") / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "set"
        arguments = [f"-I{PROTOS}", f"-I{google}", "--include_source_info", f"--descriptor_set_out={target}"]
        if protoc.main(["protoc", *arguments, *names]):
            raise ValueError("protoc refuses the contract")
        return descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes())


class Reading:
    """Reads one file together with its comments."""

    def __init__(self, proto: descriptor_pb2.FileDescriptorProto) -> None:
        self._proto = proto
        self._comments = {
            tuple(place.path): " ".join(place.leading_comments.split())
            for place in proto.source_code_info.location
        }

    def file(self) -> File:
        service = self._proto.service[0] if self._proto.service else None
        return File(
            service=service.name if service else "",
            comment=self._comment(SERVICES, 0),
            methods=tuple(self._method(number, one) for number, one in enumerate(service.method))
            if service
            else (),
            types=(*self._messages(), *self._enums(self._proto.enum_type, (ENUMS,), "")),
        )

    def _method(self, number: int, method: descriptor_pb2.MethodDescriptorProto) -> Method:
        return Method(
            name=method.name,
            comment=self._comment(SERVICES, 0, METHODS, number),
            request=short(method.input_type),
            response=short(method.output_type),
            streams_request=method.client_streaming,
            streams_response=method.server_streaming,
        )

    def _messages(self) -> Iterator[Type]:
        for number, message in enumerate(self._proto.message_type):
            yield from self._message(message, (MESSAGES, number), "")

    def _message(
        self, message: descriptor_pb2.DescriptorProto, path: tuple[int, ...], outer: str
    ) -> Iterator[Type]:
        name = f"{outer}{message.name}"
        maps = {f".kladez.v1.{name}.{one.name}": one for one in message.nested_type if one.options.map_entry}
        fields = tuple(
            Field(name=one.name, kind=kind_of(one, maps), comment=self._comment(*path, FIELDS, number))
            for number, one in enumerate(message.field)
        )
        yield Type(name=name, comment=self._comment(*path), fields=fields)
        for number, nested in enumerate(message.nested_type):
            if not nested.options.map_entry:
                yield from self._message(nested, (*path, NESTED, number), f"{name}.")
        yield from self._enums(message.enum_type, (*path, NESTED_ENUMS), f"{name}.")

    def _enums(
        self, enums: Iterable[descriptor_pb2.EnumDescriptorProto], path: tuple[int, ...], outer: str
    ) -> Iterator[Type]:
        for number, enum in enumerate(enums):
            here = (*path, number)
            values = tuple(
                Field(name=one.name, kind=str(one.number), comment=self._comment(*here, VALUES, place))
                for place, one in enumerate(enum.value)
            )
            yield Type(name=f"{outer}{enum.name}", comment=self._comment(*here), fields=values)

    def _comment(self, *path: int) -> str:
        return self._comments.get(path, "")


def kind_of(
    field: descriptor_pb2.FieldDescriptorProto, maps: dict[str, descriptor_pb2.DescriptorProto]
) -> str:
    """The type of a field as the contract writes it."""
    if field.type_name in maps:
        key, value = maps[field.type_name].field
        return f"map<{kind_of(key, {})}, {kind_of(value, {})}>"
    kind = SCALARS.get(field.type) or short(field.type_name)
    if field.label == FIELD.LABEL_REPEATED:
        return f"repeated {kind}"
    return f"optional {kind}" if field.proto3_optional else kind


def short(name: str) -> str:
    """A type's name without our package."""
    return name.removeprefix(".kladez.v1.").removeprefix(".")
