"""Files for the owner's eyes only."""

from __future__ import annotations

import os
from pathlib import Path

from retrieval_service.cli.failures import BadInput


def write(path: Path, text: str) -> None:
    """The file appears whole or not at all, and nobody else can read it."""
    scratch = path.with_name(f"{path.name}.new")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    scratch.replace(path)


def write_secret(path: Path, secret: str) -> None:
    """As `write`, for a file that somebody named on the command line. Raises `BadInput` when it cannot be written."""
    try:
        write(path, f"{secret}\n")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from error
