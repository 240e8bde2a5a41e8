"""A shop's JSON becomes documents; bad rows are named, good rows are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_service.domain.documents.entries import Entry, fields_of
from retrieval_service.domain.documents.shop import Draft, RowError, ShopImport, parse_shop
from retrieval_service.domain.documents.templates import Role
from retrieval_service.text.facts.prices import format_price
from tests.kits.entries_kit import stored_fields

COFFEE = {"id": "7", "name": "Эфиопия", "description": "Жасмин и бергамот.", "price": 1290, "currency": "RUB"}
SHIPPING = {"id": "s", "question": "Сколько стоит доставка?", "answer": "300 ₽."}
RETURNS = {"id": "r", "title": "Возврат", "content": "14 дней."}


def detect(text: str) -> str:
    """Enough of a detector to see that it is asked row by row."""
    return "ru" if any("а" <= letter <= "я" for letter in text.lower()) else "en"


def parse(shop: object, language: str = "") -> ShopImport:
    return parse_shop(json.dumps(shop, ensure_ascii=False).encode(), language=language, detect=detect)


def parse_raw(data: bytes) -> ShopImport:
    return parse_shop(data, detect=detect)


def only_draft(shop: object, language: str = "") -> Draft:
    result = parse(shop, language)
    assert result.errors == ()
    return result.drafts[0].draft


def only_error(shop: object) -> RowError:
    (error,) = parse(shop).errors
    return error


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ru", "Название: Эфиопия\nОписание: Жасмин и бергамот.\nЦена: 1290 ₽"),
        ("en", "Name: Эфиопия\nDescription: Жасмин и бергамот.\nPrice: 1,290 ₽"),
        ("pt", "Nome: Эфиопия\nDescrição: Жасмин и бергамот.\nPreço: 1.290 ₽"),
        ("de", "Name: Эфиопия\nDescription: Жасмин и бергамот.\nPrice: 1,290 ₽"),
    ],
)
def test_product_is_rendered_in_the_language_of_the_row(language: str, text: str) -> None:
    draft = only_draft({"products": [COFFEE]}, language)
    assert (draft.source_type, draft.external_id, draft.title) == ("product", "7", "Эфиопия")
    assert (draft.content, draft.language) == (text, language)
    assert draft.metadata == {"price": 1290.0, "currency": "RUB"}


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ru", "Вопрос: Сколько стоит доставка?\nОтвет: 300 ₽."),
        ("en", "Question: Сколько стоит доставка?\nAnswer: 300 ₽."),
        ("pt", "Pergunta: Сколько стоит доставка?\nResposta: 300 ₽."),
    ],
)
def test_faq_is_rendered_in_the_language_of_the_row(language: str, text: str) -> None:
    draft = only_draft({"faq": [SHIPPING]}, language)
    assert (draft.source_type, draft.title, draft.content) == ("faq", "Сколько стоит доставка?", text)


def test_policy_is_its_title_and_content() -> None:
    draft = only_draft({"policies": [RETURNS]})
    assert (draft.source_type, draft.title, draft.content) == ("policy", "Возврат", "Возврат\n\n14 дней.")


def test_language_is_detected_row_by_row() -> None:
    result = parse({"faq": [SHIPPING, {"question": "How long?", "answer": "Two days."}]})
    assert [row.draft.language for row in result.drafts] == ["ru", "en"]
    assert result.drafts[1].draft.content == "Question: How long?\nAnswer: Two days."


def test_known_product_fields_have_their_own_place() -> None:
    draft = only_draft(
        {"products": [{**COFFEE, "category": "Кофе", "tags": ["утро", "утро", "зерно"], "url": "/coffee/7"}]}
    )
    assert (draft.section, draft.tags, draft.url) == ("Кофе", ("утро", "зерно"), "/coffee/7")
    assert "Категория: Кофе\nТеги: утро, зерно" in draft.content


def test_unknown_product_fields_become_metadata_and_searchable_lines() -> None:
    extra = {
        "origin": "Йемен",
        "acidity": 3,
        "decaf": False,
        "notes": ["жасмин", "персик"],
        "size": {"box": {"cm": 12}},
        "image": "https://shop.example/7.jpg",
        "empty": None,
    }
    result = parse({"products": [{**COFFEE, **extra}]})
    draft = result.drafts[0].draft
    assert result.metadata_fields == ("origin", "acidity", "decaf", "notes", "size", "image")
    assert draft.metadata["size.box.cm"] == 12
    assert draft.metadata["notes"] == ["жасмин", "персик"]
    assert draft.content.splitlines()[3:] == [
        "Происхождение: Йемен",
        "Acidity: 3",
        "Decaf: нет",
        "Notes: жасмин, персик",
        "Size box: 12 см",
    ]


@pytest.mark.parametrize(
    ("amount", "currency", "language", "text"),
    [
        ("1290", "RUB", "ru", "1290 ₽"),
        ("12900.5", "RUB", "ru", "12 900,50 ₽"),
        ("12.5", "USD", "en", "$12.50"),
        ("1290", "EUR", "en", "€1,290"),
        ("49.9", "BRL", "pt", "R$ 49,90"),
        ("1290", "EUR", "pt", "1.290 €"),
        ("0.005", "USD", "en", "$0.005"),
        ("100", "", "ru", "100"),
        ("100", "баллов", "ru", "100 баллов"),
        ("9" * 29 + ".5", "USD", "en", "$99" + ",999" * 9 + ".50"),
    ],
)
def test_price_is_written_as_in_the_language(amount: str, currency: str, language: str, text: str) -> None:
    assert format_price(Decimal(amount), currency, language) == text


def test_price_may_be_text() -> None:
    assert "Цена: от 300 ₽" in only_draft({"products": [{**COFFEE, "price": "от 300 ₽"}]}).content
    assert "Цена: 1290 ₽" in only_draft({"products": [{**COFFEE, "price": "1290"}]}).content


@pytest.mark.parametrize(
    "price", ["1.2.3", "1,2,3", "12.5.6 €", "12.05.2026", "$1.299", "NaN", "-Infinity", "-5", "−12,50 €"]
)
def test_price_that_only_looks_like_a_number_is_refused_with_its_value(price: str) -> None:
    error = only_error({"products": [{"id": "a", "name": "N", "description": "D", "price": price}]})
    assert error.field == "price"
    assert f'"{price}"' in error.description


@pytest.mark.parametrize("price", ["from 300 ₽", "on request", "5-7", "N/A"])
def test_price_in_words_is_kept(price: str) -> None:
    shop = {"products": [{"id": "a", "name": "N", "description": "D", "price": price}]}
    assert only_draft(shop).metadata["price"] == price


@pytest.mark.parametrize(
    ("price", "currency", "language", "amount", "shown"),
    [
        ("1.290", "BRL", "pt", 1290, "R$ 1.290"),
        ("1.290,00", "BRL", "pt", 1290, "R$ 1.290"),
        ("0,990", "EUR", "pt", 0.99, "0,99 €"),
        ("12,50", "GBP", "en", 12.5, "£12.50"),
        ("1,290.10", "USD", "en", 1290.1, "$1,290.10"),
        ("0.125", "USD", "en", 0.125, "$0.125"),
        ("1.234,50", "RUB", "ru", 1234.5, "1234,50 ₽"),
        ("12.345", "руб.", "ru", 12345, "12 345 ₽"),
        ("1 290", "RUB", "ru", 1290, "1290 ₽"),
        ("12,50", "CHF", "en", 12.5, "12.50 CHF"),
    ],
)
def test_price_in_a_text_is_the_same_with_its_currency_in_it_and_beside_it(
    price: str, currency: str, language: str, amount: float, shown: str
) -> None:
    row = {"id": "a", "name": "N", "description": "D"}
    beside = only_draft({"products": [{**row, "price": price, "currency": currency}]}, language)
    inside = only_draft(
        {"products": [{**row, "price": f"{price} {currency}", "currency": currency}]}, language
    )
    assert beside.metadata["price"] == amount
    assert beside.content.endswith(f": {shown}")
    assert (inside.metadata, inside.content) == (beside.metadata, beside.content)


def test_price_as_a_json_number_stays_exact() -> None:
    draft = only_draft({"products": [{**COFFEE, "price": 1.299, "currency": "USD"}]}, "en")
    assert draft.metadata["price"] == 1.299


def test_price_that_is_a_range_is_shown_with_the_given_currency() -> None:
    draft = only_draft({"products": [{**COFFEE, "price": "30-45", "currency": "GBP"}]}, "en")
    assert draft.metadata == {"price": "30-45", "currency": "GBP"}
    assert "Price: £30-45" in draft.content


def test_price_may_be_missing() -> None:
    row = {name: value for name, value in COFFEE.items() if name not in ("price", "currency")}
    draft = only_draft({"products": [row]})
    assert "Цена" not in draft.content
    assert draft.metadata == {}


def test_number_is_an_id() -> None:
    assert only_draft({"products": [{**COFFEE, "id": 7}]}).external_id == "7"


def test_id_of_a_question_does_not_depend_on_case_or_spacing() -> None:
    first = only_draft({"faq": [{"question": "Сколько стоит доставка?", "answer": "300 ₽."}]})
    later = only_draft({"faq": [{"question": " сколько  стоит ДОСТАВКА? ", "answer": "400 ₽."}]})
    assert first.external_id == later.external_id != ""


@pytest.mark.parametrize(
    ("list_name", "row", "field"),
    [
        ("products", {**COFFEE, "id": None}, "id"),
        ("products", {**COFFEE, "id": 7.5}, "id"),
        ("products", {**COFFEE, "id": True}, "id"),
        ("products", {**COFFEE, "id": "ж" * 257}, "id"),
        ("products", {**COFFEE, "name": "  "}, "name"),
        ("products", {**COFFEE, "name": 5}, "name"),
        ("products", {**COFFEE, "name": "ж" * 501}, "name"),
        ("products", {**COFFEE, "description": None}, "description"),
        ("products", {**COFFEE, "description": "a\0b"}, "description"),
        ("products", {**COFFEE, "description": "a\ud800b"}, "description"),
        ("products", {**COFFEE, "price": [1]}, "price"),
        ("products", {**COFFEE, "price": -1}, "price"),
        ("products", {**COFFEE, "price": float("nan")}, "price"),
        ("products", {**COFFEE, "currency": 5}, "currency"),
        ("products", {**COFFEE, "tags": "утро"}, "tags"),
        ("products", {**COFFEE, "tags": [1]}, "tags"),
        ("products", {**COFFEE, "url": "javascript:alert(1)"}, "url"),
        ("products", {**COFFEE, "extra": "ж" * 9_000}, "metadata"),
        ("faq", {**SHIPPING, "question": ""}, "question"),
        ("faq", {"question": "Как?"}, "answer"),
        ("policies", {"title": "Возврат", "content": {}}, "content"),
        ("policies", {"content": "14 дней."}, "title"),
        ("policies", "Возврат", ""),
        ("faq", None, ""),
    ],
)
def test_bad_row_is_named_and_the_good_ones_are_kept(list_name: str, row: object, field: str) -> None:
    good = {"products": {**COFFEE, "id": "good"}, "faq": {**SHIPPING, "id": "good"}, "policies": RETURNS}
    data = json.dumps({list_name: [row, good[list_name]]}, indent=1).encode()
    result = parse_raw(data)
    assert [row.index for row in result.drafts] == [1]
    assert [(error.list, error.index, error.line, error.field) for error in result.errors] == [
        (list_name, 0, 3, field)
    ]


def test_every_wrong_field_of_a_row_is_named() -> None:
    errors = parse({"products": [{"id": "1", "price": {}, "tags": 5}]}).errors
    assert [error.field for error in errors] == ["name", "description", "price", "tags"]


def test_repeated_id_is_reported_and_the_first_row_is_kept() -> None:
    result = parse({"products": [{**COFFEE, "id": 7}, {**COFFEE, "name": "Другой"}]})
    assert [row.draft.title for row in result.drafts] == ["Эфиопия"]
    assert [(error.index, error.field) for error in result.errors] == [(1, "id")]


def test_repeated_question_without_ids_is_reported_by_its_question() -> None:
    row = {"question": "Как?", "answer": "Так."}
    assert only_error({"faq": [row, row]}).field == "question"


def test_same_id_in_two_lists_is_no_repetition() -> None:
    assert len(parse({"products": [{**COFFEE, "id": "1"}], "faq": [{**SHIPPING, "id": "1"}]}).drafts) == 2


def test_lines_are_counted_in_the_text_itself() -> None:
    row = '{"question": "a\\n[{",\n"answer": "b"}'
    text = f'\n{{ "faq" :\n[\n {row}, {{"question": "c", "answer": "d"}},\r\n\n"x"]}}'
    result = parse_raw(text.encode())
    assert [row.line for row in result.drafts] == [4, 5]
    assert [error.line for error in result.errors] == [7]


@pytest.mark.parametrize(
    ("data", "line", "place"),
    [
        (b'{"faq": [{"question": "a",}]}', 1, "column 27"),
        (b'{"faq": [\n{"question": "a"} {}]}', 2, "column 19"),
        (b'{"faq": [],\n\n}', 3, "column 1"),
        (b'{"faq" []}', 1, "column 8"),
        (b'{"faq": []}\n{}', 2, "column 1"),
        (b'{"faq": [', 1, "column 10"),
        (b"", 1, "column 1"),
        ('{"faq":\n"кофе '.encode() + b"\xff", 2, "column 7"),
        ('{"faq": []}'.encode("utf-16"), 1, "column 1"),
    ],
)
def test_what_is_not_json_is_one_error_with_its_place(data: bytes, line: int, place: str) -> None:
    result = parse_raw(data)
    assert result.drafts == ()
    (error,) = result.errors
    assert error.line == line
    assert place in error.description


def test_byte_order_mark_is_accepted() -> None:
    assert len(parse_raw(b"\xef\xbb\xbf" + json.dumps({"faq": [SHIPPING]}).encode()).drafts) == 1


@pytest.mark.parametrize("shop", [[], "shop", 5, {}])
def test_file_without_any_list_is_an_error(shop: object) -> None:
    assert '"products", "faq", "policies"' in only_error(shop).description


def test_unknown_list_is_named_and_the_known_ones_are_kept() -> None:
    result = parse({"items": [COFFEE], "faq": [SHIPPING]})
    assert [error.field for error in result.errors] == ["items"]
    assert len(result.drafts) == 1


@pytest.mark.parametrize("value", [{}, "x", 5])
def test_list_of_another_type_is_an_error(value: object) -> None:
    assert only_error({"products": value, "faq": [SHIPPING]}).list == "products"


def test_missing_list_may_be_null() -> None:
    assert parse({"products": None, "faq": [SHIPPING]}).errors == ()


def test_list_given_twice_is_an_error() -> None:
    result = parse_raw(
        b'{"faq": [{"question": "a", "answer": "b"}],\n"faq": [{"question": "c", "answer": "d"}]}'
    )
    assert [row.draft.title for row in result.drafts] == ["a"]
    assert [(error.list, error.line) for error in result.errors] == [("faq", 2)]


@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b'{"faq": [' + b"[" * 100_000, b'{"faq": [' + b"9" * 5_000 + b"]}"]
)
def test_hostile_json_is_an_error_and_nothing_worse(data: bytes) -> None:
    result = parse_raw(data)
    assert result.drafts == ()
    assert len(result.errors) == 1


def fields_read(row: Mapping[str, object], list_name: str = "products") -> list[tuple[Role, str]]:
    draft = only_draft({list_name: [row]})
    return [(field.role, field.text) for field in stored_fields(draft)]


def test_fields_are_those_that_are_stored() -> None:
    assert fields_read({**COFFEE, "description": "Раз.\nДва.", "origin": "Йемен", "in_stock": True}) == [
        (Role.NAME, "Эфиопия"),
        (Role.DESCRIPTION, "Раз.\nДва."),
        (Role.PRICE, "1290 ₽"),
        (Role.STOCK, "в наличии: да"),
        (Role.ATTRIBUTE, "Йемен"),
        (Role.ATTRIBUTE, "да"),
    ]


def test_description_that_looks_like_fields_is_none() -> None:
    """A wrong price stood in the head of the answer."""
    description = "Лампа.\nЦена: 1 ₽\nВ наличии: нет\nНазвание: Другая"
    fields = fields_read({**COFFEE, "description": description, "in_stock": True})
    assert [text for role, text in fields if role is Role.PRICE] == ["1290 ₽"]
    assert (Role.DESCRIPTION, "Лампа.") in fields
    assert (Role.STOCK, "в наличии: да") in fields


@pytest.mark.parametrize("language", ["ru", "en", "pt"])
def test_answer_keeps_lines_that_look_like_another_question(language: str) -> None:
    answer = "Нажмите.\nQuestion: what if it blinks?\nAnswer: wait.\nResposta: espere."
    row = {"question": "Как включить?", "answer": answer, "language": language}
    fields = fields_read({name: row[name] for name in ("question", "answer")}, "faq")
    assert fields == [(Role.QUESTION, "Как включить?"), (Role.ANSWER, answer)]


def test_article_with_colons_is_one_body() -> None:
    (field,) = fields_of(Entry(source_type="article", title="Доставка"), "Доставка\nЦена: 300 ₽\nСрок: 2 дня")
    assert (field.role, field.label) == (Role.BODY, "")


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_ROWS = st.dictionaries(
    st.sampled_from(
        ["id", "name", "description", "price", "tags", "question", "answer", "title", "content", "x"]
    ),
    st.text(min_size=1, max_size=5) | _JSON,
)


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from(["products", "faq", "policies"]), st.lists(_ROWS, max_size=3)))
def test_every_row_is_kept_or_named(shop: dict[str, list[object]]) -> None:
    result = parse(shop)
    kept = {(row.list, row.index) for row in result.drafts}
    named = {(error.list, error.index) for error in result.errors if error.list}
    assert kept.isdisjoint(named)
    assert kept | named == {(name, index) for name, rows in shop.items() for index in range(len(rows))}


@settings(max_examples=30)
@given(st.binary(max_size=40) | st.text(alphabet='{}[]",:faq1\n ', max_size=40).map(str.encode))
def test_no_bytes_make_the_import_raise(data: bytes) -> None:
    result = parse_raw(data)
    assert result.drafts or result.errors or b"[" in data or b"null" in data


# --- exactly as given


@pytest.mark.parametrize(
    "digits", ["9007199254740993", "123456789012345678", "0.1234567890123456789", "1e22"]
)
@pytest.mark.parametrize("list_name", ["products", "faq", "policies"])
def test_numbers_of_unknown_fields_are_kept_exactly(list_name: str, digits: str) -> None:
    row = {"products": COFFEE, "faq": SHIPPING, "policies": RETURNS}[list_name]
    text = json.dumps({list_name: [{**row, "weight": "N", "metadata": {"order": "N"}}]})
    [kept] = parse_raw(text.replace('"N"', digits).encode()).drafts
    numbers = [kept.draft.metadata["weight"], kept.draft.metadata["order"]]
    assert [Decimal(str(one)) for one in numbers] == [Decimal(digits)] * 2


def test_price_and_id_of_many_digits_are_kept_exactly() -> None:
    text = json.dumps({"products": [{**COFFEE, "id": 1, "price": "N"}]})
    text = text.replace('"N"', "12345678901234567.89").replace('"id": 1', '"id": 9007199254740993')
    [kept] = parse_raw(text.encode()).drafts
    assert kept.draft.external_id == "9007199254740993"
    assert kept.draft.metadata["price"] == Decimal("12345678901234567.89")


def test_members_of_the_object_metadata_are_metadata() -> None:
    draft = only_draft(
        {"faq": [{**SHIPPING, "metadata": {"categoria": "fretes", "deep": {"a": 1}}, "level": 2}]}
    )
    assert draft.metadata == {"categoria": "fretes", "deep.a": 1, "level": 2}


@pytest.mark.parametrize(
    "fields",
    [
        {"metadata": {"level": 1}, "level": 2},
        {"size": {"cm": 1}, "size.cm": 2},
        {"metadata": {"size.cm": True}, "size": {"cm": 1}},
    ],
)
def test_name_that_two_fields_get_is_reported(fields: dict[str, object]) -> None:
    assert only_error({"faq": [{**SHIPPING, **fields}]}).field in {"level", "size.cm"}


def test_key_that_stands_twice_is_reported_with_its_row() -> None:
    text = b'{"faq": [{"question": "a", "answer": "b"},\n{"question": "c", "answer": "d", "answer": "e"}]}'
    result = parse_raw(text)
    assert [(one.index, one.line, one.field) for one in result.errors] == [(1, 2, "answer")]
    assert [one.draft.title for one in result.drafts] == ["a"]
