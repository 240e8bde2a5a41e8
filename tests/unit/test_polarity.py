"""Opposites are told apart in three languages."""

from __future__ import annotations

import pytest

from retrieval_service.domain.polarity import opposed

PAIRS = [
    # The question, what fits it, the opposite.
    ("en", "Do you have soup with onions?", "Soup of the day with onions.", "Clear soup without onions."),
    ("en", "Which paint has solvents?", "Oil paint with solvents.", "Wall paint, solvent-free."),
    ("en", "Is there a solvent-free paint?", "Wall paint, solvent-free.", "Oil paint with solvents."),
    ("en", "Do you sell unscented candles?", "Unscented candles in glass.", "Scented candles in glass."),
    ("en", "Which room has no balcony?", "Room 12 does not have a balcony.", "Room 14 has a balcony."),
    ("ru", "В каком шампуне есть сульфаты?", "Шампунь с сульфатами.", "Шампунь без сульфатов."),
    ("ru", "Есть шампунь без сульфатов?", "Шампунь без сульфатов.", "Шампунь с сульфатами."),
    ("ru", "Какая краска не содержит свинца?", "Краска не содержит свинца.", "Краска содержит свинец."),
    ("ru", "Нужна нескользкая плитка", "Плитка нескользкая, для ванной.", "Плитка скользкая, для стен."),
    ("pt", "Qual tinta tem solvente?", "Tinta a óleo com solvente.", "Tinta de parede sem solvente."),
    ("pt", "Vocês têm vela sem perfume?", "Vela sem perfume.", "Vela com perfume."),
    ("pt", "Qual quarto não tem varanda?", "O quarto 12 não tem varanda.", "O quarto 14 tem varanda."),
]


@pytest.mark.parametrize(("language", "question", "fitting", "opposite"), PAIRS)
def test_the_opposite_of_what_was_asked_is_told(
    language: str, question: str, fitting: str, opposite: str
) -> None:
    assert opposed(question, [fitting, opposite], language) == [False, True]


@pytest.mark.parametrize(("language", "question", "fitting", "opposite"), PAIRS)
def test_where_there_is_only_the_opposite_it_may_be_said(
    language: str, question: str, fitting: str, opposite: str
) -> None:
    assert opposed(question, [opposite], language) == [False]


@pytest.mark.parametrize(
    ("language", "question", "texts"),
    [
        ("en", "I can't open the app", ["How to open the app", "The app does not start"]),
        ("ru", "Не приходит код", ["Код приходит за минуту.", "Новый пароль"]),
        ("pt", "Não recebi a senha", ["Você recebe a senha por e-mail.", "Troca de senha"]),
        ("ru", "сколько идёт неделя показа", ["Неделя показа идёт пять дней.", "Показ"]),
    ],
)
def test_a_trouble_is_not_an_opposite(language: str, question: str, texts: list[str]) -> None:
    assert not any(opposed(question, texts, language))
