"""Facts of one text are found in another, whatever language and form they take there."""

from __future__ import annotations

import pytest

from retrieval_service.domain.facts import facts_of, is_known, known_from


def are_known(said: str, source: str) -> list[bool]:
    known = known_from([source])
    return [is_known(fact, known) for fact in facts_of(said)]


@pytest.mark.parametrize(
    ("said", "source"),
    [
        ("2 890 ₽", "цена 2890 руб."),
        ("2 890 ₽", "₽2,890"),
        ("2890 рублей", "2\u00a0890 ₽"),
        ("R$ 1.290,50", "1290.50 reais"),
        ("$1,290.50", "1290,50 USD"),
        ("1 299 р.", "1299₽"),
        ("14 дней", "within 14 days"),
        ("14 dias", "14 рабочих дней"),
        ("14 дней", "2 weeks"),
        ("30 дней", "thirty days"),
        ("2 dias", "два дня"),
        ("1,5 кг", "1500 g"),
        ("250 г", "Вес, г | 250"),
        ("10 %", "10% off"),
        ("10 por cento", "10 процентов"),
        ("12.05.2026", "May 12, 2026"),
        ("12 мая 2026", "2026-05-12"),
        ("12 мая", "12 de maio de 2026"),
        ("May 12", "12.05.2026"),
        ("3 дня", "2–3 дня"),
        ("10:00", "10 am"),
        ("18h30", "18:30"),
        ("+7 (495) 123-45-67", "8 495 123-45-67"),
        ("Help@Shop.example", "пишите на help@shop.example."),
        ("промокод LETO2026", "Use LETO2026 at checkout"),
    ],
)
def test_fact_is_known_in_another_form(said: str, source: str) -> None:
    assert are_known(said, source) == [True]


@pytest.mark.parametrize(
    ("said", "source"),
    [
        ("50 000 ₽", "5 000 ₽"),
        ("$5", "€5"),
        ("5%", "5"),
        ("40 days", "30 days"),
        ("14 часов", "14 дней"),
        ("12 мая 2025", "12 мая 2026"),
        ("13 мая", "12 мая"),
        ("10:30", "10:00"),
        ("1,5 кг", "1,5 л"),
        ("+7 495 123-45-68", "+7 495 123-45-67"),
        ("evil@shop.example", "help@shop.example"),
        ("промокод LETO2027", "LETO2026"),
        ("vinte dias", "30 dias"),
        ("у нас 350 магазинов", "у нас 35 магазинов"),
        ("founded in 1998", "founded in 1989"),
    ],
)
def test_another_fact_is_not_known(said: str, source: str) -> None:
    assert are_known(said, source) == [False]


@pytest.mark.parametrize(
    ("said", "source"),
    [
        ("открыты с 2024", "Магазин открыт 12.03.2024"),
        ("1 000 товаров", "более 1000 позиций"),
        ("1,000 items", "1.000 itens"),
        ("20 магазинов", "двадцать магазинов"),
        ("модель 500", "модель GT-500"),
    ],
)
def test_bare_number_is_known_from_any_number(said: str, source: str) -> None:
    assert are_known(said, source) == [True]


def test_both_ends_of_a_range_are_facts() -> None:
    assert are_known("от 2 до 5 дней", "2–3 days") == [True, False]


@pytest.mark.parametrize("text", ["Хорошая лампа.", "Лампа номер 7", "one of them", "т.е. и т.д.", "twenty"])
def test_words_and_small_bare_numbers_are_no_facts(text: str) -> None:
    assert facts_of(text) == []


def test_one_text_is_not_read_twice() -> None:
    assert len(facts_of("Звоните +7 495 123-45-67 до 18:00 12.05.2026")) == 3
