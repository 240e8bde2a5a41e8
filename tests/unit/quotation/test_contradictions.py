"""Sources that contradict each other are noticed, and those that do not are left in peace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import retrieval_service
from retrieval_service.domain.documents.shop import parse_shop
from retrieval_service.domain.documents.templates import Attribute
from retrieval_service.domain.fragments import Fragment
from retrieval_service.domain.quotation.contradictions import contradictions
from retrieval_service.domain.quotation.quotes import Quote, quotes_of
from retrieval_service.text.languages import detect_language
from tests.kits.entries_kit import fields_in, render_faq, render_product, stored_fields

DEMO = Path(retrieval_service.__file__).parent / "demo"


def fragment(number: int, text: str, language: str, *, title: str = "", document: str = "") -> Fragment:
    return Fragment(
        number=number,
        document_id=document or f"document-{number}",
        chunk_id=f"chunk-{number}",
        title=title,
        url="",
        text=text,
        fields=fields_in(text),
        language=language,
        score=0.5,
    )


def quotes(*fragments: Fragment) -> list[Quote]:
    return [quote for one in fragments for quote in quotes_of(one)]


def told(language: str, *documents: tuple[str, str]) -> list[tuple[str, str]]:
    """The contradictions between documents, each a title and a text."""
    read = [
        fragment(number, text, language, title=title)
        for number, (title, text) in enumerate(documents, start=1)
    ]
    return [(pair.one.text, pair.other.text) for pair in contradictions(quotes(*read))]


def found(language: str, *texts: str) -> list[tuple[str, str]]:
    return told(language, *(("", text) for text in texts))


CONTRADICTING = [
    ("ru", "Доставка по Москве стоит 300 рублей.", "Доставка по Москве стоит 350 рублей."),
    ("ru", "Возврат товара возможен за 14 дней.", "Возврат товара возможен за 30 дней."),
    ("ru", "Распродажа чая идёт до 5 мая.", "Распродажа чая идёт до 7 июня."),
    ("ru", "Мы доставляем чай по воскресеньям.", "Мы не доставляем чай по воскресеньям."),
    ("en", "Delivery to Lisbon costs 5 euro.", "Delivery to Lisbon costs 7.50 euro."),
    ("en", "The sale of kettles ends on May 5.", "The sale of kettles ends on June 5."),
    ("en", "Opened tea can be returned to the shop.", "Opened tea cannot be returned to the shop."),
    ("pt", "O frete para Lisboa custa 20 reais.", "O frete para Lisboa custa 25 reais."),
    ("pt", "A promoção do chá termina em 5 de maio.", "A promoção do chá termina em 9 de junho."),
    ("pt", "Trocamos xícaras quebradas na loja.", "Não trocamos xícaras quebradas na loja."),
    ("ru", "Доставка чая занимает 3–5 дней.", "Доставка чая занимает от 5 до 7 дней."),
    ("en", "Delivery of tea takes 3-5 days.", "Delivery of tea takes 5-7 days."),
    ("pt", "A entrega do chá demora de 3 a 5 dias.", "A entrega do chá demora de 5 a 7 dias."),
    ("en", "The kettle sale runs from 5 May to 9 May.", "The kettle sale runs from 7 May to 12 May."),
]


@pytest.mark.parametrize(("language", "one", "other"), CONTRADICTING)
def test_same_words_with_another_value_or_a_not_are_a_contradiction(
    language: str, one: str, other: str
) -> None:
    assert found(language, one, "Xyz abc.", other) == [(one, other)]


PEACEFUL = [
    ("ru", "Доставка по Москве стоит 300 рублей.", "Доставка по Казани стоит 350 рублей."),
    ("ru", "Доставка обычной посылки стоит 10 000 рублей.", "Доставка обычной посылки стоит 10000 рублей."),
    ("ru", "Звоните в наш магазин: 8 800 555-35-35.", "Звоните в наш магазин: +7 495 123-45-67."),
    ("ru", "Мы не только продаём зелёный чай.", "Мы продаём зелёный чай."),
    ("en", "Delivery within the city costs 5 euro.", "Delivery to the suburbs costs 9 euro."),
    ("en", "Parcel delivery costs 5 euro.", "Parcel delivery costs 5.00 euro."),
    ("en", "We sell kettles in sizes 1, 2 and 3.", "We sell kettles in sizes 1 and 2."),
    ("en", "Does tea delivery cost 5 euro?", "Tea delivery costs 7 euro."),
    ("en", "Kettle model AB12 boils quickly.", "Kettle model AB13 boils quickly."),
    ("pt", "O frete normal custa R$ 1.290,00 por ano.", "O frete normal custa R$ 1.290 por ano."),
    ("pt", "Não só vendemos chá verde na loja.", "Vendemos chá verde na loja."),
    ("ru", "Доставка заказов до 3000 рублей стоит 300.", "Доставка заказов от 3000 рублей стоит 100."),
    ("en", "Parcel delivery below 50 euro costs 5 euro.", "Parcel delivery above 50 euro costs 2 euro."),
    ("en", "A lamp with a bulb costs 9 euro in total.", "A lamp without a bulb costs 7 euro in total."),
    ("pt", "O frete de pedidos até 50 reais custa 20.", "O frete de pedidos acima de 50 reais custa 10."),
    ("ru", "Пачка зелёного чая 50 г стоит 200 рублей.", "Пачка зелёного чая 100 г стоит 350 рублей."),
    ("en", "The kettle 3000 costs 20 euro.", "The kettle 5000 costs 25 euro."),
    ("pt", "A caixa de chá de 50 g custa 20 reais.", "A caixa de chá de 100 g custa 35 reais."),
]


@pytest.mark.parametrize(("language", "one", "other"), PEACEFUL)
def test_different_subjects_and_equal_values_are_none(language: str, one: str, other: str) -> None:
    assert found(language, one, other) == []


def test_one_document_does_not_contradict_itself() -> None:
    texts = ("Express delivery costs 9 euro.", "Express delivery costs 8 euro.")
    read = [fragment(place, text, "en", document="same") for place, text in enumerate(texts, start=1)]
    assert contradictions(quotes(*read)) == []


def test_sentences_under_different_questions_are_about_different_things() -> None:
    moscow = render_faq(
        question="Как с доставкой в Москве?", answer="Доставка посылки занимает 2 дня.", language="ru"
    )
    kazan = render_faq(
        question="Как с доставкой в Казани?", answer="Доставка посылки занимает 5 дней.", language="ru"
    )
    assert contradictions(quotes(fragment(1, moscow, "ru"), fragment(2, kazan, "ru"))) == []
    again = render_faq(
        question="Как с доставкой в Москве?", answer="Доставка посылки занимает 5 дней.", language="ru"
    )
    assert len(contradictions(quotes(fragment(1, moscow, "ru"), fragment(2, again, "ru")))) == 1


IN_SECTIONS = [
    (
        "en",
        ("News", "The kettle sale ends on 5 May."),
        ("Promotions", "The kettle sale ends on 7 May."),
    ),
    (
        "ru",
        ("Новости магазина", "Распродажа чайников идёт до 5 мая."),
        ("Акции и скидки", "Распродажа чайников идёт до 7 мая."),
    ),
    (
        "pt",
        ("Catálogo", "A chaleira azul custa 200 reais."),
        ("Promoções", "A chaleira azul custa 250 reais."),
    ),
    (
        "ru",
        ("FAQ", "Возврат чайника возможен за 14 дней."),
        ("Условия для покупателей", "Возврат чайника возможен за 30 дней."),
    ),
    (
        "pt",
        ("Perguntas frequentes", "A troca do bule leva 7 dias."),
        ("Sobre a loja", "A troca do bule leva 10 dias."),
    ),
]


@pytest.mark.parametrize(("language", "one", "other"), IN_SECTIONS)
def test_sections_of_a_site_may_contradict_each_other_whatever_they_are_called(
    language: str, one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert told(language, one, other) == [(one[1], other[1])]


ABOUT_THEIR_TITLES = [
    (
        "ru",
        ("Доставка в Москву", "Посылка с чаем идёт 2 дня."),
        ("Доставка в Казань", "Посылка с чаем идёт 5 дней."),
    ),
    (
        "en",
        ("Kettle Alfa", "The warranty of this kettle lasts 2 years."),
        ("Kettle Beta", "The warranty of this kettle lasts 3 years."),
    ),
    (
        "en",
        ("Lamp 7", "This lamp costs 20 euro today."),
        ("Lamp 8", "This lamp costs 25 euro today."),
    ),
    (
        "pt",
        ("Promoções de Lisboa", "A entrega do bule leva 2 dias."),
        ("Promoções do Porto", "A entrega do bule leva 4 dias."),
    ),
    (
        "en",
        ("News", "The tea sale ends on 5 May."),
        ("Promotions", "The coffee sale ends on 7 May."),
    ),
    (
        "pt",
        ("Catálogo", "A chaleira Alfa custa 200 reais."),
        ("Promoções", "A chaleira Beta custa 250 reais."),
    ),
    (
        "ru",
        ("Новости", "Доставка в Омск занимает 3 дня."),
        ("Акции", "Доставка в Томск занимает 5 дней."),
    ),
]


@pytest.mark.parametrize(("language", "one", "other"), ABOUT_THEIR_TITLES)
def test_documents_about_different_things_are_none(
    language: str, one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert told(language, one, other) == []


@pytest.mark.parametrize(("weights", "count"), [(("100", "100"), 1), (("100", "250"), 0)])
def test_prices_contradict_only_for_the_very_same_product(weights: tuple[str, str], count: int) -> None:
    rendered = [
        render_product(
            name="Earl Grey",
            description="Black tea with bergamot.",
            price=price,
            attributes=[Attribute(name="weight_grams", value=weight)],
            language="en",
        )
        for price, weight in zip(("$10", "$12"), weights, strict=True)
    ]
    fragments = [fragment(number, text, "en") for number, text in enumerate(rendered, start=1)]
    assert bool(contradictions(quotes(*fragments))) == bool(count)


@pytest.mark.parametrize("language", ["ru", "en", "pt"])
def test_demo_shop_raises_no_false_alarm(language: str) -> None:
    data = (DEMO / f"shop.{language}.json").read_bytes()
    drafts = parse_shop(data, language=language, detect=detect_language).drafts
    read = [
        replace(
            fragment(number, draft.draft.content, language, title=draft.draft.title),
            fields=stored_fields(draft.draft),
        )
        for number, draft in enumerate(drafts, start=1)
    ]
    assert len(read) > 40
    assert [(pair.one.text, pair.other.text) for pair in contradictions(quotes(*read))] == []
