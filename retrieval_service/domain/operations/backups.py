"""What a backup says of itself: enough to know a damaged one, and to compare a restored database with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from retrieval_service import errors
from retrieval_service.text import exact_json

FORMAT = 1


class Unusable(errors.KladezError):
    """The backup cannot be used."""

    reason = "BACKUP_UNUSABLE"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A database at one moment; `rows` are counted by table."""

    revision: str
    server_version: int
    vector_version: str
    roles: Sequence[str]
    policy_count: int
    grant_count: int
    closed_tables: Sequence[str]
    functions: Sequence[str]
    is_leakproof: bool
    rows: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A file of pg_dump, and what stood in the database when it was made; `made_at` is in ISO 8601."""

    made_at: str
    tool_release: int
    byte_count: int
    sha256: str
    standing: Standing

    @property
    def row_count(self) -> int:
        return sum(self.standing.rows.values())

    def text(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"


def parsed(text: str) -> Manifest:
    """Raises `Unusable` for anything that `Manifest.text` did not write."""
    try:
        told = exact_json.loads(text)
        if told.pop("format") != FORMAT:
            raise Unusable(f"the manifest has another format than {FORMAT}: a newer Kladez reads it")
        standing = told.pop("standing")
        if not _fits(Standing, standing) or not _fits(Manifest, {**told, "standing": None}):
            raise Unusable("the manifest lacks a part, or has one too many")
        return Manifest(standing=Standing(**standing), **told)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise Unusable("the manifest is not one of a backup") from error


def _fits(kind: type[Standing | Manifest], told: Mapping[str, object]) -> bool:
    return {one.name for one in fields(kind)} == set(told)


def differing(before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """The tables that have not the same number of rows, with both."""
    return [
        f"{table}: {before.get(table, 0):,} then, {after.get(table, 0):,} now"
        for table in sorted({*before, *after})
        if before.get(table, 0) != after.get(table, 0)
    ]
