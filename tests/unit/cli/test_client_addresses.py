"""What an address of the service says."""

from __future__ import annotations

import pytest

from retrieval_service import errors
from retrieval_service.client import addresses


@pytest.mark.parametrize(
    ("text", "target", "is_secure"),
    [
        ("127.0.0.1:50051", "dns:///127.0.0.1:50051", False),
        ("service:50051", "dns:///service:50051", False),
        ("http://service:50051", "dns:///service:50051", False),
        ("https://service:50051", "dns:///service:50051", True),
        ("https://service:50051/", "dns:///service:50051", True),
        ("https://kb.example", "dns:///kb.example:443", True),
        ("http://kb.example", "dns:///kb.example:80", False),
        ("HTTPS://kb.example", "dns:///kb.example:443", True),
        ("[::1]:50051", "dns:///[::1]:50051", False),
        ("https://[2001:db8::1]:50051", "dns:///[2001:db8::1]:50051", True),
        ("dns:///headless:50051", "dns:///headless:50051", False),
        ("ipv4:127.0.0.1:1,127.0.0.1:2", "ipv4:127.0.0.1:1,127.0.0.1:2", False),
        ("unix:/run/kladez.sock", "unix:/run/kladez.sock", False),
    ],
)
def test_address_is_read(text: str, target: str, is_secure: bool) -> None:
    address = addresses.parse(text)
    assert (address.target, address.is_secure) == (target, is_secure)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "service",
        "service:",
        "service:port",
        "service:70000",
        "https://",
        "https://:443",
        "https://kb.example/prefix",
        "https://kb.example?x=1",
        "https://key@kb.example",
        "grpcs://kb.example:443",
        "[::1:50051",
    ],
)
def test_what_is_no_address_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(errors.Misconfigured, match="https://host:port"):
        addresses.parse(text)


@pytest.mark.parametrize(
    ("text", "leaves"),
    [
        ("127.0.0.1:50051", False),
        ("127.9.9.9:50051", False),
        ("localhost:50051", False),
        ("kb.localhost:50051", False),
        ("[::1]:50051", False),
        ("unix:/run/kladez.sock", False),
        ("service:50051", True),
        ("10.0.0.1:50051", True),
        ("localhost.example:50051", True),
        ("dns:///service:50051", True),
    ],
)
def test_what_leaves_the_machine_is_known(text: str, leaves: bool) -> None:
    assert addresses.parse(text).goes_over_a_network is leaves
