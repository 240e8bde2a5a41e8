"""Widens passages to what stands around them in their documents: the section or entry, then the nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from retrieval_service.text.headings import SEPARATOR

# What of the room that is left one section may take, so that the next ones are widened too.
_SHARE = 0.5
# Of the words of two texts, what both have when one is a copy.
_COPIED = 0.95


class Titled(Protocol):
    """A text under its title."""

    @property
    def title(self) -> str: ...

    @property
    def text(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A stored passage in its place; of one document they come in order, `start` and `end` count code points of it."""

    chunk_id: UUID
    document_id: UUID
    chunk_index: int
    heading: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """Successive passages of one document as one text; `chunk_ids` are those that were found, best first."""

    chunk_ids: tuple[UUID, ...]
    start: int
    end: int
    text: str


@dataclass(kw_only=True)
class _Window:
    """Pieces `first` to `last` of a document, around the piece that was found."""

    pieces: Sequence[Piece]
    first: int
    last: int
    chunk_ids: list[UUID] = field(default_factory=list[UUID])

    @property
    def found(self) -> Piece:
        return next(piece for piece in self.pieces if piece.chunk_id == self.chunk_ids[0])

    def takes(self, place: int, room: int) -> int:
        """Takes the next piece up or down and tells what of the room that costs; nothing when it does not fit."""
        cost = len(self.pieces[place].text) if self._is_next(place) else 0
        if not 0 < cost <= room:
            return 0
        self.first, self.last = min(self.first, place), max(self.last, place)
        return cost

    def _is_next(self, place: int) -> bool:
        return 0 <= place < len(self.pieces) and place in {self.first - 1, self.last + 1}


def widened(chunk_ids: Sequence[UUID], pieces: Sequence[Piece], budget: int) -> list[Section]:
    """The sections of these chunks, best first, of one document in the order in which they stand there.

    All have their sections before any has what stands next to them.

    All of them together are at most `budget` code points, or as long as the chunks themselves if these are longer.
    Chunks that no piece has are left out. Those of one section become one.
    """
    windows = [*_windows(chunk_ids, pieces)]
    room = budget - sum(len(one.found.text) for one in windows)
    parts = [one for one in windows if len(one.pieces) > 1]
    for grown in (_grown_within, _grown_beside):
        for share in (_SHARE, 1.0):
            for window in parts:
                room -= grown(window, int(room * share))
    return [_section(window) for window in _in_reading_order(_merged(windows))]


def are_copies(one: Titled, other: Titled) -> bool:
    """The same words under one title, but for a few, and the same numbers: two prices make two facts."""
    if one.title.casefold() != other.title.casefold():
        return False
    mine, others = (set(text.casefold().split()) for text in (one.text, other.text))
    return _numbers(mine) == _numbers(others) and len(mine & others) >= _COPIED * len(mine | others)


def _numbers(words: Iterable[str]) -> set[str]:
    return {word for word in words if any(map(str.isdigit, word))}


def _windows(chunk_ids: Sequence[UUID], pieces: Sequence[Piece]) -> Iterator[_Window]:
    documents: dict[UUID, list[Piece]] = {}
    for piece in pieces:
        documents.setdefault(piece.document_id, []).append(piece)
    places = {
        piece.chunk_id: (inside, place) for inside in documents.values() for place, piece in enumerate(inside)
    }
    for chunk_id in chunk_ids:
        if chunk_id in places:
            inside, place = places[chunk_id]
            yield _Window(pieces=inside, first=place, last=place, chunk_ids=[chunk_id])


def _grown_within(window: _Window, room: int) -> int:
    """What was taken of the room for the window's section."""
    taken = 0
    while step := _step_within(window, room - taken):
        taken += step
    return taken


def _grown_beside(window: _Window, room: int) -> int:
    """What was taken for what stands next to it."""
    taken = 0
    for place in (window.last + 1, window.first - 1):
        taken += window.takes(place, room - taken)
    return taken


def _step_within(window: _Window, room: int) -> int:
    heading = window.found.heading
    inside = (
        place
        for place in (window.last + 1, window.first - 1)
        if 0 <= place < len(window.pieces) and _is_within(window.pieces[place].heading, heading)
    )
    return next(filter(None, (window.takes(place, room) for place in inside)), 0)


def _is_within(heading: str, section: str) -> bool:
    return heading == section or (bool(section) and heading.startswith(section + SEPARATOR))


def _merged(windows: Sequence[_Window]) -> list[_Window]:
    """Windows that touch become one, at the place of the better."""
    kept: list[_Window] = []
    for window in windows:
        touching = [place for place, one in enumerate(kept) if _touch(one, window)]
        union = _union([*(kept[place] for place in touching), window])
        place = touching[0] if touching else len(kept)
        apart = [one for at, one in enumerate(kept) if at not in touching]
        kept = [*apart[:place], union, *apart[place:]]
    return kept


def _touch(one: _Window, other: _Window) -> bool:
    is_same = one.pieces is other.pieces
    return is_same and one.first <= other.last + 1 and other.first <= one.last + 1


def _union(parts: Sequence[_Window]) -> _Window:
    return _Window(
        pieces=parts[0].pieces,
        first=min(one.first for one in parts),
        last=max(one.last for one in parts),
        chunk_ids=[chunk_id for one in parts for chunk_id in one.chunk_ids],
    )


def _in_reading_order(windows: Sequence[_Window]) -> list[_Window]:
    ranks: Mapping[int, int] = {id(one.pieces): rank for rank, one in reversed(list(enumerate(windows)))}
    return sorted(windows, key=lambda one: (ranks[id(one.pieces)], one.first))


def _section(window: _Window) -> Section:
    inside = window.pieces[window.first : window.last + 1]
    return Section(
        chunk_ids=tuple(window.chunk_ids), start=inside[0].start, end=inside[-1].end, text=_joined(inside)
    )


def _joined(pieces: Sequence[Piece]) -> str:
    """Without what two pieces share, and with the headings that stand above a piece and not in it."""
    parts = [pieces[0].text]
    above, end = pieces[0].heading, pieces[0].end
    for piece in pieces[1:]:
        parts.append(_continued(piece, above, end))
        above, end = piece.heading, max(end, piece.end)
    return "".join(parts)


def _continued(piece: Piece, above: str, end: int) -> str:
    if piece.start < end:
        return piece.text[min(end - piece.start, len(piece.text)) :]
    name = piece.heading.rpartition(SEPARATOR)[2]
    is_left_out = piece.heading != above and piece.start - end > len(name) > 0
    untold = [name] if is_left_out else []
    return "\n\n".join(["", *(f"## {name}" for name in untold), piece.text])
