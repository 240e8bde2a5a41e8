"""Conditions in OpenAI's words, and the attributes those words are about."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.domain.sync.remote_documents import content_of
from retrieval_service.domain.sync.remote_files import RemoteDocument
from retrieval_service.providers.openai.files.attributes import (
    attributes_of,
    file_name,
    read_name,
    revision_of,
)
from retrieval_service.providers.openai.files.filters import translation
from tests.fakes.filter_language import matches

TENANT = UUID(int=1)
DOCUMENT = UUID(int=2)


def document(**changes: Any) -> RemoteDocument:
    plain: dict[str, Any] = {
        "tenant_id": TENANT,
        "document_id": DOCUMENT,
        "source_type": "product",
        "title": "Лампа",
        "section": "lamps",
        "tags": ("red", "small"),
        "language": "ru",
        "text": "Красная лампа.",
        "metadata": {"price": 10, "in_stock": True, "brand": "Lumen"},
    }
    return RemoteDocument(**plain | changes)


def finds(conditions: Conditions, wanted: RemoteDocument) -> bool:
    spoken: Any = translation(conditions).spoken
    return matches(spoken, attributes_of(wanted))


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (Conditions(source_types=["product", "faq"]), True),
        (Conditions(source_types=["faq"]), False),
        (Conditions(sections=["lamps"]), True),
        (Conditions(sections=["chairs"]), False),
        (Conditions(languages=["en", "ru"]), True),
        (Conditions(languages=["pt"]), False),
        (Conditions(tags=["red", "small"]), True),
        (Conditions(tags=["red", "big"]), False),
        (Conditions(metadata=[{"key": "brand", "any": ["Lumen", "Other"]}]), True),
        (Conditions(metadata=[{"key": "brand", "any": ["Other"]}]), False),
        (Conditions(metadata=[{"key": "in_stock", "any": [True]}]), True),
        (Conditions(metadata=[{"key": "in_stock", "any": [False]}]), False),
        (Conditions(metadata=[{"key": "price", "lower": 10}]), True),
        (Conditions(metadata=[{"key": "price", "lower": 10.5}]), False),
        (Conditions(metadata=[{"key": "price", "lower": 1, "upper": 10}]), True),
        (Conditions(metadata=[{"key": "price", "upper": 9}]), False),
        (Conditions(metadata=[{"key": "brand", "lower": 1}]), False),
        (Conditions(metadata=[{"key": "nothing", "any": ["x"]}]), False),
        (Conditions(sections=["lamps"], metadata=[{"key": "price", "upper": 9}]), False),
    ],
)
def test_filter_finds_what_our_own_search_would(conditions: Conditions, expected: bool) -> None:
    assert finds(conditions, document()) is expected
    assert translation(conditions).unspoken == ()


def test_no_conditions_need_no_filter() -> None:
    assert translation(Conditions()).spoken is None


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        (Conditions(sections=[""]), ("sections",)),
        (Conditions(sections=["lamps", ""]), ("sections",)),
        (Conditions(metadata=[{"key": "price"}]), ("metadata.price",)),
    ],
)
def test_what_cannot_be_said_is_named(conditions: Conditions, names: tuple[str, ...]) -> None:
    assert translation(conditions).unspoken == names
    assert translation(conditions).spoken is None


def test_rest_is_said_beside_what_cannot_be() -> None:
    said = translation(Conditions(sections=[""], languages=["ru"]))
    assert said.spoken == {"type": "eq", "key": "language", "value": "ru"}
    assert said.unspoken == ("sections",)


@pytest.mark.parametrize("tag", [f"tag{number}" for number in range(9)])
def test_document_with_more_tags_than_places_is_never_hidden(tag: str) -> None:
    many = document(tags=[f"tag{number}" for number in range(9)])
    assert finds(Conditions(tags=[tag]), many)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((f"key{number}", number) for number in range(30)),
        ("long", "x" * 300),
        ("k" * 60, "x"),
        ("list", "a"),
    ],
)
def test_document_with_metadata_that_does_not_fit_is_never_hidden(key: str, value: object) -> None:
    metadata = {f"key{number}": number for number in range(30)}
    full = document(metadata={**metadata, "long": "x" * 300, "k" * 60: "x", "list": ["a"]})
    assert finds(Conditions(metadata=[{"key": key, "any": [value]}]), full)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tags": [f"{number}" * 100 for number in range(10)], "section": "x" * 200},
        {"metadata": {f"key{number}": "y" * 256 for number in range(30)}},
        {"metadata": {"k" * 90: "x", "nested": {"a": 1}, "empty": "", "null": None}},
        {"tags": list("abcdefgh"), "metadata": {f"key{number}": 1.5 for number in range(30)}},
    ],
)
def test_attributes_keep_the_limits_of_openai(changes: dict[str, Any]) -> None:
    attributes = attributes_of(document(**changes))
    assert len(attributes) <= 16
    assert all(len(key) <= 64 for key in attributes)
    assert all(0 < len(value) <= 256 for value in attributes.values() if isinstance(value, str))
    assert (attributes["tenant_id"], attributes["document_id"]) == (str(TENANT), str(DOCUMENT))


def test_name_tells_document_and_content() -> None:
    assert read_name(file_name(document())) == (DOCUMENT, revision_of(document()))
    assert file_name(document()) != file_name(document(title="Люстра"))
    assert file_name(document()) == file_name(document(section="other", tags=()))


@pytest.mark.parametrize(
    "name", ["notes.md", f"{DOCUMENT}.md", f"{DOCUMENT}@123.md", "-" * 36 + "@0123456789ab.md"]
)
def test_name_that_is_not_ours_is_not_read(name: str) -> None:
    assert read_name(name) is None


def test_title_stands_above_the_text() -> None:
    assert content_of(document()).decode() == "# Лампа\n\nКрасная лампа."
    assert content_of(document(title="")).decode() == "Красная лампа."


# --- numbers that a float does not hold

ODD = 9007199254740993
LONG = Decimal("0.1234567890123456789")


@pytest.mark.parametrize("number", [ODD, ODD + 1, -ODD, LONG, 10**30 + 1])
def test_number_that_no_attribute_holds_hides_no_document(number: int | Decimal) -> None:
    """The mark lets it pass, and it is checked again where it is exact."""
    wanted = document(metadata={"n": number})
    assert attributes_of(wanted)["more_metadata"] is True
    assert finds(Conditions(metadata=[{"key": "n", "any": [number]}]), wanted)
    assert finds(Conditions(metadata=[{"key": "n", "lower": number, "upper": number}]), wanted)


@pytest.mark.parametrize(
    ("bounds", "inside"),
    [
        ({"lower": ODD}, 2.0**53 + 2),
        ({"upper": -ODD}, -(2.0**53) - 2),
        ({"lower": LONG}, 0.1234567890123457),
        ({"upper": LONG}, 0.12345678901234567),
        ({"lower": -(10**400), "upper": 10**400}, 1e308),
    ],
)
def test_bounds_that_no_float_says_are_widened(bounds: dict[str, int | Decimal], inside: float) -> None:
    spoken: Any = translation(Conditions(metadata=[{"key": "n", **bounds}])).spoken
    assert matches(spoken, {"metadata.n": inside})
    assert "inf" not in json.dumps(spoken).lower()


def test_files_of_other_tenants_are_left_out() -> None:
    assert finds(Conditions(tenant_id=TENANT), document())
    assert not finds(Conditions(tenant_id=UUID(int=9)), document())
    spoken: Any = translation(Conditions(tenant_id=TENANT, languages=["ru"])).spoken
    assert matches(spoken, attributes_of(document()))
    assert not matches(spoken, {"language": "ru"})
