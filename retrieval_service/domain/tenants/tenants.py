"""Tenants and their API keys as they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """A row of `tenants`; `version` grows with every change."""

    id: UUID
    public_key: UUID
    name: str
    settings: Mapping[str, Any]
    space_id: int | None
    version: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A row of `api_keys` without the hash; `tenant_id` is None for a key that serves many tenants."""

    id: UUID
    tenant_id: UUID | None
    scopes: list[str]
    display_name: str
    created_at: datetime
    revoked_at: datetime | None
