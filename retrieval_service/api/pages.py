"""Pages of listings, cut by bytes so that any client can read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf import message

Row = TypeVar("Row")
Message = TypeVar("Message", bound=message.Message)

# gRPC clients read 4 MiB by default. One document's metadata alone may have 16 KiB.
MOST_BYTES = 3 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Page(Generic[Row, Message]):
    """`last` is the last row of the page, None when no page follows."""

    items: Sequence[Message]
    last: Row | None


def cut(
    rows: Sequence[Row], size: int, write: Callable[[Row], Message], *, most_bytes: int = MOST_BYTES
) -> Page[Row, Message]:
    """The first `size` rows, or fewer when they are large, but at least one. More rows mean a next page."""
    items: list[Message] = []
    room = most_bytes
    for row in rows[:size]:
        item = write(row)
        room -= item.ByteSize()
        if items and room < 0:
            break
        items.append(item)
    return Page(items=items, last=rows[len(items) - 1] if len(items) < len(rows) else None)
