"""How patiently, how fast and in what portions vector stores are used."""

from __future__ import annotations

from dataclasses import dataclass

from retrieval_service import errors
from retrieval_service.providers.openai.attempts import Persistence
from retrieval_service.providers.openai.files.write_pace import PaceLimits

# The most that one batch may hold; a hundred also keep a request's body below a mebibyte.
MOST_FILES_PER_BATCH = 2000
# Longer than a full minute of writes.
WORK = Persistence(attempts=4, seconds=90.0)
# A person is waiting.
SEARCH = Persistence(attempts=2, seconds=10.0)
PACE = PaceLimits()


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """`work` bounds each step of a change, `search` a search, `pace` the writes to one store.

    A file that is still being processed after `patience_seconds` is slow, after `ingest_seconds` stuck.
    """

    work: Persistence = WORK
    search: Persistence = SEARCH
    patience_seconds: float = 10.0
    ingest_seconds: float = 300.0
    poll_seconds: float = 1.0
    files_per_batch: int = 100
    requests_at_once: int = 4
    pace: PaceLimits = PACE

    def __post_init__(self) -> None:
        if not 1 <= self.files_per_batch <= MOST_FILES_PER_BATCH or self.requests_at_once < 1:
            raise errors.Misconfigured(f"A batch must hold 1-{MOST_FILES_PER_BATCH:,} files.")
