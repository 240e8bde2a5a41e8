"""The call being served: who calls, for which tenant, until when."""

from __future__ import annotations

import contextvars
from dataclasses import dataclass
from uuid import UUID

from retrieval_service import errors
from retrieval_service.services.tenants.authentication import Caller


@dataclass(slots=True, kw_only=True)
class Call:
    """`deadline` is ours, in the event loop's time, None when the client's own comes first.

    `caller` is None until the key is known, and for public methods.
    """

    method: str
    request_id: str
    deadline: float | None = None
    caller: Caller | None = None
    outcome: str = "OK"
    reason: str = ""


CURRENT: contextvars.ContextVar[Call] = contextvars.ContextVar("call")


def current() -> Call:
    """The call this task serves; only servicers ask."""
    return CURRENT.get()


def caller() -> Caller:
    """Who calls a method that is not public."""
    known = current().caller
    if known is None:
        raise errors.KeyMissing
    return known


def tenant_id() -> UUID:
    """The tenant the caller acts for; the gate has checked that there is one."""
    return tenant_of(current())


def tenant_of(call: Call) -> UUID:
    """Raises `TenantMissing` when the key serves many tenants and named none."""
    if call.caller is None or call.caller.tenant_id is None:
        raise errors.TenantMissing
    return call.caller.tenant_id
