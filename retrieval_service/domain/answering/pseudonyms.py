"""Pseudonyms by which a provider tells askers apart without knowing them."""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID


class Pseudonyms:
    """Pseudonyms of one key. Only the holder of the key can find an asker again."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, tenant_id: UUID, user_key: str, session_id: UUID | None) -> str:
        """64 hexadecimal digits: the same for all sessions of a customer, never for two tenants."""
        asker = f"user:{user_key}" if user_key else f"session:{session_id or ''}"
        return hmac.new(self._key, f"{tenant_id}\0{asker}".encode(), hashlib.sha256).hexdigest()
