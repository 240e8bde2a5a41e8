"""Proofs of the conversation that a caller may use."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class SessionProof:
    """A conversation, and the SHA-256 of the token that proves it; None for a caller who may touch any."""

    session_id: UUID
    token_hash: bytes | None = None
