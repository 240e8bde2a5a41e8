"""Every sentence of a quotation rests on its number, with as few numbers as that takes."""

from __future__ import annotations

import pytest

from retrieval_service.domain.answering.citations import CitationStream
from retrieval_service.domain.answering.grounding import Flagged, Grounding
from retrieval_service.domain.fragments import Fragment
from retrieval_service.domain.quotation.cited_quotes import marked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Yes. The yard is open all night.", "Yes. The yard is open all night. [3]"),
        ("Слишком туго? Ослабьте. Слабо? Туже.", "Слишком туго? Ослабьте. [3] Слабо? Туже. [3]"),
        (
            "Use oil. Not much. Wipe it. Then wait an hour.",
            "Use oil. Not much. [3] Wipe it. Then wait an hour. [3]",
        ),
        ("Rangendo? Passe óleo. Preso?", "Rangendo? Passe óleo. Preso? [3]"),
    ],
)
def test_short_sentence_leaves_its_number_to_a_next_one_that_has_it(text: str, shown: str) -> None:
    assert marked(text, 3) == shown
    assert not flagged(shown, source=text)


def flagged(answer: str, *, source: str) -> list[Flagged]:
    one = Fragment(
        number=3, document_id="d", chunk_id="c", title="Chain", url="", text=source, language="en", score=1.0
    )
    stream, grounding = CitationStream(frozenset({3})), Grounding([one])
    events = [*stream.feed(answer), *stream.finish()]
    return [*(flag for event in events for flag in grounding.take(event)), *grounding.finish()]
