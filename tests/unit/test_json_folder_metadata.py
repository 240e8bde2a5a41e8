"""What becomes the metadata of a JSON object, exactly as it stands in the file."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_service.api import metadata_messages
from retrieval_service.cli.json_folder import JsonFolder, Mapped
from retrieval_service.cli.sources import JsonLines, Problem, Row
from retrieval_service.domain import exact_json


def read(folder: Path, text: str, **mapped: Any) -> Row | Problem:
    (folder / "a.json").write_text(text, encoding="utf-8")
    [entry] = JsonFolder(path=folder, mapped=Mapped(**mapped)).entries()
    return entry


def metadata_of(entry: Row | Problem) -> Any:
    assert isinstance(entry, Row), entry
    return metadata_messages.read(entry.document)


def field_of(entry: Row | Problem) -> str:
    assert isinstance(entry, Problem), entry
    return entry.field


def test_members_of_the_object_metadata_are_metadata_beside_other_keys(tmp_path: Path) -> None:
    own = '{"categoria": "fretes", "level": 2}'
    text = f'{{"id": 1, "content": "x", "metadata": {own}, "created_at": "2024-01-02", "level": 2}}'
    entry = read(tmp_path, text)
    assert metadata_of(entry) == {"categoria": "fretes", "level": 2, "created_at": "2024-01-02"}


def test_another_name_may_be_told(tmp_path: Path) -> None:
    text = '{"content": "x", "attrs": {"categoria": "fretes"}, "metadata": {"kept": "as it is"}}'
    entry = read(tmp_path, text, metadata_name="attrs")
    assert metadata_of(entry) == {"categoria": "fretes", "metadata": {"kept": "as it is"}}


@pytest.mark.parametrize("value", ['"text"', "5", "[1]"])
def test_metadata_that_is_no_object_is_one_of_them_unless_its_name_was_told(
    tmp_path: Path, value: str
) -> None:
    text = f'{{"content": "x", "metadata": {value}}}'
    assert metadata_of(read(tmp_path, text)) == {"metadata": exact_json.loads(value)}
    assert field_of(read(tmp_path, text, metadata_name="metadata")) == "metadata"


def test_key_with_two_values_is_reported(tmp_path: Path) -> None:
    entry = read(tmp_path, '{"content": "x", "metadata": {"level": 1}, "level": true}')
    assert field_of(entry) == "metadata.level"


def test_told_metadata_stand_over_both(tmp_path: Path) -> None:
    entry = read(tmp_path, '{"content": "x", "metadata": {"a": 1}, "b": 1}', metadata={"a": 2, "b": 2})
    assert metadata_of(entry) == {"a": 2, "b": 2}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"content": "x", "content": "y"}', "content"),
        ('{"content": "x", "metadata": {"a": 1, "a": 1}}', "metadata.a"),
        ('{"content": "x", "list": [{"a": 1, "a": 2}]}', "list[0].a"),
    ],
)
def test_key_that_stands_twice_is_reported(tmp_path: Path, text: str, path: str) -> None:
    assert field_of(read(tmp_path, text)) == path
    lines = tmp_path / "a.jsonl"
    lines.write_text(text)
    assert path in [one.field for one in JsonLines(path=lines).entries() if isinstance(one, Problem)]


@pytest.mark.parametrize("digits", ["9007199254740993", "0.1234567890123456789", "9" * 60, "1e22", "19.90"])
def test_number_is_sent_as_it_stands(tmp_path: Path, digits: str) -> None:
    sent = metadata_of(read(tmp_path, f'{{"content": "x", "metadata": {{"n": {digits}}}, "m": {digits}}}'))
    assert [Decimal(str(one)) for one in (sent["n"], sent["m"])] == [Decimal(digits)] * 2
    lines = tmp_path / "a.jsonl"
    lines.write_text(f'{{"content": "x", "metadata": {{"n": {digits}}}}}')
    [row] = JsonLines(path=lines).entries()
    assert Decimal(str(metadata_of(row)["n"])) == Decimal(digits)


def test_numeric_ids_of_any_size_are_kept(tmp_path: Path) -> None:
    entry = read(tmp_path, '{"id": 123456789012345678901234567890, "content": "x"}')
    assert isinstance(entry, Row)
    assert entry.document.external_id == "123456789012345678901234567890"


@pytest.mark.parametrize("digits", ["9" * 400, "1.5", "1e400", "9007199254740993.5"])
def test_ids_that_are_no_whole_numbers_are_refused(tmp_path: Path, digits: str) -> None:
    assert field_of(read(tmp_path, f'{{"id": {digits}, "content": "x"}}')) == "id"


@pytest.mark.parametrize(
    "field", ["external_id", "title", "content", "url", "section", "language", "tags", "metadata"]
)
def test_half_of_a_surrogate_pair_is_reported_by_field(tmp_path: Path, field: str) -> None:
    half = r'"a\ud800"'
    name = {"external_id": "id"}.get(field, field)
    value = {"tags": f"[{half}]", "metadata": f'{{"a": {half}}}'}.get(field, half)
    others = "" if field == "content" else ', "content": "x"'
    assert field_of(read(tmp_path, f'{{"{name}": {value}{others}}}')) == field


_texts = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=10)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(metadata=st.dictionaries(_texts, _values, max_size=5))
def test_any_metadata_is_sent_as_it_was_read(
    tmp_path_factory: pytest.TempPathFactory, metadata: dict[str, Any]
) -> None:
    """Spaces at ends, accents in one code point or two, empty texts and nulls among them."""
    folder = tmp_path_factory.mktemp("folder")
    text = exact_json.dumps(metadata)
    entry = read(folder, f'{{"content": "x", "metadata": {text}}}')
    if isinstance(entry, Row):
        assert exact_json.are_same(metadata_messages.read(entry.document), exact_json.loads(text))
    else:
        assert entry.field == "metadata"
