"""What a document may contain, and which changes of it count."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval_service.domain.documents.documents import Draft, JsonValue, check, content_hash

GOOD = Draft(
    source_type="product",
    external_id="7",
    title="Кофе в зёрнах",
    section="Кофе",
    tags=("арабика", "светлая"),
    content="Мытая Эфиопия с нотами жасмина.",
    content_type="text/markdown",
    language="ru",
    url="https://shop.example/coffee?id=7",
    metadata={"price": 890, "origin": {"country": "Эфиопия"}, "sizes": [250, 1000]},
)


def fields(draft: Draft) -> list[str]:
    return [violation.field for violation in check(draft)]


def nested(depth: int) -> JsonValue:
    value: JsonValue = 1
    for _ in range(depth):
        value = [value]
    return value


def test_good_document_has_no_violations() -> None:
    assert check(GOOD) == []


def test_optional_fields_may_be_empty() -> None:
    assert check(Draft(source_type="faq", external_id="a", content="x")) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source_type": ""}, "source_type"),
        ({"source_type": "Product"}, "source_type"),
        ({"source_type": "a" * 65}, "source_type"),
        ({"source_type": "faq\n"}, "source_type"),
        ({"external_id": " "}, "external_id"),
        ({"external_id": "\u200b"}, "external_id"),
        ({"external_id": "ж" * 257}, "external_id"),
        ({"title": "ж" * 501}, "title"),
        ({"section": "ж" * 201}, "section"),
        ({"tags": ("a", "")}, "tags[1]"),
        ({"tags": ("ж" * 101,)}, "tags[0]"),
        ({"tags": tuple(str(number) for number in range(51))}, "tags"),
        ({"content": " \n"}, "content"),
        ({"content": "\u2060\n\ufeff"}, "content"),
        ({"content": "ж" * (512 * 1024 + 1)}, "content"),
        ({"content_type": "application/pdf"}, "content_type"),
        ({"content_type": ""}, "content_type"),
        ({"language": "rus"}, "language"),
        ({"language": "RU"}, "language"),
        ({"metadata": {"text": "ж" * 8192}}, "metadata"),
        ({"metadata": {"price": float("nan")}}, "metadata.price"),
        ({"metadata": {"good": 1, "deep": [{"price": float("inf")}]}}, "metadata.deep[0].price"),
        ({"metadata": {"price": Decimal("1e400")}}, "metadata.price"),
        ({"metadata": {"a": nested(32)}}, "metadata.a" + "[0]" * 31),
        ({"metadata": {"a": nested(5_000)}}, "metadata.a" + "[0]" * 31),
        ({"metadata": {"a\0": 1}}, r"metadata.a\u0000"),
        ({"metadata": {"\udc00": 1}}, r"metadata.\udc00"),
        ({"metadata": {"a": ["\ud800"]}}, "metadata.a[0]"),
    ],
)
def test_value_beyond_a_limit_names_its_field(change: dict[str, object], field: str) -> None:
    assert fields(replace(GOOD, **change)) == [field]


def test_metadata_that_are_too_large_name_their_largest_key() -> None:
    [fault] = check(replace(GOOD, metadata={"small": 1, "long key " * 1_000: 1, "large": ["x"] * 5_000}))
    assert fault.description.endswith("the most of them in large")
    [fault] = check(replace(GOOD, metadata={"small": 1, "k" * 17_000: 1}))
    assert fault.description.endswith(f"the most of them in {'k' * 200}…")


def test_of_many_faults_the_first_are_named_by_short_paths() -> None:
    """A hostile document holds a million of them, below a key as long as itself."""
    metadata = {"k" * 100_000: [float("nan")] * 100_000, "price": float("inf")}
    found = fields(replace(GOOD, metadata=metadata))
    assert len(found) == 20
    assert max(map(len, found)) == 201
    assert fields(replace(GOOD, metadata={"a": [float("nan")] * 9, "b": float("inf")})) == [
        *(f"metadata.a[{place}]" for place in range(9)),
        "metadata.b",
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"source_type": "a" * 64},
        {"external_id": "ж" * 256},
        {"title": "ж" * 500},
        {"section": "ж" * 200},
        {"tags": tuple("ж" * 98 + f"{number:02}" for number in range(50))},
        {"content": "ж" * (512 * 1024)},
        {"url": "/" + "a" * 1_999},
        {"metadata": {"text": "ж" * 8_180}},
        {"metadata": {"a": nested(30)}},
    ],
)
def test_value_at_its_limit_is_accepted(change: dict[str, object]) -> None:
    assert check(replace(GOOD, **change)) == []


@pytest.mark.parametrize("field", ["external_id", "title", "section", "content", "url"])
@pytest.mark.parametrize("character", ["\0", "\udc00"])
def test_characters_that_postgres_cannot_store_are_refused(field: str, character: str) -> None:
    assert field in fields(replace(GOOD, **{field: f"a{character}b"}))


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example",
        "https://магазин.рф/кофе",
        "https://[::1]:8080/a",
        "/coffee/7#top",
        "docs/returns.md",
    ],
)
def test_addresses_and_paths_are_accepted(url: str) -> None:
    assert check(replace(GOOD, url=url)) == []


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "ftp://a.example",
        "//evil.example/a",
        "/\\evil.example",
        "https://",
        "https://bank.example@evil.example/",
        "https://[::1",
        "https://a.example:99999/",
        "https://a.example/a b",
        "/" + "a" * 2_000,
    ],
)
def test_unsafe_addresses_are_refused(url: str) -> None:
    assert fields(replace(GOOD, url=url)) == ["url"]


def test_every_violation_is_reported_at_once() -> None:
    bad = replace(GOOD, source_type="", external_id="", content="", language="x")
    assert fields(bad) == ["source_type", "external_id", "content", "language"]


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Кофе"},
        {"section": "Чай"},
        {"tags": ("арабика",)},
        {"content": "Мытая Эфиопия."},
        {"content_type": "text/plain"},
        {"language": "en"},
        {"url": ""},
        {"metadata": {"price": 891}},
    ],
)
def test_hash_changes_with_every_field_that_is_shown_or_searched(change: dict[str, object]) -> None:
    assert content_hash(replace(GOOD, **change)) != content_hash(GOOD)


def test_hash_does_not_depend_on_identity_or_order() -> None:
    same = replace(
        GOOD,
        external_id="8",
        tags=tuple(reversed(GOOD.tags)),
        metadata=dict(reversed(list(GOOD.metadata.items()))),
    )
    assert content_hash(same) == content_hash(GOOD)


def test_hash_survives_the_number_format_of_protobuf() -> None:
    assert content_hash(replace(GOOD, metadata={"price": 890.0})) == content_hash(
        replace(GOOD, metadata={"price": 890})
    )
    assert content_hash(replace(GOOD, metadata={"price": True})) != content_hash(
        replace(GOOD, metadata={"price": 1})
    )


def test_hash_is_the_same_in_every_release() -> None:
    draft = Draft(source_type="faq", external_id="1", title="Оплата", content="Картой.", tags=("b", "a"))
    assert content_hash(draft).hex() == "15a596430832b64baeb9d91368cecd174b633e4e37f0c1cac1c6d646e0ab7e22"


@given(st.text(), st.text())
def test_fields_never_run_into_each_other(title: str, section: str) -> None:
    one = Draft(source_type="a", external_id="1", title=title, section=section, content="x")
    other = Draft(source_type="a", external_id="1", title=title + section, section="", content="x")
    assert (content_hash(one) == content_hash(other)) == (section == "")


@given(st.text(), st.text(), st.text())
def test_accepted_texts_can_be_stored(title: str, content: str, url: str) -> None:
    draft = Draft(source_type="a", external_id="1", title=title, content=content, url=url)
    if not check(draft):
        assert b"\0" not in f"{title}{content}{url}".encode()
