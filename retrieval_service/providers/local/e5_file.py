"""Reads the one file that holds multilingual-e5-small: its network in four bits, its word table, its vocabulary.

All numbers are little-endian:

    header      "E5S1", u32 version; i32 width, layers, heads, inner width, words, positions, types;
                f32 epsilon; i32 weights in a block
    vocabulary  i32 pieces, and the numbers of start, end, padding and unknown; u64 bytes;
                u32 offsets[pieces + 1]; f32 scores[pieces]; the pieces in UTF-8
    characters  i32 entries, u32 bytes; each entry u32 code point, u8 n, u32[n] what it becomes
    directory   i32 tensors; each u16 bytes and name, u8 kind, u32 numbers, u64 offset, u64 bytes

A tensor of kind 0 is float32. Kind 1 is in blocks of 32 weights, see `BLOCK`.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"E5S1"
HIDDEN, INNER, LAYERS = 384, 1536, 12

WEIGHTS_IN_BLOCK = 32
BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", WEIGHTS_IN_BLOCK // 2)])
"""Each weight is (nibble - 8) x scale; the low nibbles are the first sixteen weights, the high ones the rest."""

Floats = NDArray[np.float32]
Blocks = NDArray[np.void]


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """The pieces by number, how likely each is (a logarithm), and what characters become before they are cut."""

    pieces: tuple[str, ...]
    scores: Sequence[float]
    start: int
    end: int
    padding: int
    unknown: int
    characters: dict[int, str]


class E5File:
    """A read-only memory map: what is never looked at takes no memory."""

    def __init__(self, path: Path) -> None:
        """The file's hash must have been checked: its numbers are believed."""
        self._raw: NDArray[np.uint8] = np.memmap(path, np.uint8, "r")
        cursor = _Cursor(self._raw, len(MAGIC))
        cursor.take("I7ifi")
        self.vocabulary = _vocabulary(cursor)
        self._tensors = dict(_directory(cursor))

    def floats(self, name: str) -> Floats:
        return np.array(self._bytes(name).view("<f4"), np.float32)

    def blocks(self, name: str, columns: int) -> Blocks:
        """A view of the map, of shape (rows, blocks in a row)."""
        return self._bytes(name).view(BLOCK).reshape(-1, columns // WEIGHTS_IN_BLOCK)

    def _bytes(self, name: str) -> NDArray[np.uint8]:
        start, length = self._tensors[name]
        return self._raw[start : start + length]


class _Cursor:
    def __init__(self, raw: NDArray[np.uint8], position: int) -> None:
        self._raw = raw
        self._position = position

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{layout}", self._raw.data, self._position)
        self._position += struct.calcsize(f"<{layout}")
        return values

    def array(self, dtype: str, count: int) -> NDArray[Any]:
        start = self._position
        self._position += count * np.dtype(dtype).itemsize
        return self._raw[start : self._position].view(dtype)


def _vocabulary(cursor: _Cursor) -> Vocabulary:
    count, start, end, padding, unknown = cursor.take("5i")
    (length,) = cursor.take("Q")
    offsets = cursor.array("<u4", count + 1).tolist()
    scores = array("f", cursor.array("<f4", count).tolist())
    text = cursor.array("u1", length).tobytes()
    return Vocabulary(
        pieces=tuple(text[first:last].decode() for first, last in pairwise(offsets)),
        scores=scores,
        start=start,
        end=end,
        padding=padding,
        unknown=unknown,
        characters=dict(_characters(cursor)),
    )


def _characters(cursor: _Cursor) -> Iterator[tuple[int, str]]:
    count, _ = cursor.take("iI")
    for _ in range(count):
        code_point, length = cursor.take("IB")
        yield code_point, "".join(map(chr, cursor.take(f"{length}I")))


def _directory(cursor: _Cursor) -> Iterator[tuple[str, tuple[int, int]]]:
    """The place and the length of each tensor, in bytes, by its name."""
    (count,) = cursor.take("i")
    for _ in range(count):
        (length,) = cursor.take("H")
        name = cursor.array("u1", length).tobytes().decode()
        _, _, offset, size = cursor.take("BIQQ")
        yield name, (offset, size)
