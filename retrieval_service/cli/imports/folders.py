"""The files of a folder that an import may read, and those that it leaves out."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from retrieval_service.cli.failures import BadInput

SYMBOLIC_LINK = "is a symbolic link, which is not followed"


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A file or folder that cannot be read or must not be, and why."""

    place: str
    reason: str


@dataclass(kw_only=True)
class Found:
    """Files in the order of their paths, what could not be read, and the names of what is hidden."""

    files: list[Path] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)


def look(root: Path, suffixes: Collection[str]) -> Found:
    """All files below the folder with one of the suffixes, whatever their case.

    Links are not followed: what they point to may be anybody's. The folder itself may be one.
    """
    found = Found()
    for path in _below(root, found):
        if path.suffix.lower() in suffixes:
            _sort_in(path, root, found)
    found.files.sort()
    found.left_out.sort(key=lambda one: one.place)
    found.hidden.sort()
    return found


def content_of(file: Path) -> bytes:
    """Raises `BadInput` for a file that has become unreadable since it was found."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from error


def _below(root: Path, found: Found) -> Iterator[Path]:
    """Every file; folders that are hidden or links are named and not entered."""

    def unreadable(error: OSError) -> None:
        place = _name(Path(error.filename), root)
        found.left_out.append(LeftOut(place=place, reason=f"cannot be read: {error.strerror}"))

    for folder, subfolders, files in os.walk(root, onerror=unreadable):
        here = Path(folder)
        for name in list(subfolders):
            if not _may_enter(here / name, root, found):
                subfolders.remove(name)
        yield from (here / name for name in files)


def _may_enter(folder: Path, root: Path, found: Found) -> bool:
    if folder.name.startswith("."):
        found.hidden.append(f"{_name(folder, root)}/")
        return False
    if folder.is_symlink():
        found.left_out.append(LeftOut(place=_name(folder, root), reason=SYMBOLIC_LINK))
        return False
    return True


def _sort_in(path: Path, root: Path, found: Found) -> None:
    if path.name.startswith("."):
        found.hidden.append(_name(path, root))
    elif reason := _obstacle(path, root):
        found.left_out.append(LeftOut(place=_name(path, root), reason=reason))
    else:
        found.files.append(path)


def _obstacle(path: Path, root: Path) -> str:
    """Why the file cannot be imported; "" when nothing hinders."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return SYMBOLIC_LINK
    if not stat.S_ISREG(mode):
        return "is no regular file"
    if not os.access(path, os.R_OK):
        return "cannot be read: Permission denied"
    return "" if _is_utf8(path.relative_to(root)) else "has a name that is not UTF-8"


def _is_utf8(path: Path) -> bool:
    """Names in other encodings come with halves of surrogate pairs, which nothing else takes."""
    return _printable(path.as_posix()) == path.as_posix()


def _name(path: Path, root: Path) -> str:
    return _printable(path.relative_to(root).as_posix())


def _printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")
