"""What `doctor` says of one part."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the list; `remedy` is "" when all is well."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
