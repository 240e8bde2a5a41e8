"""Customers read words, and no names that programs give to fields."""

from __future__ import annotations

import pytest

from retrieval_service.domain.documents.entries import PRODUCT, Entry, fields_of
from retrieval_service.domain.documents.templates import Attribute, Role, attribute_label, attribute_line


@pytest.mark.parametrize(
    ("name", "language", "label"),
    [
        ("old_price", "en", "Old price"),
        ("old_price", "ru", "Старая цена"),
        ("old_price", "pt", "Preço antigo"),
        ("options.size", "en", "Size"),
        ("dryerType", "en", "Dryer type"),
        ("гарантия_месяцев", "ru", "Гарантия месяцев"),
        ("prazo_entrega", "pt", "Prazo entrega"),
        ("_seats", "en", "_seats"),
        ("max_RPM", "en", "Max RPM"),
        ("iPhone", "en", "iPhone"),
        ("Wi-Fi 802.11", "en", "Wi-Fi 802.11"),
        ("IP67", "en", "IP67"),
        ("802.11", "en", "802.11"),
        ("seats", "en", "Seats"),
        ("seats", "pt", "Lugares"),
        ("batteryLife", "ru", "Время работы"),
        ("nfc", "en", "NFC"),
    ],
)
def test_label_is_in_words(name: str, language: str, label: str) -> None:
    assert attribute_label(name, language) == label


@pytest.mark.parametrize(
    ("name", "value", "language", "line"),
    [
        ("weight_kg", "17.5", "en", "Weight: 17.5 kg"),
        ("weight_g", "258", "pt", "Peso: 258 g"),
        ("warranty_years", "1", "en", "Warranty: 1 year"),
        ("warranty_years", "3", "ru", "Гарантия: 3 года"),
        ("срок_дней", "14", "ru", "Срок: 14 дней"),
        ("battery_mah", "4100", "pt", "Bateria: 4100 mAh"),
        ("площадь_м2", "28", "ru", "Площадь: 28 м²"),
        ("max_days_per_year", "90", "en", "Max days per year: 90"),
        ("weight_kg", "about 3", "en", "Weight kg: about 3"),
        ("kg", "3", "en", "KG: 3"),
        ("weight_grams", "250", "en", "Weight, g: 250"),
    ],
)
def test_unit_of_a_name_stands_behind_its_number(name: str, value: str, language: str, line: str) -> None:
    assert attribute_line(Attribute(name=name, value=value), language) == line


def test_text_that_was_stored_with_names_of_fields_is_shown_with_words() -> None:
    entry = Entry(
        source_type=PRODUCT,
        title="Rowing boat",
        language="en",
        metadata={"hull_length": "4 m", "old_price": 900},
    )
    text = "Name: Rowing boat\nDescription: It floats.\nhull_length: 4 m\nold_price: 900"
    shown = [(one.role, one.label, one.text) for one in fields_of(entry, text)]
    assert shown == [
        (Role.NAME, "", "Rowing boat"),
        (Role.DESCRIPTION, "", "It floats."),
        (Role.ATTRIBUTE, "Hull length", "4 m"),
        (Role.ATTRIBUTE, "Old price", "900"),
    ]


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        ("en", ["Price: $1", "Name: Free boat", "In stock: yes"]),
        ("ru", ["Цена: 1 ₽", "Название: Даром", "В наличии: да"]),
        ("pt", ["Preço: R$ 1", "Nome: De graça", "Em estoque: sim"]),
    ],
)
def test_lines_of_a_description_never_speak_for_stored_fields(language: str, lines: list[str]) -> None:
    entry = Entry(
        source_type=PRODUCT, title="Boat", language=language, metadata={"price": 900, "in_stock": False}
    )
    shown = fields_of(entry, "\n".join(["It floats.", *lines, "It is red."]))
    assert [one.text for one in shown if one.role is Role.DESCRIPTION] == ["It floats.\nIt is red."]
