"""What customers say of themselves, and its absence from what is remembered of a conversation."""

from __future__ import annotations

import pytest

from retrieval_service.domain.personal import Personal, personal_in

INTRODUCTIONS = [
    ("Меня зовут Иван Петров, где мой заказ?", "Иван Петров"),
    ("здравствуйте меня зовут анна хочу вернуть чайник", "анна"),
    ("Добрый день! Я Пётр. Когда привезут?", "Пётр"),
    ("Заказ на имя Сидорова, можно забрать?", "Сидорова"),
    ("ФИО: Кузнецов Олег Игоревич", "Кузнецов Олег Игоревич"),
    ("Когда приедет курьер?\nС уважением, Мария", "Мария"),
    ("My name is John Smith and I want a refund", "John Smith"),
    ("hi, i'm Anna-Lena, is my lamp shipped?", "Anna-Lena"),
    ("my name's bob", "bob"),
    ("Is it under the name of O'Hara?", "O'Hara"),
    ("Meu nome é João da Silva, posso trocar?", "João da Silva"),
    ("Me chamo Conceição e quero devolver", "Conceição"),
    ("Oi, sou a Inês, cadê meu pedido?", "Inês"),
]
OTHERS = [
    ("Моя карта 4111 1111 1111 1111, её приняли?", "4111 1111 1111 1111"),
    ("Паспорт 4510 123456, можно забрать по нему?", "4510 123456"),
    ("Meu CPF é 123.456.789-09", "123.456.789-09"),
    ("Пишите на ivan@example.org", "ivan@example.org"),
    ("Мой телефон +7 912 345-67-89", "+7 912 345-67-89"),
    ("Звоните 916-12-34 вечером", "916-12-34"),
    ("Верните на DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 00"),
    ("Почта ivan собака mail.ru", "ivan"),
    ("Write to ivan (at) example (dot) com", "ivan example"),
    ("joao arroba exemplo ponto com", "joao exemplo"),
    ("Мой ник @ivanpetrov", "@ivanpetrov"),
    ("Тверская улица, дом 7, квартира 15 — довезёте?", "Тверская квартира"),
    ("Везите на ул. Ленина, д. 5, кв. 10, пожалуйста", "Ленина, д. 5, кв. 10"),
    ("проспект Мира 12 корп. 3 — туда доставите?", "Мира 12"),
    ("Ship to 221 Baker Street, apt. 5 please", "221 Baker Street"),
    ("Entreguem na Rua das Flores, 123, apto 4", "Flores, 123"),
]


@pytest.mark.parametrize(("text", "secret"), [*INTRODUCTIONS, *OTHERS])
def test_what_customers_say_of_themselves_is_left_out(text: str, secret: str) -> None:
    left = personal_in([text]).without(text)
    assert "…" in left
    assert not any(part in left for part in secret.replace(",", "").split() if len(part) > 2)


@pytest.mark.parametrize(
    "text",
    [
        "Есть ли у чайника «Заря» гарантия на 24 месяца?",
        "Я хочу вернуть лампу, купленную 01.02.2026, до 14.02.2026",
        "I am looking for a green lamp under $1,000 by 2026-11-28",
        "Do you deliver to New York?",
        "What is the name of the collection?",
        "Sou de Lisboa; quanto custa o envio de 2 bules?",
        "Como se chama a linha nova?",
        "Какая улица у вашего магазина?",
        "Is order 20931 on its way?",
        "Я из Перми, довезёте?",
        "Look at the kettle: is it in stock?",
        "Работаете 24-7 или 9-21?",
        "Is the shop at the station open?",
    ],
)
def test_what_is_asked_about_stays(text: str) -> None:
    assert personal_in([text]).without(text) == text


def test_a_name_is_left_out_of_answers_in_any_of_its_cases() -> None:
    personal = personal_in(["Меня зовут Анна Петрова"])
    assert personal.without("Анна, для Анны Петровой всё готово; в анналах — нет.") == (
        "…, для … … всё готово; в анналах — нет."
    )


def test_what_the_shop_gives_out_stays() -> None:
    personal = personal_in(["Я Иван, мой телефон +7 912 345-67-89"])
    answer = "Звоните Ольге: +7 495 000-11-22, ул. Чайная, д. 3."
    assert personal.without(answer) == answer


def test_what_overlaps_is_left_out_once() -> None:
    text = "I am at anna@mail.example, +351 912 345 678. Call me Anna Smith, Anna."
    assert personal_in([text]).without(text) == "I am at …, …. Call me … …, …."


def test_nothing_said_leaves_everything() -> None:
    assert Personal().without("Меня зовут Иван") == "Меня зовут Иван"
