"""Which documents a search may find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Which documents may be found; empty fields allow all.

    `metadata` holds `{"key": …, "any": […]}` and `{"key": …, "lower": …, "upper": …}`. `tenant_id` is for providers,
    where a store may hold files that are not the tenant's.
    """

    source_types: Sequence[str] = ()
    sections: Sequence[str] = ()
    tags: Sequence[str] = ()
    languages: Sequence[str] = ()
    metadata: Sequence[Mapping[str, Any]] = ()
    tenant_id: UUID | None = None

    @property
    def unlimited(self) -> bool:
        return not (self.source_types or self.sections or self.tags or self.languages or self.metadata)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Documents that a call is about: those with the ids, or, without any, those that meet the conditions.

    Deleted ones belong to it only where `deleted_too` says so, and no others where `deleted_only` does. It
    never means all of a tenant's living documents: that one is `empty`.
    """

    ids: Sequence[UUID] = ()
    conditions: Conditions = field(default_factory=Conditions)
    deleted_too: bool = False
    deleted_only: bool = False

    @property
    def empty(self) -> bool:
        return not (self.ids or self.deleted_only) and self.conditions.unlimited
