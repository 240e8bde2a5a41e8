"""Makes the first key of an installation, for whoever can reach the database itself."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval_service.services.tenants.authentication import hash_secret, new_secret
from retrieval_service.stores.database import PoolSize, open_database
from retrieval_service.stores.schema import schema
from retrieval_service.stores.tenants import keys


async def mint_key(dsn: str, *, scopes: Sequence[str], display_name: str) -> str:
    """The secret of a new key that belongs to no tenant."""
    await schema.require_current(dsn)
    secret = new_secret()
    size = PoolSize(minimum=1, maximum=1)
    async with open_database(dsn, size) as database, database.operator() as operator:
        await keys.insert(
            operator,
            tenant_id=None,
            secret_hash=hash_secret(secret),
            scopes=scopes,
            display_name=display_name,
        )
    return secret
