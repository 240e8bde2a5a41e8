"""The server's log file: kept short, and read back when the server does not start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

_LIMIT_BYTES = 8 * 2**20
_TAIL_CHARACTERS = 2000


@dataclass(frozen=True, kw_only=True)
class ServerLog:
    """The log at `path`; what stands behind `offset` was written since it was opened."""

    path: Path
    offset: int

    @classmethod
    def opened(cls, path: Path) -> Self:
        """Put a long log aside (one old file is kept) and remember where the new lines will begin."""
        size = path.stat().st_size if path.exists() else 0
        if size > _LIMIT_BYTES:
            path.replace(path.with_suffix(".log.old"))
            size = 0
        return cls(path=path, offset=size)

    def since_opened(self) -> str:
        """The last lines since then, at most 2,000 characters."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read().decode(errors="replace")[-_TAIL_CHARACTERS:]
