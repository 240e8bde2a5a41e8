"""Which words of a question name one thing among many."""

from __future__ import annotations

from decimal import Decimal

import pytest

from retrieval_service.text.named_things import naming_words, numbers_said


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


@pytest.mark.parametrize(
    ("question", "numbers"),
    [
        ("Is there a discount for three years?", {"three": 3}),
        ("Скидка за три года или за 5 лет?", {"три": 3, "5": 5}),
        ("Dá para parcelar em doze vezes?", {"doze": 12}),
        ("does it hold twenty-five kg", {"twenty": 25, "five": 25}),
        ("from 3 000 roubles", {"3": 3000, "000": 3000}),
        ("Впишите в полис всю семью", {}),
        ("a one-way ticket for two", {}),
        ("", {}),
    ],
)
def test_numbers_are_the_same_in_figures_and_in_words(question: str, numbers: dict[str, int]) -> None:
    assert numbers_said(question) == {word: Decimal(number) for word, number in numbers.items()}
