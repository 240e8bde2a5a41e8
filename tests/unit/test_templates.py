"""Customers read words, and no names that programs give to fields."""

from __future__ import annotations

import pytest

from retrieval_service.domain.entries import PRODUCT, Entry, fields_of
from retrieval_service.domain.templates import Role, attribute_label


@pytest.mark.parametrize(
    ("name", "language", "label"),
    [
        ("old_price", "en", "Old price"),
        ("old_price", "ru", "Старая цена"),
        ("old_price", "pt", "Preço antigo"),
        ("options.size", "en", "Options size"),
        ("dryerType", "en", "Dryer type"),
        ("гарантия_месяцев", "ru", "Гарантия месяцев"),
        ("prazo_entrega", "pt", "Prazo entrega"),
        ("_seats", "en", "_seats"),
        ("max_RPM", "en", "Max RPM"),
        ("iPhone", "en", "iPhone"),
        ("Wi-Fi 802.11", "en", "Wi-Fi 802.11"),
        ("IP67", "en", "IP67"),
        ("802.11", "en", "802.11"),
    ],
)
def test_label_is_in_words(name: str, language: str, label: str) -> None:
    assert attribute_label(name, language) == label


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
