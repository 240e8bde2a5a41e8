"""What of a long message asks."""

from __future__ import annotations

import pytest

from retrieval_service.domain.answering.question_parts import askings


@pytest.mark.parametrize(
    ("text", "asking"),
    [
        (
            "Меня зовут Анна, я живу в Казани, узнала о вас от подруги, сколько стоит доставка?",
            "сколько стоит доставка?",
        ),
        ("Мне подарили набор. Он красивый. Есть ли гарантия на чайник?", "Есть ли гарантия на чайник?"),
        ("My name is John. I live in London. How much is delivery?", "How much is delivery?"),
        ("Olá! Moro em Lisboa. Quanto custa a entrega?", "Quanto custa a entrega?"),
    ],
)
def test_introductions_do_not_ask(text: str, asking: str) -> None:
    assert asking in askings(text)


@pytest.mark.parametrize(
    "text",
    [
        "Сколько стоит доставка?",
        "Доставка",
        "Правда, что от чая худеют? На сколько килограммов?",
        "If I pay in cash, how much is delivery?",
        "I bought a kettle. Is it good?",
        "",
    ],
)
def test_what_asks_as_a_whole_has_no_shorter_reading(text: str) -> None:
    assert askings(text) == []
