"""What `doctor` says of one part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

NAMED_TENANTS = 5


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the list; `remedy` is "" when all is well.

    What `blocks` keeps the service from the rest of the database, and whoever makes the list too.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    blocks: bool = False


def named(tenant_ids: Sequence[UUID]) -> str:
    """The first few, and how many more there are."""
    more = f" and {len(tenant_ids) - NAMED_TENANTS} more" if len(tenant_ids) > NAMED_TENANTS else ""
    return f"tenants {', '.join(str(one) for one in tenant_ids[:NAMED_TENANTS])}{more}"


def for_tenants(command: str, tenant_ids: Sequence[UUID]) -> str:
    """The command as it has to be given: by itself it is for the profile's tenant only."""
    if len(tenant_ids) == 1:
        return f"{command} --tenant {tenant_ids[0]}"
    return f"{command} --tenant ID, for each of them"
