"""A thing is of the kind that its name ends with in English, and begins with in Russian and Portuguese."""

from __future__ import annotations

import pytest

from retrieval_service.domain.retrieval.heads import called_so


@pytest.mark.parametrize(
    ("language", "asked", "kept", "dropped"),
    [
        ("en", "hive", ["National Hive, Cedar", "Hive Large"], ["J-Hook Hive Tool"]),
        ("en", "tees", ["Willa Tee", "Ridge Tee Long Sleeve"], ["Tee Rack"]),
        ("en", "mug", ["Blue Mug", "Mug 300 ml", "Mug for soup"], ["Mug Rack"]),
        (
            "ru",
            "велосипед",
            ["Велосипед горный «Пик»", "Детский велосипед «Чиж 16»"],
            ["Техобслуживание велосипеда «Стандарт»"],
        ),
        ("ru", "гитара", ["Гитара «Кама»", "Акустическая гитара «Ока»"], ["Настройка гитары"]),
        ("ru", "таблетки", ["Таблетки Зен", "Термолин таблетки 500 мг"], []),
        ("pt", "lentes", ["Lente de contato diária", "Lente mensal"], ["Spray limpa-lentes 60 ml"]),
        ("pt", "violão", ["Violão Serra", "Violão elétrico Mar"], ["Capa de violão"]),
        ("pt", "meias", ["Meias Foz", "Par de meias Douro"], ["Gaveta de meias"]),
    ],
)
def test_what_is_called_after_the_kind_is_left_out(
    language: str, asked: str, kept: list[str], dropped: list[str]
) -> None:
    titles = [(title, language) for title in (*kept, *dropped)]
    assert called_so(titles, [asked]) == {(title, language) for title in kept}


def test_where_nothing_is_of_the_kind_all_stay() -> None:
    titles = [("Guitar strap", "en"), ("Guitar lesson", "en")]
    assert called_so(titles, ["guitar"]) == set(titles)
