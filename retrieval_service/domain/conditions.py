"""Which documents a search may find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Which documents may be found; empty fields allow all.

    `metadata` holds `{"key": …, "any": […]}` and `{"key": …, "lower": …, "upper": …}`.
    """

    source_types: Sequence[str] = ()
    sections: Sequence[str] = ()
    tags: Sequence[str] = ()
    languages: Sequence[str] = ()
    metadata: Sequence[Mapping[str, Any]] = ()

    @property
    def unlimited(self) -> bool:
        return not (self.source_types or self.sections or self.tags or self.languages or self.metadata)
