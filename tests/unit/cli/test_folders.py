"""Which files of a folder are imported, and that every other one is named."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from retrieval_service.cli.imports import backups, folders
from retrieval_service.cli.imports.files import Folder, Problem, Row
from retrieval_service.cli.imports.json_folder import JsonFolder, Mapped

NOBODY = 65534


def json_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"content": "x"}')
    return path


def places(found: folders.Found) -> dict[str, str]:
    return {one.place: one.reason for one in found.left_out}


def test_suffixes_count_in_any_case(tmp_path: Path) -> None:
    for name in ("a.json", "B.JSON", "c.Json", "d.jsonl", "json"):
        json_file(tmp_path / name)
    found = folders.look(tmp_path, {".json"})
    assert [file.name for file in found.files] == ["B.JSON", "a.json", "c.Json"]


def test_links_are_named_and_never_followed(tmp_path: Path) -> None:
    """To a file, to a folder, to nothing, and to the folder itself."""
    secret = json_file(tmp_path / "outside" / "secret.json")
    root = tmp_path / "root"
    json_file(root / "a.json")
    (root / "file.json").symlink_to(secret)
    (root / "folder").symlink_to(secret.parent)
    (root / "nothing.json").symlink_to(tmp_path / "nowhere")
    (root / "circle").symlink_to(root)
    (root / "picture.png").symlink_to(secret)
    found = folders.look(root, {".json"})
    assert [file.name for file in found.files] == ["a.json"]
    assert places(found) == dict.fromkeys(
        ["circle", "file.json", "folder", "nothing.json"], folders.SYMBOLIC_LINK
    )


def test_link_is_reported_by_both_imports_and_not_backed_up(tmp_path: Path) -> None:
    root = tmp_path / "root"
    json_file(root / "a.json")
    (root / "b.json").symlink_to("/etc/passwd")
    (root / "c.md").symlink_to("/etc/passwd")
    folder = JsonFolder(path=root, mapped=Mapped())
    assert [entry.place for entry in folder.entries() if isinstance(entry, Problem)] == ["b.json"]
    assert [entry.place for entry in Folder(path=root).entries() if isinstance(entry, Problem)] == ["c.md"]
    target = tmp_path / "backup"
    backups.copy(folder.files(), root, target)
    assert sorted(path.name for path in target.iterdir()) == ["a.json", backups.MANIFEST]


def test_folder_that_is_a_link_itself_is_read(tmp_path: Path) -> None:
    json_file(tmp_path / "root" / "a.json")
    (tmp_path / "link").symlink_to(tmp_path / "root")
    entries = list(JsonFolder(path=tmp_path / "link", mapped=Mapped()).entries())
    assert [type(entry) for entry in entries] == [Row]


def test_hidden_files_and_folders_are_left_out_by_name(tmp_path: Path) -> None:
    json_file(tmp_path / ".a.json")
    json_file(tmp_path / ".git" / "b.json")
    json_file(tmp_path / "sub" / ".c.JSON")
    json_file(tmp_path / "sub" / "d.json")
    found = folders.look(tmp_path, {".json"})
    assert [file.name for file in found.files] == ["d.json"]
    assert found.hidden == [".a.json", ".git/", "sub/.c.JSON"]


def test_what_is_no_file_is_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    json_file(tmp_path / "folder.json" / "a.json")
    found = folders.look(tmp_path, {".json"})
    assert [file.name for file in found.files] == ["a.json"]
    assert places(found) == {"pipe.json": "is no regular file"}


def test_name_in_another_encoding_is_named(tmp_path: Path) -> None:
    json_file(tmp_path / os.fsdecode(b"pre\xe7o.json"))
    assert places(folders.look(tmp_path, {".json"})) == {"pre\\xe7o.json": "has a name that is not UTF-8"}


@contextlib.contextmanager
def without_rights() -> Iterator[None]:
    """As somebody who may not read everything; the tests may be run by root."""
    real, effective, saved = os.getresuid()
    os.setresuid(NOBODY if real == 0 else real, NOBODY if real == 0 else effective, saved)
    try:
        yield
    finally:
        os.setresuid(real, effective, saved)


def test_unreadable_files_and_folders_are_named() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        json_file(root / "closed.json").chmod(0)
        json_file(root / "shut" / "a.json")
        (root / "shut").chmod(0)
        with without_rights():
            found = folders.look(root, {".json"})
        (root / "shut").chmod(0o700)
    reason = "cannot be read: Permission denied"
    assert places(found) == {"closed.json": reason, "shut": reason}
