"""Cuts a shop's JSON into parts that the service takes, and finds a part's rows again in the whole file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kladez.v1 import document_service_pb2 as documents_pb

from retrieval_service.domain.documents.shop_rows import LISTS, Row, read_rows
from retrieval_service.text import exact_json

MAX_PART_BYTES = 1024 * 1024
_FRAME_BYTES = 200  # braces, names of the lists, commas between them


@dataclass(frozen=True, kw_only=True)
class Part:
    """JSON for one request; `rows` says which row of the file each of its rows is, None: it is the file itself."""

    shop_json: bytes
    rows: Sequence[Row] | None = None

    def original(self, error: documents_pb.ShopRowError) -> documents_pb.ShopRowError:
        """The error with the index and the line that its row has in the file."""
        if self.rows is None:
            return error
        row = [one for one in self.rows if one.list == error.list][error.index]
        return documents_pb.ShopRowError(
            list=error.list, index=row.index, line=row.line, field=error.field, description=error.description
        )


def split(shop_json: bytes) -> tuple[list[Part], list[documents_pb.ShopRowError]]:
    """Parts in order, and what is wrong with the file itself; a small file is one part, whatever is in it."""
    if len(shop_json) <= MAX_PART_BYTES:
        return [Part(shop_json=shop_json)], []
    rows, faults = read_rows(shop_json)
    errors = [
        documents_pb.ShopRowError(
            list=one.list, index=one.index, line=one.line, field=one.field, description=one.description
        )
        for one in faults
    ]
    fitting = [row for row in rows if _size(row) <= MAX_PART_BYTES - _FRAME_BYTES]
    large = [row for row in rows if _size(row) > MAX_PART_BYTES - _FRAME_BYTES]
    errors += [
        documents_pb.ShopRowError(
            list=row.list,
            index=row.index,
            line=row.line,
            description=f"is larger than {MAX_PART_BYTES:,} bytes",
        )
        for row in large
    ]
    return [_part(group) for group in _groups(fitting)], errors


def _groups(rows: Sequence[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    size = _FRAME_BYTES
    for row in rows:
        if group and size + _size(row) > MAX_PART_BYTES:
            yield group
            group, size = [], _FRAME_BYTES
        group.append(row)
        size += _size(row)
    if group:
        yield group


def _part(rows: Sequence[Row]) -> Part:
    lists = {name: [row.value for row in rows if row.list == name] for name in LISTS}
    present = {name: values for name, values in lists.items() if values}
    return Part(shop_json=_encoded(present), rows=rows)


def _size(row: Row) -> int:
    return len(_encoded(row.value)) + 2


def _encoded(value: object) -> bytes:
    """In ASCII, which also carries halves of surrogate pairs; the service refuses those by row."""
    return exact_json.dumps(value, ascii_only=True).encode("ascii")
