"""What becomes the metadata of a JSON object, exactly as it stands in the file."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_service.api.messages import metadata_messages
from retrieval_service.cli.failures import BadInput
from retrieval_service.cli.imports import json_commands
from retrieval_service.cli.imports.files import JsonLines, Problem, Row
from retrieval_service.cli.imports.json_folder import JsonFolder, Mapped
from retrieval_service.text import exact_json


def read(folder: Path, text: str, **mapped: Any) -> Row | Problem:
    [entry] = read_all(folder, text, **mapped)
    return entry


def read_all(folder: Path, text: str, **mapped: Any) -> list[Row | Problem]:
    (folder / "a.json").write_text(text, encoding="utf-8")
    return list(JsonFolder(path=folder, mapped=Mapped(**mapped)).entries())


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


@pytest.mark.parametrize("value", ['"text"', '""', "5", "0", "true", "false", "[1]", "[]"])
def test_metadata_that_is_no_object_is_refused_unless_another_name_is_told(
    tmp_path: Path, value: str
) -> None:
    text = f'[{{"content": "x", "metadata": {value}}}, {{"content": "kept", "metadata": {{"a": 1}}}}]'
    bad, good = read_all(tmp_path, text)
    assert (field_of(bad), bad.place) == ("metadata", "a.json[0]")
    assert isinstance(bad, Problem)
    assert bad.description.startswith("must be an object")
    assert metadata_of(good) == {"a": 1}
    told, _ = read_all(tmp_path, text, metadata_name="attrs")
    assert metadata_of(told) == {"metadata": exact_json.loads(value)}


def test_metadata_of_null_are_none(tmp_path: Path) -> None:
    entry = read(tmp_path, '{"content": "x", "metadata": null, "level": 2}')
    assert metadata_of(entry) == {"level": 2}


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
    path = {"metadata": "metadata.a"}.get(field, field)
    assert field_of(read(tmp_path, f'{{"{name}": {value}{others}}}')) == path


DEEP = 600  # deeper than a message may be, and than protobuf's own conversion can go


@pytest.mark.parametrize(
    ("value", "below", "reason"),
    [
        ("NaN", "", "must be a number that is not infinite"),
        ("-Infinity", "", "must be a number that is not infinite"),
        ("1e400", "", "must be a number of at most 350 digits"),
        ("1e999999999", "", "must be a number of at most 350 digits"),
        ("1e9999999999999999999", "", "must be a number that is not infinite"),
        ('"a\\u0000"', "", "NUL"),
        ('[1, {"a": [NaN]}]', "[1].a[0]", "must be a number"),
        ("[" * DEEP + "]" * DEEP, "[0]" * 31, "must be nested at most 32 levels deep"),
        ('{"a": 1, "a": 2}', ".a", "is given more than once"),
    ],
)
def test_what_cannot_be_stored_is_named_by_row_and_path(
    tmp_path: Path, value: str, below: str, reason: str
) -> None:
    """Its neighbours are kept."""
    beside = f'{{"content": "x", "level": {value}}}'
    inside = f'{{"content": "x", "attrs": {{"level": {value}}}}}'
    as_usual = f'{{"content": "x", "metadata": {{"level": {value}}}}}'
    for text, name, start in (
        (beside, "metadata", "level"),
        (inside, "attrs", "attrs.level"),
        (as_usual, "metadata", "metadata.level"),
    ):
        good, bad = read_all(tmp_path, f'[{{"content": "good"}}, {text}]', metadata_name=name)
        assert isinstance(good, Row)
        assert isinstance(bad, Problem)
        assert bad.place == "a.json[1]"
        assert bad.field == start + below
        assert reason in bad.description
    lines = tmp_path / "a.jsonl"
    lines.write_text(f'{{"content": "good"}}\n{as_usual}\n')
    good, bad = JsonLines(path=lines).entries()
    assert isinstance(bad, Problem)
    assert (bad.place, bad.field) == ("line 2", f"metadata.level{below}")


@pytest.mark.parametrize("value", ["5", "[]", '"text"', "true"])
def test_metadata_of_a_line_that_are_no_object_are_named(tmp_path: Path, value: str) -> None:
    lines = tmp_path / "a.jsonl"
    lines.write_text(f'{{"content": "x", "metadata": {value}}}')
    assert list(JsonLines(path=lines).entries()) == [
        Problem(place="line 1", field="metadata", description="must be an object")
    ]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("level=1e400", "--metadata level: must be a number of at most 350 digits"),
        ("level=[NaN]", r"--metadata level\[0\]: must be a number"),
        (f"level={'[' * 2_000}", "--metadata level: is nested too deeply"),
        ('level={"a": 1, "a": 2}', "--metadata level.a: is given more than once"),
    ],
)
def test_told_metadata_that_no_document_may_have_are_refused_at_once(told: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        json_commands.pairs(["good=1", told])


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
        assert entry.field.startswith("metadata.")
