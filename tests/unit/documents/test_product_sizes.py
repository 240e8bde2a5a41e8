"""A product of another size than was asked for is told by its own numbers, whatever its trade."""

from __future__ import annotations

import pytest

from retrieval_service.domain.documents.entries import Field
from retrieval_service.domain.documents.product_sizes import size_sentences, size_stances, without_sizes
from retrieval_service.domain.documents.templates import Role
from retrieval_service.text.polarity import Stance

FITS, OPPOSES, FREE = Stance.FITS, Stance.OPPOSES, Stance.FREE


def _stance(question: str, language: str, title: str, label: str, text: str) -> Stance:
    fields = [
        Field(role=Role.NAME, label="", text=title),
        Field(role=Role.PRICE, label="Price", text="$44"),
        Field(role=Role.ATTRIBUTE, label=label, text=text),
    ]
    return size_stances(question, [(title, fields, language)])[0]


@pytest.mark.parametrize(
    ("question", "language", "title", "label", "text", "stance"),
    [
        ("canoe for four", "en", "Otter canoe", "Seats", "2", OPPOSES),
        ("canoe for four", "en", "Beaver canoe", "Seats", "4", FITS),
        ("2-person tent", "en", "Fell tent", "Sleeps", "4", OPPOSES),
        ("стол на 12 персон", "ru", "Стол «Дуб»", "Мест", "8", OPPOSES),
        ("палатка на четверых", "ru", "Палатка «Тундра»", "Вместимость", "4", FITS),
        ("barraca para 6 pessoas", "pt", "Barraca Jacu", "Pessoas", "4", OPPOSES),
        ("кабель 10 м", "ru", "Кабель 3 м", "Разъём", "XLR", OPPOSES),
        ("кабель 10 м", "ru", "Кабель", "Длина", "1000 см", FITS),
        ("boots size 44", "en", "Fell boots", "Size", "39–43", OPPOSES),
        ("boots size 44", "en", "Fell boots", "Size", "36–46", FITS),
        ("tênis tamanho 44", "pt", "Tênis Lobo", "Tamanho", "38, 39, 44", FITS),
        ("violin 4/4", "en", "Cantor violin 3/4", "Bow", "brazilwood", OPPOSES),
        ("violin 3/4", "en", "Cantor violin 3/4", "Bow", "brazilwood", FITS),
        ("люстра на 12 рожков", "ru", "Люстра «Аврора» на 5 рожков", "Цоколь", "E27", OPPOSES),
        ("a keyboard with 88 keys", "en", "Corvel keyboard", "Key count", "61", OPPOSES),
        ("will it carry 8 kg", "en", "Hook", "Max load", "10 kg", FITS),
        ("will it carry 8 kg", "en", "Hook", "Max load", "5 kg", OPPOSES),
        ("a partir de 8 kg", "pt", "Cadeirinha", "Min peso", "9 kg", OPPOSES),
    ],
)
def test_size(question: str, language: str, title: str, label: str, text: str, stance: Stance) -> None:
    assert _stance(question, language, title, label, text) is stance


@pytest.mark.parametrize(
    ("question", "language", "title", "label", "text"),
    [
        ("How much is the Larkin D-20?", "en", "Larkin D-20 guitar", "Strings", "6"),
        ("Can I order 2 guitars?", "en", "Larkin D-20 guitar", "Strings", "6"),
        ("Can I return it within 30 days?", "en", "Larkin guitar", "Warranty", "3 years"),
        ("guitars up to 200 dollars", "en", "Larkin guitar", "Strings", "6"),
        ("Привезёте в 18:30?", "ru", "Стол «Дуб»", "Мест", "8"),
        ("Tem desconto de 10%?", "pt", "Barraca Jacu", "Pessoas", "4"),
        ("стол на 12 персон", "ru", "Скатерть", "Материал", "лён"),
    ],
)
def test_number_of_something_else(question: str, language: str, title: str, label: str, text: str) -> None:
    assert _stance(question, language, title, label, text) is FREE


@pytest.mark.parametrize(
    ("question", "rest"),
    [
        ("canoe for four people", "canoe for"),
        ("кабель 10 м для микрофона", "кабель для микрофона"),
        ("mochila de 50 litros com 2 bolsos", "mochila de com bolsos"),
        ("no size here", "no size here"),
    ],
)
def test_what_is_said_besides_the_size(question: str, rest: str) -> None:
    assert " ".join(without_sizes(question).split()) == rest


def test_field_of_the_size_is_known() -> None:
    fields = [
        Field(role=Role.ATTRIBUTE, label="Seats", text="2"),
        Field(role=Role.ATTRIBUTE, label="Length", text="5 m"),
    ]
    assert size_sentences("canoe for four", "Otter", fields, "en") == ["Seats: 2"]
    assert size_sentences("canoe of 6 m", "Otter", fields, "en") == ["Length: 5 m"]
