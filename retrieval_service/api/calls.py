"""The call that is served: its caller, its tenant and its deadline."""

from __future__ import annotations

import contextvars
from dataclasses import dataclass
from uuid import UUID

from retrieval_service import errors
from retrieval_service.services.tenants.authentication import Caller


@dataclass(slots=True, kw_only=True)
class Call:
    """`deadline` is the service's, in the event loop's time; None when the client's own is earlier.

    `caller` is None until the key is checked, and for public methods.
    """

    method: str
    request_id: str
    deadline: float | None = None
    caller: Caller | None = None
    outcome: str = "OK"
    reason: str = ""


CURRENT: contextvars.ContextVar[Call] = contextvars.ContextVar("call")


def current() -> Call:
    """The call that this task serves. Only servicers use it."""
    return CURRENT.get()


def caller() -> Caller:
    """The caller of a method that is not public."""
    known = current().caller
    if known is None:
        raise errors.KeyMissing
    return known


def tenant_id() -> UUID:
    """The tenant the caller acts for; the gate has checked that there is one."""
    return tenant_of(current())


def tenant_of(call: Call) -> UUID:
    """Raises `TenantMissing` when the key is for many tenants and the call names none."""
    if call.caller is None or call.caller.tenant_id is None:
        raise errors.TenantMissing
    return call.caller.tenant_id
