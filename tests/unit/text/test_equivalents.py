"""What customers call one and the same thing."""

from __future__ import annotations

import pytest

from retrieval_service.text.lexicon.equivalents import named
from retrieval_service.text.words import stem, words


def name_of(text: str, language: str) -> tuple[str, int]:
    """The name that the text begins with, and how many words it has."""
    found = named([stem(word, language)[1] for word in words(text)], 0, language)
    return (found[0].group, found[1]) if found else ("", 0)


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("gift vouchers", "gift card", "en"),
        ("подарочных сертификатов", "подарочная карта", "ru"),
        ("vales-presente", "cartão presente", "pt"),
    ],
)
def test_any_form_of_a_name_is_known(one: str, other: str, language: str) -> None:
    assert name_of(one, language)[0] == name_of(other, language)[0] != ""


def test_longest_name_is_taken() -> None:
    assert name_of("money back please", "en") == (name_of("refund", "en")[0], 2)
    assert name_of("caffeine free coffee", "en")[1] == 3


def test_language_without_a_list_has_no_names() -> None:
    assert name_of("carte cadeau", "fr") == ("", 0)
