"""The same thing is told once, and nothing that is a fact of its own is taken for a repetition."""

from __future__ import annotations

import pytest

from retrieval_service.domain.quotation.repetition import says_again

SAME = [
    ("ru", "Дней на возврат лампы — тридцать.", "На возврат лампы тридцать дней."),
    ("ru", "Доставка лампы бесплатна.", "Доставка лампы по Москве бесплатна."),
    ("ru", "Урал и Сибирь: 4–8 дней.", "Урал и Сибирь: 4–8 дней, 390 и 550 рублей."),
    ("en", "Thirty days are allowed.", "Allowed are thirty days."),
    (
        "en",
        "Shipping to the workshop is on us, repairs take up to 20 days, and what cannot be mended we replace.",
        "We pay for shipping to the workshop, repairs take up to 20 days, and what we cannot mend we replace.",
    ),
    (
        "pt",
        "O envio à assistência é por nossa conta, o conserto leva até 20 dias e, se não tiver jeito, trocamos.",
        "Pagamos o envio à assistência, o conserto leva até 20 dias e, se não houver jeito, trocamos por um novo.",
    ),
]


@pytest.mark.parametrize(("language", "new", "known"), SAME)
def test_same_thing_in_nearly_the_same_words_is_a_repetition(language: str, new: str, known: str) -> None:
    assert says_again(new, known, language)


NEW = [
    ("ru", "Распродажа чайников идёт до 7 мая.", "Распродажа чайников идёт до 5 мая."),
    ("ru", "Распродажа чайников идёт до 5 июня.", "Распродажа чайников идёт до 5 мая."),
    ("ru", "Мы не доставляем чай по воскресеньям.", "Мы доставляем чай по воскресеньям."),
    ("ru", "Лампа синего цвета, 40 Вт, для кухни.", "Лампа красного цвета, 40 Вт, для кухни."),
    ("en", "The kettle sale ends on 7 May.", "The kettle sale ends on 5 May."),
    (
        "en",
        "The dark blue lamp of 40 watts suits the kitchen.",
        "The red lamp of 40 watts suits the kitchen.",
    ),
    ("en", "The red lamp of 40 watts suits the hall.", "The red lamp of 40 watts suits the kitchen."),
    ("en", "A lamp without a bulb costs 9 euro.", "A lamp with a bulb costs 9 euro."),
    ("en", "Lamps are delivered to Kazan by courier within hours.", "Lamps are delivered."),
    ("pt", "A chaleira azul custa 250 reais.", "A chaleira azul custa 200 reais."),
    (
        "pt",
        "A luminária azul de 40 watts é para a cozinha.",
        "A luminária vermelha de 40 watts é para a cozinha.",
    ),
    ("pt", "Não trocamos xícaras quebradas.", "Trocamos xícaras quebradas."),
]


@pytest.mark.parametrize(("language", "new", "known"), NEW)
def test_another_number_place_or_denial_is_none(language: str, new: str, known: str) -> None:
    assert not says_again(new, known, language)
