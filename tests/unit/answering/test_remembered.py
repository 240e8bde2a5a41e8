"""Of what a customer said only the words of the business itself are remembered."""

from __future__ import annotations

import pytest

from retrieval_service.domain.answering.remembered import remembered

KNOWN = {
    "kettle",
    "delivery",
    "order",
    "чайник",
    "стоит",
    "доставка",
    "chaleira",
    "custa",
    "name",
    "mail",
    "pay",
}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("My name is Zebediah. How much is the kettle?", "My name is How much is the kettle?"),
        ("Пишите на ivan@mail.example. Сколько стоит чайник?", "на Сколько стоит чайник?"),
        ("Order 88-1234-X: where is it?", "Order where is it?"),
        ("I pay with 4111 1111 1111 1111", "I pay with"),
        ("Sou o João da Silva, quanto custa a chaleira?", "o da quanto custa a chaleira?"),
        ("", ""),
    ],
)
def test_words_that_no_document_has_are_forgotten(said: str, kept: str) -> None:
    assert remembered([said], lambda _: KNOWN) == {said: kept}
