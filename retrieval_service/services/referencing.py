"""Numbers hits as the fragments an answer is made from, and shows them to readers as references."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from retrieval_service.domain.answers import Reference
from retrieval_service.domain.fragments import Fragment
from retrieval_service.domain.invisible import without_invisible
from retrieval_service.domain.snippets import snippet
from retrieval_service.services.searching import Hit

# Titles and texts of passages: the same ones are found again and again.
_CACHED_TEXTS = 2_048


def numbered(hits: Sequence[Hit]) -> tuple[Fragment, ...]:
    return tuple(
        Fragment(
            number=number,
            document_id=str(hit.passage.document_id),
            chunk_id=str(hit.passage.chunk_id),
            title=_visible(hit.passage.title),
            url=hit.passage.url,
            text=_visible(hit.passage.text),
            language=hit.passage.language,
            score=hit.score,
        )
        for number, hit in enumerate(hits, start=1)
    )


def references(hits: Sequence[Hit]) -> list[Reference]:
    """By the numbers of the fragments."""
    return [reference(one, hit) for one, hit in zip(numbered(hits), hits, strict=True)]


def reference(fragment: Fragment, hit: Hit) -> Reference:
    return Reference(
        number=fragment.number,
        document_id=fragment.document_id,
        chunk_id=fragment.chunk_id,
        source_type=hit.passage.source_type,
        external_id=hit.passage.external_id,
        title=fragment.title,
        url=fragment.url,
        snippet=_snippet(fragment.text, fragment.title),
        score=fragment.score,
    )


@lru_cache(maxsize=_CACHED_TEXTS)
def _visible(text: str) -> str:
    return without_invisible(text)


@lru_cache(maxsize=_CACHED_TEXTS)
def _snippet(text: str, title: str) -> str:
    return snippet(text, title)
