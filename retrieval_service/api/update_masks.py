"""Which fields an update changes, as https://google.aip.dev/134 has it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from google.protobuf.field_mask_pb2 import FieldMask

from retrieval_service.api import fields

ALL = "*"


def masked(
    mask: FieldMask, *, allowed: Sequence[str], populated: Iterable[str], whole: Collection[str]
) -> set[str]:
    """The paths to change: those of the mask, `whole` for "*", and what the message holds where there is no mask.

    Raises `Invalid` for a path that is not allowed, and where nothing is named or held.
    """
    paths = set(mask.paths)
    if paths == {ALL}:
        return set(whole)
    if not paths:
        paths = set(allowed) & set(populated)
    if not paths:
        raise fields.refuse("update_mask", "is empty, and so is every field that may change")
    for path in sorted(paths - set(allowed)):
        raise fields.refuse("update_mask", f'"{path[:50]}" is not one of {", ".join(allowed)}, or "*" alone')
    return paths
