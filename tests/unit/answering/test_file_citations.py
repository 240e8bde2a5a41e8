"""Citations of files become our markers, wherever and whenever they are told."""

from __future__ import annotations

from uuid import UUID

import pytest

from retrieval_service.domain.answering.checked_stream import CheckedEvent, CheckedText
from retrieval_service.domain.answering.citations import Cited, Delta
from retrieval_service.domain.answering.file_citations import FileCitations
from retrieval_service.domain.fragments import Fragment, Prompt
from retrieval_service.domain.sync.remote_files import FileCited

ONE, TWO, STRANGER = (UUID(int=number) for number in (1, 2, 3))
NUMBERS = {ONE: 1, TWO: 2}
TEXTS = {
    "en": ("Thirty days.", " Bulbs stay."),
    "ru": ("Тридцать дней.", " Лампочки не в счёт."),
    "pt": ("Trinta dias.", " Lâmpadas não."),
}


def fragment(number: int) -> Fragment:
    return Fragment(
        number=number, document_id="", chunk_id="", title="", url="", text="", language="", score=1.0
    )


def new_stream() -> FileCitations:
    asked = Prompt(
        question="?",
        language="en",
        shop_name="",
        fallback_contact="",
        instructions="",
        fragments=(fragment(1), fragment(2)),
    )
    return FileCitations(NUMBERS, CheckedText(asked, cites_late=True))


def cited(document_id: UUID, offset: int) -> FileCited:
    return FileCited(file_id=f"file-{document_id}", document_id=document_id, offset=offset, quote="")


def text_of(events: list[CheckedEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def citations_of(events: list[CheckedEvent]) -> list[tuple[str, tuple[int, ...]]]:
    """The supported words and the numbers."""
    text = text_of(events)
    return [(text[one.start : one.end], one.numbers) for one in events if isinstance(one, Cited)]


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_citation_at_its_place_becomes_a_marker(language: str) -> None:
    first, second = TEXTS[language]
    stream = new_stream()
    events = [
        *stream.text(first),
        *stream.cited(cited(ONE, len(first))),
        *stream.text(second),
        *stream.cited(cited(TWO, len(first + second))),
        *stream.finish(),
    ]
    assert text_of(events) == f"{first}[1]{second}[2]"
    assert citations_of(events) == [(first, (1,)), (second.strip(), (2,))]


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_citation_told_early_waits_for_its_place(language: str) -> None:
    first, second = TEXTS[language]
    stream = new_stream()
    events = [*stream.cited(cited(ONE, len(first))), *stream.text(first + second), *stream.finish()]
    assert text_of(events) == f"{first}[1]{second}"
    assert citations_of(events) == [(first, (1,))]


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_citation_told_late_supports_its_sentence_and_changes_no_text(language: str) -> None:
    first, second = TEXTS[language]
    stream = new_stream()
    events = [*stream.text(first + second), *stream.cited(cited(ONE, len(first))), *stream.finish()]
    assert text_of(events) == first + second
    assert citations_of(events) == [(first, (1,))]


def test_document_that_is_no_reference_is_not_cited() -> None:
    stream = new_stream()
    events = [*stream.text("Thirty days."), *stream.cited(cited(STRANGER, 12)), *stream.finish()]
    assert (text_of(events), citations_of(events)) == ("Thirty days.", [])


def test_citation_behind_the_end_stands_at_the_end() -> None:
    stream = new_stream()
    events = [*stream.text("Thirty days."), *stream.cited(cited(ONE, 99)), *stream.finish()]
    assert text_of(events) == "Thirty days.[1]"


def test_models_own_markers_of_its_search_vanish() -> None:
    stream = new_stream()
    words = "Thirty days 【4:0†returns.md】."
    events = [*stream.text(words), *stream.cited(cited(ONE, len(words))), *stream.finish()]
    assert text_of(events) == "Thirty days.[1]"
