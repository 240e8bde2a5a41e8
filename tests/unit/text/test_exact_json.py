"""Numbers in JSON: what is read, compared and written of them."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval_service.domain.documents.documents import Draft, check, content_hash
from retrieval_service.text import exact_json


def numbers() -> st.SearchStrategy[str]:
    """Texts of JSON numbers: with leading and trailing zeros after the point, signs and exponents."""
    whole = st.integers(-(10**25), 10**25).map(str)
    fraction = st.from_regex(r"(\.[0-9]{1,30})?", fullmatch=True)
    exponent = st.from_regex(r"([eE][+-]?[0-9]{1,2})?", fullmatch=True)
    return st.tuples(whole, fraction, exponent).map("".join)


@given(numbers())
def test_number_is_read_and_written_as_the_same_number(digits: str) -> None:
    read = exact_json.loads(digits)
    assert Decimal(str(read)) == Decimal(digits)
    assert Decimal(exact_json.dumps(read)) == Decimal(digits)
    assert exact_json.loads_stored(exact_json.dumps([read])) == [read]


@given(numbers(), numbers())
def test_two_numbers_hash_alike_when_they_are_equal_only(one: str, other: str) -> None:
    is_same = Decimal(one) == Decimal(other)
    assert (hashed(one) == hashed(other)) is is_same


def hashed(digits: str) -> bytes:
    metadata = {"number": exact_json.loads(digits)}
    return content_hash(Draft(source_type="faq", external_id="1", content="x", metadata=metadata))


@pytest.mark.parametrize(
    ("digits", "read"),
    [
        ("1.0", 1),
        ("-0.0", 0),
        ("1e3", 1000),
        ("1.10", 1.1),
        ("0.1", 0.1),
        ("0.30000000000000004", 0.30000000000000004),
        ("0.1234567890123456789", Decimal("0.1234567890123456789")),
        ("9007199254740993", 9007199254740993),
        ("9007199254740993.0", 9007199254740993),
        ("9007199254740993.5", Decimal("9007199254740993.5")),
        ("1e22", 10**22),
    ],
)
def test_number_has_one_form(digits: str, read: object) -> None:
    found = exact_json.loads(digits)
    assert (found, type(found)) == (read, type(read))


@pytest.mark.parametrize(
    "text",
    [
        *("NaN", "Infinity", "-Infinity", "1e400", "1e-400", "1e99999", "9" * 5_000, "0." + "1" * 5_000),
        *("1e9999999999999999999999", "1e-9999999999999999999999"),
        *('{"a": 1, "a": 1}', '{"b": [{"a": 1, "a": 2}]}'),
    ],
)
def test_what_cannot_be_kept_is_refused_and_not_changed(text: str) -> None:
    metadata = {"value": exact_json.loads(text)}
    assert [
        one.field for one in check(Draft(source_type="faq", external_id="1", content="x", metadata=metadata))
    ]


@pytest.mark.parametrize(
    "text", ["9" * 350, "1e349", "1e-350", "0." + "1" * 350, "1.7976931348623157e308", "5e-324"]
)
def test_the_longest_numbers_are_kept(text: str) -> None:
    metadata = {"value": exact_json.loads(text)}
    assert check(Draft(source_type="faq", external_id="1", content="x", metadata=metadata)) == []


def test_keys_that_stand_twice_are_named_by_their_paths() -> None:
    value = exact_json.loads('{"a": 1, "b": [{"c": 1, "c": 2, "c": 3}], "a": 2}')
    assert sorted(exact_json.repetitions(value)) == ["a", "b[0].c"]
    assert value["a"] == 1


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(_values)
def test_what_is_written_is_read_as_the_same(value: object) -> None:
    normal = exact_json.loads(exact_json.dumps(value))
    assert exact_json.are_same(exact_json.loads(exact_json.dumps(normal, ascii_only=True)), normal)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=5
    )
)
def test_without_decimals_it_is_what_python_writes(value: object) -> None:
    assert exact_json.dumps(value, ascii_only=True) == json.dumps(value)


def test_true_is_not_one() -> None:
    assert not exact_json.are_same({"a": True}, {"a": 1})
