"""Copies of the files that an import read, with a manifest that tells whether they are still what they were."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from retrieval_service.cli.failures import BadInput

MANIFEST = "manifest.json"


def copy(files: Iterable[Path], root: Path, target: Path) -> Path:
    """Copies files below `root` to the same places below `target`; returns the manifest, which is written last.

    A copy that is complete already is left alone. Raises `BadInput` when the target lies inside the root,
    where the next import would read it, when it cannot be written, or when a file changes while it is copied.
    """
    if target.resolve().is_relative_to(root.resolve()):
        raise BadInput(f"The backup {target} must not lie inside {root}.")
    try:
        return _copied(files, root, target)
    except OSError as error:
        raise BadInput(f"The backup {target} cannot be made: {error.filename}: {error.strerror}") from error


def _copied(files: Iterable[Path], root: Path, target: Path) -> Path:
    manifest = target / MANIFEST
    wanted = {file.relative_to(root).as_posix(): _digest(file) for file in files}
    if manifest.exists() and damaged(target) == [] and _read(manifest) == wanted:
        return manifest
    for name, digest in wanted.items():
        _copy_file(root / name, target / name, digest)
    _write(manifest, wanted)
    return manifest


def damaged(target: Path) -> list[str]:
    """The names in the manifest whose copies are missing or are not what they were."""
    return [
        name
        for name, digest in _read(target / MANIFEST).items()
        if not (target / name).is_file() or _digest(target / name) != digest
    ]


def _copy_file(source: Path, target: Path, digest: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
    if _digest(target) != digest:
        raise BadInput(f"{source} changed while it was copied.")


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _read(manifest: Path) -> dict[str, str]:
    """SHA-256 as hex by name. Raises `BadInput` for a file that `_write` did not write."""
    try:
        return dict(json.loads(manifest.read_text(encoding="utf-8"))["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{manifest} is not the manifest of such a backup: mend or remove it") from error


def _write(manifest: Path, digests: dict[str, str]) -> None:
    """As a whole or not at all: a manifest that exists vouches for every file."""
    manifest.parent.mkdir(parents=True, exist_ok=True)
    unfinished = manifest.with_suffix(".unfinished")
    unfinished.write_text(json.dumps({"sha256": digests}, ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(unfinished, manifest)
