"""Codes with which a conversation goes on in another channel; only their hashes are kept."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection

from retrieval_service.stores.database import TenantScope, only

INSERT = """
INSERT INTO handoffs (tenant_id, code_hash, session_id, expires_at)
VALUES (%(tenant_id)s, %(code_hash)s, %(session_id)s, now() + make_interval(secs => %(seconds)s))
RETURNING expires_at
"""


async def insert(scope: TenantScope, session_id: UUID, code_hash: bytes, *, seconds: float) -> datetime:
    """When the code expires."""
    parameters = {
        "tenant_id": scope.tenant_id,
        "session_id": session_id,
        "code_hash": code_hash,
        "seconds": seconds,
    }
    return only(await (await scope.connection.execute(INSERT, parameters)).fetchone())[0]


CLAIM = """
UPDATE handoffs SET claimed_at = now(), channel = %(channel)s, user_key = %(user_key)s
WHERE code_hash = %(code_hash)s AND claimed_at IS NULL AND expires_at > now()
    AND (%(tenant_id)s::uuid IS NULL OR tenant_id = %(tenant_id)s)
RETURNING tenant_id, session_id
"""


async def claim(
    operator: AsyncConnection, code_hash: bytes, *, tenant_id: UUID | None, channel: str, user_key: str
) -> tuple[UUID, UUID] | None:
    """The tenant and its session, once; None for any other code. `tenant_id` None lets every tenant's pass."""
    parameters = {
        "code_hash": code_hash,
        "tenant_id": tenant_id,
        "channel": channel,
        "user_key": user_key,
    }
    row = await (await operator.execute(CLAIM, parameters)).fetchone()
    return (row[0], row[1]) if row else None


FORGET_EXPIRED = "DELETE FROM handoffs WHERE expires_at < now() AND claimed_at IS NULL"


async def forget_expired(operator: AsyncConnection) -> None:
    """Of all tenants; claimed ones stay with their session."""
    await operator.execute(FORGET_EXPIRED)
