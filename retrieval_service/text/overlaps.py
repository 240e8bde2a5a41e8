"""Takes samples of a text, by which to see how much of it stands in another one."""

from __future__ import annotations

SAMPLES = 8
SAMPLE_CHARACTERS = 40


def samples(text: str) -> list[str]:
    """Pieces of one line each, spread over the text: line ends and blank edges differ between cutters."""
    lines = [line.strip() for line in text.splitlines()]
    pieces = [piece for line in lines for piece in _pieces(line)]
    if len(pieces) <= SAMPLES:
        return pieces
    return [pieces[place * (len(pieces) - 1) // (SAMPLES - 1)] for place in range(SAMPLES)]


def _pieces(line: str) -> list[str]:
    """A last piece that is too short to tell one text from another is left out beside longer ones."""
    cut = [line[start : start + SAMPLE_CHARACTERS] for start in range(0, len(line), SAMPLE_CHARACTERS)]
    return [piece for place, piece in enumerate(cut) if place == 0 or len(piece) == SAMPLE_CHARACTERS]
