"""Which words of a question name one thing among many."""

from __future__ import annotations

import pytest

from retrieval_service.domain.naming import naming_words


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("How much is shipping to Iceland?", {"iceland"}),
        ("Сколько стоит доставка в Омск?", {"омск"}),
        ("Vocês entregam em Manaus?", {"manaus"}),
        ("how much is shipping to iceland?", set()),
        ("Do you open at 9? Sundays too", {"9"}),
        ("what does the HX-5792 cost", {"hx", "5792"}),
        ("Do you have “Winter roads” on CD?", {"cd"}),
        ("SHIPPING TO ICELAND NOW", set()),
        ("Welche Größe hat der Tisch im Katalog?", set()),
        ("", set()),
    ],
)
def test_numbers_and_capitals_inside_a_sentence_name(question: str, names: set[str]) -> None:
    assert naming_words(question) == names
