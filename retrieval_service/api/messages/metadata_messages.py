"""A document's metadata on the wire: a Struct, with exact JSON beside it where a Struct would round a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

from google.protobuf import struct_pb2
from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.domain.documents.documents import MAX_METADATA_FAULTS, JsonValue, RefusedMetadata
from retrieval_service.errors import Violation
from retrieval_service.text import exact_json

METADATA, METADATA_JSON = "metadata", "metadata_json"
UNSAFE = (
    f"is a whole number beyond {exact_json.LARGEST_SAFE_INTEGER:,}, which may have been rounded on its way;"
    " send it in metadata_json, or as text"
)


def both(values: Mapping[str, Any]) -> tuple[struct_pb2.Struct, str]:
    """The Struct, and exact JSON where the Struct holds a number as text; "" where the Struct is exact."""
    message = struct_pb2.Struct()
    if exact_json.is_all_safe(values):
        message.update(dict(values))
        return message, ""
    message.update(_spoken(values))
    return message, exact_json.dumps(values)


def put(document: documents_pb.Document, values: Mapping[str, Any]) -> None:
    """Puts the metadata into a request, in a form that holds it. Raises `ValueError` for a lone surrogate."""
    message, exact = both(values)
    if exact:
        document.metadata_json = exact
    else:
        document.metadata.CopyFrom(message)


def read(document: documents_pb.Document) -> Mapping[str, JsonValue]:
    """Raises `RefusedMetadata` for what cannot be read, or could mean something else."""
    told = json_object(document.metadata)
    rounded = [Violation(f"{METADATA}.{path}", UNSAFE) for path in islice(_unsafe(told), MAX_METADATA_FAULTS)]
    if rounded:
        return RefusedMetadata(rounded)
    if not document.metadata_json:
        return told
    exact_values = _parsed(document.metadata_json)
    if isinstance(exact_values, RefusedMetadata) or not document.HasField(METADATA):
        return exact_values
    return exact_values if _agree(exact_values, told) else _refused("says something else than metadata")


def json_object(message: struct_pb2.Struct) -> dict[str, JsonValue]:
    """Unlike protobuf's conversion, keeps numbers that JSON cannot hold, so that errors can name them."""
    return {key: json_value(value) for key, value in message.fields.items()}


def json_value(message: struct_pb2.Value) -> JsonValue:
    """Whole numbers have no fraction."""
    kind = message.WhichOneof("kind")
    if kind == "struct_value":
        return json_object(message.struct_value)
    if kind == "list_value":
        return [json_value(value) for value in message.list_value.values]
    if kind == "number_value":
        return exact_json.normal(message.number_value)
    return None if kind in (None, "null_value") else getattr(message, kind)


def _parsed(text: str) -> Mapping[str, JsonValue]:
    try:
        value = exact_json.loads(text)
    except exact_json.TooDeep as error:
        return _refused(str(error))
    except ValueError as error:
        return _refused(f"is not JSON: {error}")
    return value if isinstance(value, dict) else _refused("must be an object")


def _refused(fault: str) -> RefusedMetadata:
    return RefusedMetadata([Violation(METADATA_JSON, fault)])


def _agree(exact_values: Mapping[str, JsonValue], told: Mapping[str, JsonValue]) -> bool:
    try:
        return exact_json.are_same(_spoken(exact_values), told)
    except RecursionError:
        return False


def _unsafe(values: Mapping[str, JsonValue]) -> Iterator[str]:
    """The paths of numbers that a float may have rounded."""
    if exact_json.is_all_safe(values):
        return
    for path, one in exact_json.walk(values):
        if isinstance(one, int) and not exact_json.is_safe(one):
            yield path


def _spoken(value: Any) -> Any:
    """The same value, with text in place of each number that a float may round."""
    if isinstance(value, Mapping):
        return {key: _spoken(child) for key, child in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_spoken(child) for child in value]
    if isinstance(value, int | Decimal) and not exact_json.is_safe(value):
        return f"{value:f}" if isinstance(value, Decimal) else str(value)
    return value
