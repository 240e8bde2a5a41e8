"""Reads the caller's credentials from the metadata of a call."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address
from urllib.parse import unquote
from uuid import UUID

from retrieval_service import errors

MAX_KEY_CHARACTERS = 200
# Providers give one customer an IPv6 network of this prefix length.
NETWORK_BITS = 64

Pairs = Iterable[tuple[str, str | bytes]]


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """An unchecked secret, and the tenant that the caller wants to act for."""

    secret: str
    tenant_id: UUID | None


def read(metadata: Pairs) -> Credentials:
    """Raises `KeyMissing`, or `Invalid` for a malformed tenant id or for a header that is sent twice."""
    authorizations, tenants = values(metadata)
    scheme, _, secret = (authorizations[0] if len(authorizations) == 1 else "").partition(" ")
    # RFC 9110: the scheme's case does not matter.
    if scheme.lower() != "bearer" or not secret or len(secret) > MAX_KEY_CHARACTERS:
        raise errors.KeyMissing
    if len(tenants) > 1:
        raise refused_tenant("is given more than once")
    return Credentials(secret=secret, tenant_id=wanted_tenant(tenants[0]) if tenants else None)


def values(metadata: Pairs) -> tuple[list[str], list[str]]:
    """Of `authorization` and of `x-tenant-id`."""
    pairs = list(metadata)
    authorizations = [str(value) for name, value in pairs if name == "authorization"]
    return authorizations, [str(value) for name, value in pairs if name == "x-tenant-id"]


def wanted_tenant(value: str) -> UUID | None:
    if not value:
        return None
    try:
        return UUID(value)
    except ValueError as error:
        raise refused_tenant("is not a UUID") from error


def refused_tenant(description: str) -> errors.Invalid:
    return errors.Invalid([errors.Violation("x-tenant-id", description)])


def network_of(peer: str) -> str:
    """The network that limits are counted for: an IPv4 address, or an IPv6 network."""
    kind, _, place = unquote(peer).partition(":")
    if kind not in ("ipv4", "ipv6"):
        return kind  # a Unix socket has no address
    try:
        address = ip_address(place.rpartition(":")[0].strip("[]"))
    except ValueError:
        return place
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address) >> NETWORK_BITS << NETWORK_BITS, NETWORK_BITS)))
