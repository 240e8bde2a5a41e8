"""What customers say of themselves, and its absence from what is remembered of a conversation."""

from __future__ import annotations

import time

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
    ("This is Anna Petrova, where is my order?", "Anna Petrova"),
    ("Anna Petrova, order 20931", "Anna Petrova"),
    ("Анна Петрова, заказ 20931", "Анна Петрова"),
    ("Ana Silva, pedido 20931", "Ana Silva"),
    ("i'm john", "john"),
    ("hello, i'm john, is it shipped?", "john"),
    ("Это Анна Петрова", "Анна Петрова"),
    ("ФИО Петрова Анна Ивановна", "Петрова Анна Ивановна"),
    ("фио: петрова анна ивановна", "петрова анна ивановна"),
    ("меня зовут иван петров и я жду", "иван петров"),
    ("Aqui quem fala é Ana Silva", "Ana Silva"),
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
    ("Moro na R. das Flores, 123", "Flores, 123"),
    ("Адрес: Москва, Тверская 12, кв 5", "Москва Тверская 12 кв 5"),
    ("Мой адрес: г. Москва, Тверская 12. Когда привезёте?", "Москва Тверская 12"),
    ("Address: Green House 7, Totnes", "Green House 7 Totnes"),
    ("Endereço: Vila Nova, bloco 3, Lisboa", "Vila Nova bloco Lisboa"),
    ("ул Тверская 12-34", "Тверская 12-34"),
    ("CEP 01310-100", "01310-100"),
    ("I live at 12 Rose Lane, is it far?", "12 Rose Lane"),
    ("Is 12 Rose Ln. too far?", "12 Rose Ln"),
    ("Send 2 lamps: 12 Rose Lane, Totnes", "12 Rose Lane"),
    ("My passport AB1234567", "AB1234567"),
    ("Паспорт серия 4509 номер 123456", "4509 123456"),
    ("CNPJ 12.345.678/0001-95", "12.345.678/0001-95"),
    ("Please call 555-1234", "555-1234"),
    ("тел. 555-1234", "555-1234"),
    ("telegram: ivan_petrov", "ivan_petrov"),
    ("Пишите в t.me/ivan_petrov", "ivan_petrov"),
    ("Я родился 14.02.1990", "14.02.1990"),
    ("Дата рождения: 14 февраля 1990", "февраля 1990"),
    ("I was born on February 14, 1990", "February 1990"),
    ("Nasci em 14 de fevereiro de 1990", "fevereiro 1990"),
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
        "Is rose tea sold by 250/500/1000 g?",
        "Есть чай по 250 500 1000 г?",
        "barcode 4607001234567",
        "Штрихкод: 4607001234567, есть такой?",
        "Código de barras 4607001234567",
        "артикул 12-34-56",
        "Где заказ 123-45-67?",
        "Where is order 20931-22-33?",
        "Cadê o pedido nº 123-45-67?",
        "Tracking number 1234567890123",
        "Почём 2 3 4 5 6 7 8 9 10 штук?",
        "Is the 10 Golden Monkey Way set in stock?",
        "I'm From Moscow, do you deliver?",
        "I am Vegan, what can I drink?",
        "I'm Looking For a lamp",
        "hi, i'm allergic, what is in it?",
        "Call me tomorrow please",
        "Call me back at noon",
        "My name is misspelled in the order",
        "Я Вегетарианка, что посоветуете?",
        "Sou Vegano, o que há para mim?",
        "Это Чёрный Дракон улун?",
        "Green Tea, order of 2 packs",
        "Do you have a telegram channel?",
        "What is the address?",
        "Какой у вас адрес: тот же?",
        "The 555-1234 lamp",
        "Привезите к 14.02.2027",
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


@pytest.mark.parametrize(
    ("question", "answer", "left"),
    [
        ("Hi, my name is Rose. How much is rose tea?", "Rose tea costs 350.", "Rose tea costs 350."),
        (
            "Hi, my name is Rose. How much is rose tea?",
            "Dear Rose, the Rose Tea is 350.",
            "Dear …, the Rose Tea is 350.",
        ),
        ("my name is rose", "Rose, our rose tea costs 350.", "…, our rose tea costs 350."),
        ("Меня зовут Роза. Есть чай из роз?", "Роза, чай «Белая роза» есть.", "…, чай «Белая роза» есть."),
        ("Meu nome é Rosa", "Rosa, o chá de rosa custa 35.", "…, o chá de rosa custa 35."),
        ("меня зовут иван", "Иван, заказ для ивана готов.", "…, заказ для … готов."),
        ("My name is Anna", "Anna asked for tea.", "… asked for tea."),
    ],
)
def test_a_product_keeps_the_word_that_is_also_a_name(question: str, answer: str, left: str) -> None:
    assert personal_in([question]).without(answer) == left


def test_a_question_keeps_the_product_that_is_called_like_its_customer() -> None:
    text = "Hi, my name is Rose. How much is rose tea?"
    assert personal_in([text]).without(text) == "Hi, my name is …. How much is rose tea?"


@pytest.mark.parametrize(
    "attack",
    [
        "a-", "rua ", "rua x" + " " * 200, "my name is ", "call me a-b-", "10 Ab Ab Ab ", "1 ", "12-", "адрес: 1 а. ",
        "адрес:", "at ", "a@", "Anna ", "i'm ", "order ", "заказ 123-45-67 ", "Меня зовут Анна ", "серия ", " ", "R. ",
        "telegram:", "born ", "A1B2", "phone ", "ул. а д. 1 ",
    ],
)  # fmt: skip
def test_a_long_message_is_read_in_one_pass(attack: str) -> None:
    text = (attack * 4_000)[:4_000]
    began = time.process_time()
    personal_in([text]).without(text)
    assert time.process_time() - began < 0.5
