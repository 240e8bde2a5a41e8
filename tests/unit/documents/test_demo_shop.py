"""The demo shop keeps its word: equal facts in three languages, questions that point at real entries."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import retrieval_service

DEMO_FOLDER = Path(retrieval_service.__file__).parent / "demo"
LANGUAGES = ("ru", "en", "pt")
TRANSLATIONS = ("en", "pt")
ENTRY_KINDS = ("faq", "policies")
TEXT_FIELDS = {"id", "name", "description", "category", "origin", "tags"}
PRODUCT_FIELDS = TEXT_FIELDS | {"price", "currency", "url", "in_stock"}
OPTIONAL_PRODUCT_FIELDS = {"caffeine", "weight_grams"}
CAFFEINE_LEVELS = {"нет", "мало", "умеренно", "много"}
CATEGORIES_WITHOUT_CAFFEINE_LEVEL = {"Посуда"}
LEFTOVER = re.compile(r"(?i:lorem|ipsum|xxx)|\N{REPLACEMENT CHARACTER}|[^\S\n]{2,}|\n{3,}")
THOUSANDS_SEPARATOR = re.compile(r"(?<=\d)[ .,](?=\d{3}(?!\d))")

Entry = dict[str, Any]


def read(name: str) -> Any:
    return json.loads((DEMO_FOLDER / name).read_text(encoding="utf-8"))


SHOPS: dict[str, dict[str, list[Entry]]] = {language: read(f"shop.{language}.json") for language in LANGUAGES}
PRODUCTS = SHOPS["ru"]["products"]
QUESTIONS: list[Entry] = read("questions.json")["questions"]
ANSWERABLE = [question for question in QUESTIONS if question["answerable"]]


def words(text: str) -> int:
    return sum(1 for word in text.split() if re.search(r"\w", word))


def numbers(entry: Entry) -> Counter[str]:
    """Count the numbers of an entry with thousands joined: «15 000», "15,000" and "15.000" are one number."""
    text = " ".join(str(value) for field, value in entry.items() if field != "id")
    return Counter(re.findall(r"\d+", THOUSANDS_SEPARATOR.sub("", text)))


def entries(language: str) -> list[Entry]:
    shop = SHOPS[language]
    return [*shop["products"], *shop["faq"], *shop["policies"]]


def text_by_id() -> dict[str, str]:
    return {
        entry["id"]: " ".join(str(value) for value in entry.values())
        for language in LANGUAGES
        for entry in entries(language)
    }


def question_named(text: str) -> Entry:
    return next(question for question in QUESTIONS if question["question"] == text)


def test_shop_has_enough_to_talk_about() -> None:
    assert len(PRODUCTS) >= 66
    for language in LANGUAGES:
        assert len(SHOPS[language]["faq"]) >= 28
        assert len(SHOPS[language]["policies"]) >= 7


def test_only_the_russian_shop_sells_products() -> None:
    assert [SHOPS[language]["products"] for language in TRANSLATIONS] == [[], []]


def test_ids_are_unique_across_languages() -> None:
    ids = [entry["id"] for language in LANGUAGES for entry in entries(language)]
    assert [entry_id for entry_id, count in Counter(ids).items() if count > 1] == []


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product["id"])
def test_product_is_complete(product: Entry) -> None:
    assert product.keys() >= PRODUCT_FIELDS
    assert product.keys() <= PRODUCT_FIELDS | OPTIONAL_PRODUCT_FIELDS
    assert product["url"] == f"/catalog/{product['id']}"
    assert product["currency"] == "RUB"
    assert product["price"] > 0
    assert isinstance(product["in_stock"], bool)
    assert product["tags"]
    assert 35 <= words(product["description"]) <= 80


def test_everything_edible_states_its_caffeine() -> None:
    silent = [product for product in PRODUCTS if "caffeine" not in product]
    assert {product["category"] for product in silent if product["id"] != "gift-card"} == (
        CATEGORIES_WITHOUT_CAFFEINE_LEVEL
    )
    levels = {product["caffeine"] for product in PRODUCTS if "caffeine" in product}
    assert levels == CAFFEINE_LEVELS
    for product in PRODUCTS:
        if "caffeine" in product:
            assert "кофеин" in product["description"].lower(), product["id"]


def test_caffeine_free_products_say_so_and_others_never_claim_it() -> None:
    for product in PRODUCTS:
        claims = re.search(r"без кофеина|кофеина нет", product["description"].lower()) is not None
        assert claims == (product.get("caffeine") == "нет"), product["id"]
        assert ("без кофеина" in product["tags"]) == (product.get("caffeine") == "нет"), product["id"]


def test_descriptions_are_all_different() -> None:
    openings = [product["description"].split(".")[0] for product in PRODUCTS]
    assert len(set(openings)) == len(openings)


@pytest.mark.parametrize("language", LANGUAGES)
def test_policies_are_readable_pages(language: str) -> None:
    for policy in SHOPS[language]["policies"]:
        assert 100 <= words(policy["content"]) <= 250, policy["id"]
        assert policy["content"].count("## ") >= 3, policy["id"]


@pytest.mark.parametrize("language", TRANSLATIONS)
@pytest.mark.parametrize("kind", ENTRY_KINDS)
def test_translations_keep_every_entry_and_every_number(kind: str, language: str) -> None:
    originals = SHOPS["ru"][kind]
    translations = SHOPS[language][kind]
    assert [f"{entry['id']}-{language}" for entry in originals] == [entry["id"] for entry in translations]
    for original, translation in zip(originals, translations, strict=True):
        assert numbers(translation) == numbers(original), translation["id"]


@pytest.mark.parametrize(
    ("fact", "entry_ids"),
    [
        ("14", ["faq-returns-period", "policy-returns", "policy-wholesale", "policy-subscription"]),
        ("3000", ["faq-free-delivery", "faq-subscription", "policy-delivery", "policy-subscription"]),
        ("250", ["faq-returns-how", "policy-returns"]),
        ("10", ["faq-refund-time", "policy-returns"]),
        ("15000", ["faq-wholesale", "faq-minimum-order", "policy-wholesale"]),
        ("500", ["faq-minimum-order", "policy-delivery"]),
        ("2400", ["faq-delivery-abroad", "policy-delivery"]),
        ("650", ["faq-delivery-cost", "policy-delivery"]),
        ("300", ["faq-birthday", "policy-loyalty"]),
        ("12", ["faq-gift-card", "policy-gift-cards", "gift-card"]),
        ("12", ["faq-teaware-warranty", "policy-quality", "ware-kettle", "ware-grinder"]),
    ],
)
def test_faq_policies_and_products_agree(fact: str, entry_ids: list[str]) -> None:
    for entry_id in entry_ids:
        entry = next(entry for entry in entries("ru") if entry["id"] == entry_id)
        assert fact in numbers(entry), entry_id


@pytest.mark.parametrize("language", LANGUAGES)
def test_question_set_covers_the_language(language: str) -> None:
    asked = [question for question in QUESTIONS if question["language"] == language]
    assert sum(question["answerable"] for question in asked) >= 30
    assert sum(not question["answerable"] for question in asked) == 12


def test_questions_are_unique() -> None:
    assert len({question["id"] for question in QUESTIONS}) == len(QUESTIONS)
    assert len({question["question"] for question in QUESTIONS}) == len(QUESTIONS)


def test_every_expected_entry_exists_in_the_language_of_the_question() -> None:
    for question in QUESTIONS:
        known = {entry["id"] for entry in entries(question["language"])}
        assert set(question["expected"]) <= known, question["id"]
        assert bool(question["expected"]) == question["answerable"], question["id"]


def test_promised_words_stand_in_every_expected_entry() -> None:
    texts = text_by_id()
    for question in ANSWERABLE:
        for entry_id in question["expected"]:
            assert question["contains"].lower() in texts[entry_id].lower(), (question["id"], entry_id)


def test_questions_do_not_copy_the_faq() -> None:
    written = {entry["question"].lower().rstrip("?") for shop in SHOPS.values() for entry in shop["faq"]}
    assert not written & {question["question"].lower().rstrip("?") for question in QUESTIONS}


def test_evening_question_expects_every_caffeine_free_evening_product() -> None:
    evening = {
        product["id"]
        for product in PRODUCTS
        if product.get("caffeine") == "нет" and "вечер" in product["tags"]
    }
    assert len(evening) >= 5
    assert set(question_named("Какой чай посоветуете на вечер без кофеина?")["expected"]) == evening


def test_returns_question_expects_both_english_entries() -> None:
    expected = question_named("How long do I have to return an order?")["expected"]
    assert set(expected) == {"faq-returns-period-en", "policy-returns-en"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_carry_no_leftovers(language: str) -> None:
    for entry in entries(language):
        for value in entry.values():
            assert not LEFTOVER.search(str(value)), entry["id"]


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_translations_hold_no_cyrillic(language: str) -> None:
    for entry in entries(language):
        assert not re.search(r"[а-яё]", str(entry), re.IGNORECASE), entry["id"]
