"""Which documents a folder of JSON files holds, and what is kept of the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from retrieval_service.cli.failures import BadInput
from retrieval_service.cli.imports import backups, json_commands
from retrieval_service.cli.imports.files import Problem, Row
from retrieval_service.cli.imports.json_folder import DEFAULT_NAMES, JsonFolder, Mapped, open_folder


def write(folder: Path, name: str, value: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def read(folder: Path, **mapped: Any) -> list[Row | Problem]:
    return list(JsonFolder(path=folder, mapped=Mapped(**mapped)).entries())


def ids(entries: list[Row | Problem]) -> list[str]:
    return [entry.document.external_id for entry in entries if isinstance(entry, Row)]


def problems(entries: list[Row | Problem]) -> list[tuple[str, str]]:
    return [(entry.place, entry.field) for entry in entries if isinstance(entry, Problem)]


def test_usual_names_become_fields_and_the_rest_metadata(tmp_path: Path) -> None:
    value = {
        "id": 7,
        "title": "Чай",
        "body": "Крепкий.",
        "link": "/tea",
        "tags": ["hot"],
        "category": "Drinks",
        "lang": "ru",
        "level": 2,
        "origin": {"country": "India"},
    }
    write(tmp_path, "tea.json", value)
    [row] = read(tmp_path)
    assert isinstance(row, Row)
    document = row.document
    assert (document.external_id, document.title, document.content) == ("7", "Чай", "Крепкий.")
    assert (document.url, list(document.tags), document.section) == ("/tea", ["hot"], "Drinks")
    assert (document.language, document.source_type) == ("ru", "document")
    assert json_format.MessageToDict(document.metadata) == {"level": 2.0, "origin": {"country": "India"}}


def test_names_that_were_told_replace_the_usual_ones(tmp_path: Path) -> None:
    write(tmp_path, "a.json", {"key": "x", "title": "kept as metadata", "headline": "Tea", "text": "Hot."})
    names = {**DEFAULT_NAMES, "id": ("key",), "title": ("headline",)}
    [row] = read(tmp_path, names=names)
    assert isinstance(row, Row)
    assert (row.document.external_id, row.document.title) == ("x", "Tea")
    assert row.document.metadata["title"] == "kept as metadata"


def test_metadata_for_all_stands_over_that_of_an_object(tmp_path: Path) -> None:
    write(tmp_path, "a.json", {"text": "Hot.", "level": 1})
    [row] = read(tmp_path, metadata=json_commands.pairs(["level=2", "shop=tea house", "old=true"]))
    assert isinstance(row, Row)
    assert dict(row.document.metadata) == {"level": 2, "shop": "tea house", "old": True}


def test_lists_folders_and_objects_without_an_id(tmp_path: Path) -> None:
    write(tmp_path, "b/many.json", [{"id": "1", "text": "One."}, {"text": "Two."}])
    write(tmp_path, "a.json", {"text": "A."})
    write(tmp_path, ".hidden/c.json", {"text": "Not this."})
    (tmp_path / "notes.txt").write_text("nor this")
    assert ids(read(tmp_path)) == ["a.json", "1", "b/many.json[1]"]


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("text", ""),
        ({"id": 1.5, "text": "x"}, "id"),
        ({"id": True, "text": "x"}, "id"),
        ({"text": 7}, "content"),
        ({"text": "x", "tags": "hot"}, "tags"),
        ({"text": "x", "tags": [1]}, "tags"),
    ],
)
def test_wrong_object_is_named_while_its_neighbours_are_kept(
    tmp_path: Path, value: object, field: str
) -> None:
    write(tmp_path, "a.json", [{"id": "good", "text": "Good."}, value])
    entries = read(tmp_path)
    assert ids(entries) == ["good"]
    assert problems(entries) == [("a.json[1]", field)]


def test_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    write(tmp_path, "b.json", {"id": "good", "text": "Good."})
    entries = read(tmp_path)
    assert (ids(entries), problems(entries)) == (["good"], [("a.json", "")])


def test_second_object_with_an_id_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.json", {"id": 1, "text": "First."})
    write(tmp_path, "b.json", {"id": "1", "text": "Second."})
    entries = read(tmp_path)
    assert problems(entries) == [("b.json", "id")]


def test_fingerprint_follows_content_names_and_mapping(tmp_path: Path) -> None:
    file = write(tmp_path, "a.json", {"text": "One."})
    prints = {JsonFolder(path=tmp_path, mapped=Mapped()).fingerprint()}
    prints.add(JsonFolder(path=tmp_path, mapped=Mapped(metadata={"a": 1})).fingerprint())
    file.rename(tmp_path / "b.json")
    prints.add(JsonFolder(path=tmp_path, mapped=Mapped()).fingerprint())
    write(tmp_path, "b.json", {"text": "Two."})
    prints.add(JsonFolder(path=tmp_path, mapped=Mapped()).fingerprint())
    assert len(prints) == 4


def test_folder_without_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no \.json"):
        open_folder(tmp_path, Mapped())
    with pytest.raises(BadInput, match="not a folder"):
        open_folder(tmp_path / "nowhere", Mapped())


def test_metadata_that_is_no_pair_is_refused() -> None:
    for text in ("level", "=2"):
        with pytest.raises(BadInput, match="KEY=VALUE"):
            json_commands.pairs([text])


# --- backups


def test_backup_holds_every_original_and_notices_damage(tmp_path: Path) -> None:
    root, target = tmp_path / "in", tmp_path / "out"
    files = [write(root, "a.json", {"text": "One."}), write(root, "b/c.json", {"text": "Two."})]
    manifest = backups.copy(files, root, target)
    assert (target / "b/c.json").read_bytes() == files[1].read_bytes()
    assert len(json.loads(manifest.read_text())["sha256"]) == 2
    assert backups.damaged(target) == []
    (target / "a.json").write_text("{}")
    (target / "b/c.json").unlink()
    assert backups.damaged(target) == ["a.json", "b/c.json"]
    backups.copy(files, root, target)
    assert backups.damaged(target) == []


def test_backup_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    file, target = write(tmp_path / "in", "a.json", {}), tmp_path / "out"
    target.write_text("a file in the way")
    with pytest.raises(BadInput, match=f"^The backup {target} cannot be made: {target}"):
        backups.copy([file], tmp_path / "in", target)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": 5}'])
def test_manifest_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    file, manifest = write(tmp_path / "in", "a.json", {}), tmp_path / "out" / backups.MANIFEST
    manifest.parent.mkdir()
    manifest.write_text(text)
    with pytest.raises(BadInput, match=f"^{manifest} is not the manifest"):
        backups.copy([file], tmp_path / "in", manifest.parent)


def test_backup_inside_the_folder_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, "a.json", {})
    with pytest.raises(BadInput, match="inside"):
        backups.copy([file], tmp_path, tmp_path / "backup")
    assert list(tmp_path.iterdir()) == [file]
