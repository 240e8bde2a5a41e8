"""The markers of citations as models write them: "[1]", "[1, 3]", "[1-3]", "[^1]", "【1†source】"."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Longer brackets are text: a marker is never held back for more than this.
MAX_NUMBERS = 60
MAX_NOTE = 80
MAX_MARKER = MAX_NUMBERS + MAX_NOTE + 3
_MAX_RANGE = 20

_NOTE = rf"†[^\]】\n]{{0,{MAX_NOTE}}}+"
_WRITTEN = rf"[ ^0-9,;:–-]{{1,{MAX_NUMBERS}}}+"
_BRACKET = re.compile(rf"[\[【](?P<numbers>{_WRITTEN})(?:{_NOTE})?(?P<closing>[\]】])")
UNFINISHED = re.compile(rf"[\[【](?:{_WRITTEN}(?:{_NOTE})?)?\Z")
_CLOSING = {"[": "]", "【": "】"}
# Four digits are a year.
_NUMBER = r"\^?[0-9]{1,3}(?: ?[–-] ?[0-9]{1,3})?"
_NUMBERS = re.compile(rf" ?{_NUMBER}(?: ?[,;] ?{_NUMBER})* ?")
# "4:0" is how OpenAI's own search tool counts; it names no fragment of ours.
_FOREIGN = re.compile(r"[0-9]{1,3}:[0-9]{1,3}")


def marker_at(text: str, position: int) -> re.Match[str] | None:
    """The marker that begins there, None where a bracket is something else."""
    bracket = _BRACKET.match(text, position)
    return bracket if bracket and _is_marker(bracket) else None


def numbers_of(marker: re.Match[str]) -> list[int]:
    """In the order in which they are named."""
    text = marker["numbers"]
    if ":" in text:
        return []
    parts = text.replace("^", "").replace("–", "-").replace(";", ",").split(",")
    return list(dict.fromkeys(number for part in parts for number in _read_range(part)))


def _is_marker(bracket: re.Match[str]) -> bool:
    numbers = bracket["numbers"]
    is_closed = _CLOSING[bracket[0][0]] == bracket["closing"]
    return is_closed and bool(_NUMBERS.fullmatch(numbers) or _FOREIGN.fullmatch(numbers))


def _read_range(text: str) -> Iterator[int]:
    first, _, last = text.partition("-")
    numbers = range(int(first), int(last or first) + 1)
    return iter(numbers[:_MAX_RANGE])
