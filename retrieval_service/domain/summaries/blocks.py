"""How much of the search results a summary is made from; all limits count code points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from retrieval_service.domain.fragments import Fragment
from retrieval_service.text.sentences import split_sentences

MOST_BLOCKS = 40
MAX_BLOCK = 2_000
MAX_TOTAL = 24_000
MAX_TITLE = 200


def limited(fragments: Sequence[Fragment]) -> tuple[Fragment, ...]:
    """The first of them, cut at the ends of sentences; a block counts with its title."""
    return tuple(_limited(fragments[:MOST_BLOCKS]))


def _limited(fragments: Sequence[Fragment]) -> Iterator[Fragment]:
    left = MAX_TOTAL
    for fragment in fragments:
        title = fragment.title[:MAX_TITLE]
        text = cut_at_sentence(fragment.text, min(MAX_BLOCK, left) - len(title))
        if not text:
            return
        left -= len(title) + len(text)
        yield replace(fragment, title=title, text=text)


def cut_at_sentence(text: str, limit: int) -> str:
    """At most `limit` code points: whole sentences, or whole words of a first sentence that is too long."""
    if len(text) <= limit:
        return text
    if limit <= 0:
        return ""
    ends = [sentence.end for sentence in split_sentences(text) if sentence.end <= limit]
    return text[: ends[-1]] if ends else _cut_at_word(text, limit)


def _cut_at_word(text: str, limit: int) -> str:
    cut = text[: limit - 1]
    return (cut.rsplit(maxsplit=1)[0] if " " in cut.strip() else cut).rstrip(",;:—–- ") + "…"
