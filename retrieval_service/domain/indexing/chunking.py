"""Cuts a document into passages at its headings, paragraphs and sentences."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from retrieval_service.domain.documents import front_matter
from retrieval_service.domain.indexing.piece_counting import local_units, multilingual_units
from retrieval_service.text.headings import SEPARATOR, Outline, joined
from retrieval_service.text.leads import Leads

MARKDOWN = "text/markdown"

# The smallest window of a local model has 256 word pieces; title, heading and two special tokens need room in it.
LOCAL_CAPACITY = 200
LOCAL_OVERLAP = 40

_TOKENIZER_MODEL = "text-embedding-3-small"

# Tokenizers and the Markdown parser take quadratic time over an endless row of letters or of nested signs, and the
# splitter cubic time over one of empty lines. So such a row is cut, and a very long document too: where a section, a
# paragraph, a line or a word ends.
_ENDLESS_RUN = re.compile(r"\S{4000}|\s{500}")
_LONGEST_STRETCH = 100_000
_BOUNDARIES = ("\n#", "\n\n", "\n", " ")


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A passage: `text` is `content[start:end]`, `heading` a path like "Returns > Period" or "".

    `lead` is what stands above a passage that begins inside a list or a table: the line that leads to the list, or the
    row that names the columns; else "".
    """

    index: int
    text: str
    start: int
    end: int
    heading: str
    lead: str = ""


@dataclass(frozen=True, kw_only=True)
class ChunkPolicy:
    """At most `capacity` units a passage, of which `overlap` may repeat the passage before.

    The unit is a token of OpenAI's embedding models or whatever the function counts. Neither lets a unit
    stand for more than 200 bytes of text, so a passage of any sensible capacity stays far below 200 KB.
    """

    capacity: int
    overlap: int
    unit: Literal["tiktoken"] | Callable[[str], int]


OPENAI_POLICY = ChunkPolicy(capacity=800, overlap=80, unit="tiktoken")


def local_policy(count_pieces: Callable[[str], int]) -> ChunkPolicy:
    """For a local model of Latin script; `count_pieces` gives the word pieces of a text without special tokens.

    Call it once and keep the policy: it remembers the sizes of words.
    """
    return ChunkPolicy(capacity=LOCAL_CAPACITY, overlap=LOCAL_OVERLAP, unit=local_units(count_pieces))


def multilingual_policy(count_pieces: Callable[[str], int]) -> ChunkPolicy:
    """Likewise, for a local model of every script."""
    return ChunkPolicy(capacity=LOCAL_CAPACITY, overlap=LOCAL_OVERLAP, unit=multilingual_units(count_pieces))


def split(content: str, content_type: str, policy: ChunkPolicy, title: str = "") -> tuple[Chunk, ...]:
    """The passages in order; none for blank content.

    They cover every character that is not blank, except front matter, and headings and the title left alone by the
    splitter: these stand in the `heading` of the passage below them, and in the document's `title`.
    """
    is_markdown = content_type == MARKDOWN
    begins = front_matter.end_of(content)
    outline = Outline(content, begins, has_headings=is_markdown)
    places = [*_places(content, begins, _splitter(policy, is_markdown))]
    leads = Leads(content, begins)
    return tuple(
        Chunk(
            index=index,
            text=content[start:end],
            start=start,
            end=end,
            heading=heading,
            lead=leads.of(start),
        )
        for index, (start, end, heading) in enumerate(_with_headings(places, outline, title))
    )


def _with_headings(
    places: Sequence[tuple[int, int]], outline: Outline, title: str
) -> Iterator[tuple[int, int, str]]:
    """The places and the headings above them, without headings that stand alone: those belong to what follows.

    Several that stand in no path are a list that somebody wrote as headings, and remain a passage.
    """
    above = ""
    for (start, end), (next_start, next_end) in pairwise([*places, (0, 0)]):
        untold = None
        if next_end:
            told = outline.path(next_start, next_end).split(SEPARATOR)
            untold = outline.untold(start, end, (title, above, *told))
        if untold is None or len(untold) > 1 or (above and untold):
            yield start, end, joined([above, outline.path(start, end)])
            above = ""
        elif untold:
            above = untold[0]


def _places(
    content: str, begins: int, splitter: TextSplitter | MarkdownSplitter
) -> Iterator[tuple[int, int]]:
    for start, end in _stretches(content, begins):
        for offset, text in splitter.chunk_indices(content[start:end]):
            if not text.isspace():
                yield start + offset, start + offset + len(text)


def _stretches(content: str, start: int) -> Iterator[tuple[int, int]]:
    """The borders of the parts that are split on their own; one part in all but long or hostile documents."""
    while len(content) - start > _LONGEST_STRETCH:
        end = _boundary(content, start + _LONGEST_STRETCH // 2, start + _LONGEST_STRETCH)
        yield from _without_endless_runs(content, start, end)
        start = end
    yield from _without_endless_runs(content, start, len(content))


def _boundary(content: str, earliest: int, latest: int) -> int:
    places = (content.rfind(boundary, earliest, latest) for boundary in _BOUNDARIES)
    return next((place + 1 for place in places if place >= 0), latest)


def _without_endless_runs(content: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for run in _ENDLESS_RUN.finditer(content, start, end):
        yield start, run.end()
        start = run.end()
    yield start, end


@lru_cache(maxsize=16)
def _splitter(policy: ChunkPolicy, is_markdown: bool) -> TextSplitter | MarkdownSplitter:
    kind = MarkdownSplitter if is_markdown else TextSplitter
    if policy.unit == "tiktoken":
        return kind.from_tiktoken_model(_TOKENIZER_MODEL, policy.capacity, policy.overlap)
    return kind.from_callback(policy.unit, policy.capacity, policy.overlap)
