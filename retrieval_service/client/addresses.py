"""What an address of the service says: where to go, and whether TLS is spoken there."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from retrieval_service import errors

# Several servers, sockets of Unix and the like are named as gRPC does.
GRPC_SCHEMES = ("dns:", "unix:", "unix-abstract:", "ipv4:", "ipv6:")
DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, kw_only=True)
class Address:
    """`target` is gRPC's name for it; `host` and `port` are empty for what only gRPC can read."""

    target: str
    host: str = ""
    port: int = 0
    is_secure: bool = False

    @property
    def goes_over_a_network(self) -> bool:
        """Whether somebody between here and there could listen."""
        return not (_is_loopback(self.host) if self.host else self.target.startswith("unix"))


def parse(text: str) -> Address:
    """`https://host:port`, `http://host:port` or `host:port`; raises `Misconfigured`."""
    if text.startswith(GRPC_SCHEMES):
        return Address(target=text)
    parts = _split(text)
    port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    if not parts.hostname or port is None:
        raise _wrong(text, "a host and a port are needed")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise _wrong(text, "only a host and a port may stand in it")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    is_secure = parts.scheme == "https"
    return Address(target=f"dns:///{host}:{port}", host=parts.hostname, port=port, is_secure=is_secure)


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        _ = parts.port  # raises for what is no number
    except ValueError as error:
        raise _wrong(text, "the port or the brackets are wrong") from error
    if parts.scheme not in ("", *DEFAULT_PORTS):
        raise _wrong(text, f"{parts.scheme}:// is not spoken here")
    return parts


def _wrong(text: str, why: str) -> errors.Misconfigured:
    return errors.Misconfigured(
        f"The address {text!r} cannot be used: {why}; it is https://host:port, http://host:port or host:port."
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
