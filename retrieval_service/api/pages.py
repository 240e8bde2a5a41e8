"""Pages that any client can read: cut by bytes, however many items were asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf import message

Row = TypeVar("Row")
Message = TypeVar("Message", bound=message.Message)

# gRPC's clients read 4 MiB unless they are told otherwise; a document's metadata alone may have 16 KiB.
MOST_BYTES = 3 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Page(Generic[Row, Message]):
    """`last` is the row that the next page begins behind, None at the end."""

    items: Sequence[Message]
    last: Row | None


def cut(
    rows: Sequence[Row], size: int, write: Callable[[Row], Message], *, most_bytes: int = MOST_BYTES
) -> Page[Row, Message]:
    """The first `size` of the rows, or fewer when they are large, but never none; more rows mean a next page."""
    items: list[Message] = []
    room = most_bytes
    for row in rows[:size]:
        item = write(row)
        room -= item.ByteSize()
        if items and room < 0:
            break
        items.append(item)
    return Page(items=items, last=rows[len(items) - 1] if len(items) < len(rows) else None)
