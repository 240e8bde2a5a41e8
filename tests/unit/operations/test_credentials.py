"""What the metadata of a call says: the key, the tenant, and where it comes from."""

from __future__ import annotations

import uuid

import pytest

from retrieval_service import errors
from retrieval_service.api.access import credentials

TENANT = uuid.uuid4()


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_schemes_case_does_not_matter(scheme: str) -> None:
    shown = credentials.read([("authorization", f"{scheme} key"), ("x-tenant-id", str(TENANT))])
    assert (shown.secret, shown.tenant_id) == ("key", TENANT)


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        [("authorization", "")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer ")],
        [("authorization", "Basic key")],
        [("authorization", "key")],
        [("authorization", "Bearer " + "x" * 201)],
        [("authorization", "Bearer one"), ("authorization", "Bearer two")],
    ],
)
def test_anything_else_is_no_key(metadata: list[tuple[str, str]]) -> None:
    with pytest.raises(errors.KeyMissing):
        credentials.read(metadata)


@pytest.mark.parametrize(
    "tenants", [["no uuid"], [str(TENANT), str(TENANT)], [str(TENANT), str(uuid.uuid4())]]
)
def test_tenant_is_one_uuid(tenants: list[str]) -> None:
    pairs = [("authorization", "Bearer key"), *(("x-tenant-id", one) for one in tenants)]
    with pytest.raises(errors.Invalid, match="x-tenant-id"):
        credentials.read(pairs)


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("ipv4:203.0.113.9:5123", "203.0.113.9"),
        ("ipv6:%5B2001:db8:1:2::9%5D:5123", "2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::/64"),
        ("ipv6:%5B::ffff:203.0.113.9%5D:5123", "203.0.113.9"),
        ("ipv6:%5Bfe80::1%25eth0%5D:5123", "fe80::/64"),
        ("unix:/run/kladez.sock", "unix"),
        ("", ""),
        ("ipv4:garbage", "garbage"),
    ],
)
def test_peer_is_known_by_its_network(peer: str, network: str) -> None:
    assert credentials.network_of(peer) == network
