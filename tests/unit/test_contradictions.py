"""Sources that contradict each other are noticed, and those that do not are left in peace."""

from __future__ import annotations

from pathlib import Path

import pytest

import retrieval_service
from retrieval_service.domain.contradictions import contradictions
from retrieval_service.domain.fragments import Fragment
from retrieval_service.domain.languages import detect_language
from retrieval_service.domain.quotes import Quote, quotes_of
from retrieval_service.domain.shop import parse_shop
from retrieval_service.domain.templates import Attribute, render_faq, render_product

DEMO = Path(retrieval_service.__file__).parent / "demo"


def fragment(number: int, text: str, language: str, *, title: str = "", document: str = "") -> Fragment:
    return Fragment(
        number=number,
        document_id=document or f"document-{number}",
        chunk_id=f"chunk-{number}",
        title=title,
        url="",
        text=text,
        language=language,
        score=0.5,
    )


def quotes(*fragments: Fragment) -> list[Quote]:
    return [quote for one in fragments for quote in quotes_of(one)]


def found(language: str, *texts: str) -> list[tuple[str, str]]:
    told = [fragment(number, text, language) for number, text in enumerate(texts, start=1)]
    return [(pair.one.text, pair.other.text) for pair in contradictions(quotes(*told))]


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
]


@pytest.mark.parametrize(("language", "one", "other"), PEACEFUL)
def test_different_subjects_and_equal_values_are_none(language: str, one: str, other: str) -> None:
    assert found(language, one, other) == []


def test_one_document_does_not_contradict_itself() -> None:
    texts = ("Express delivery costs 9 euro.", "Express delivery costs 8 euro.")
    told = [fragment(place, text, "en", document="same") for place, text in enumerate(texts, start=1)]
    assert contradictions(quotes(*told)) == []


def test_sentences_under_different_questions_are_about_different_things() -> None:
    moscow = render_faq(
        question="Как с доставкой в Москве?", answer="Доставка посылки занимает 2 дня.", language="ru"
    )
    kazan = render_faq(
        question="Как с доставкой в Казани?", answer="Доставка посылки занимает 5 дней.", language="ru"
    )
    assert contradictions(quotes(fragment(1, moscow, "ru"), fragment(2, kazan, "ru"))) == []
    again = moscow.replace("2 дня", "5 дней")
    assert len(contradictions(quotes(fragment(1, moscow, "ru"), fragment(2, again, "ru")))) == 1


@pytest.mark.parametrize(("weights", "count"), [(("100", "100"), 1), (("100", "250"), 0)])
def test_prices_contradict_only_for_the_very_same_product(weights: tuple[str, str], count: int) -> None:
    told = [
        render_product(
            name="Earl Grey",
            description="Black tea with bergamot.",
            price=price,
            attributes=[Attribute(name="weight_grams", value=weight)],
            language="en",
        )
        for price, weight in zip(("$10", "$12"), weights, strict=True)
    ]
    fragments = [fragment(number, text, "en") for number, text in enumerate(told, start=1)]
    assert bool(contradictions(quotes(*fragments))) == bool(count)


@pytest.mark.parametrize("language", ["ru", "en", "pt"])
def test_demo_shop_raises_no_false_alarm(language: str) -> None:
    data = (DEMO / f"shop.{language}.json").read_bytes()
    drafts = parse_shop(data, language=language, detect=detect_language).drafts
    told = [
        fragment(number, draft.draft.content, language, title=draft.draft.title)
        for number, draft in enumerate(drafts, start=1)
    ]
    assert len(told) > 40
    assert [(pair.one.text, pair.other.text) for pair in contradictions(quotes(*told))] == []
