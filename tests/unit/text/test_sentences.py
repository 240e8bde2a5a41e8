"""Sentences of shop texts, with exact places."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_service.text.sentences import bullet_length, split_sentences


def texts(text: str) -> list[str]:
    return [sentence.text for sentence in split_sentences(text)]


@pytest.mark.parametrize(
    "sentences",
    [
        ["Доставка бесплатная.", "Оплата картой!", "А наличными?", "Да…", "Можно."],
        ["We ship today.", "Really?!", "Yes."],
        ["Enviamos hoje.", "É grátis?", "É."],
        ["Кофе, чай и т.д. и т.п. есть всегда.", "Приходите."],
        ["Есть кофе, чай и т.д.", "Приходите."],
        ["Мы на ул. Ленина, д. 5, кв. 3.", "Звоните."],
        ["Открыты с 2015 г. в Москве.", "Рядом метро."],
        ["Магазин открылся в 2015 г.", "Рядом метро."],
        ["Книгу написал А. С. Пушкин.", "Она вечна."],
        ["Стоит 500 руб. за пачку.", "Дорого."],
        ["Стоит 500 руб.", "Дорого."],
        ["Цена 1 200 ₽.", "Вес 1.5 кг.", "Заварите 2,5 г."],
        ["Спросите, т.е. позвоните.", "Ждём."],
        ["Ask Mr. Smith, e.g. by mail, or Dr. Jones.", "He knows."],
        ["Open 9 a.m. to 5 p.m. daily.", "Come in."],
        ["Fale com o Sr. Silva ou a Dra. Ana, p.ex. hoje.", "Obrigado."],
        ["Fica na Av. Paulista, nº. 10.", "Venha."],
        ["Это версия 1.5.2 прошивки.", "Новая."],
        ["Пишите на a.b@shop.example.", "Ответим."],
        ["Смотрите https://shop.example/a.b?c=D.E.", "Там всё."],
        ["«Вкусно!» — сказала она.", "«Очень.»", "И ушла."],
        ['He said "Go."', '"Now?"', "Yes."],
        ["Есть возврат?", "Нет.", "Can I?", "No.", "We do not.", "See No. 5 there."],
        ["Магазин в г. Москва на ул. Мира.", "Длина 10 см.", "Вес мал."],
        ["Ну… не знаю.", "Хотя…", "Ладно."],
        ["Это (см. ниже) важно.", "Правда."],
        ["Так велит закон (ст. 12, п. 3 и гл. 4).", "Это раз в год."],
        ["全部免费。", "谢谢！"],
    ],
)
def test_text_is_split_between_sentences_only(sentences: list[str]) -> None:
    assert texts(" ".join(sentences)) == sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Доставка бесплатная.Оплата картой.", ["Доставка бесплатная.", "Оплата картой."]),
        ("Готово!Берите.", ["Готово!", "Берите."]),
        ("Заходите на Kladez.RU сегодня.", ["Заходите на Kladez.RU сегодня."]),
        ("- Курьер. Быстро.\n- Почта\n- Сам", ["- Курьер.", "Быстро.", "- Почта", "- Сам"]),
        ("1. Откройте.\n2. Залейте.", ["1. Откройте.", "2. Залейте."]),
        ("Название: Кофе\nОписание: Вкусно", ["Название: Кофе", "Описание: Вкусно"]),
        ("Строка, что\nпродолжается. Конец", ["Строка, что\nпродолжается.", "Конец"]),
        ("Заголовок\n\nтекст", ["Заголовок", "текст"]),
        ("## Сроки\nДва дня.", ["## Сроки", "Два дня."]),
        ("", []),
        (" \n ", []),
        ("...", ["..."]),
    ],
)
def test_lines_and_missing_spaces(text: str, sentences: list[str]) -> None:
    assert texts(text) == sentences


@pytest.mark.parametrize(
    ("text", "length"),
    [("- a", 2), ("12) a", 4), ("## a", 3), ("> a", 2), ("-a", 0), ("1.5 кг", 0), ("a", 0)],
)
def test_bullet_is_measured(text: str, length: int) -> None:
    assert bullet_length(text) == length


_TEXT = st.lists(
    st.sampled_from(
        ["Да", "нет", "г", "т.д", "1", ".", "!", "…", " ", "\n", "«", "»", "- ", "😀", "e.g", "。", "[1]"]
    )
    | st.text(max_size=2),
    max_size=30,
).map("".join)


@settings(max_examples=80)
@given(_TEXT)
def test_sentences_cover_everything_but_white_space(text: str) -> None:
    position = 0
    for sentence in split_sentences(text):
        assert text[position : sentence.start].strip() == ""
        assert text[sentence.start : sentence.end] == sentence.text == sentence.text.strip() != ""
        position = sentence.end
    assert text[position:].strip() == ""
