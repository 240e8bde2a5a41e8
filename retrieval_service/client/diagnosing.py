"""Why no connection comes about, in words for people: gRPC says the same of a server that is down and a wrong name."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass

from retrieval_service import errors
from retrieval_service.client import tls as trusting
from retrieval_service.client.addresses import Address
from retrieval_service.client.tls import Tls

PATIENCE_SECONDS = 3.0
# A server of HTTP/2 speaks first. One that does not accept who we are hangs up instead, after the handshake.
FIRST_WORD_SECONDS = 0.5
PROTOCOL = "h2"


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """What follows a good handshake: the protocol agreed on, and whether the server stays on the line."""

    protocol: str
    stays: bool


async def fault(address: Address, tls: Tls) -> str:
    """What is wrong with the connection; empty when it is made, or nothing more can be said than that it is not."""
    if not address.host:
        return ""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await (_secure_fault(address, tls) if address.is_secure else _plain_fault(address))
    except TimeoutError:
        return ""


async def _secure_fault(address: Address, tls: Tls) -> str:
    name = tls.server_name or address.host
    try:
        context = await asyncio.to_thread(_context, tls)
        welcome = await _shake_hands(address, context, name)
    except errors.Misconfigured as error:
        return str(error)
    except ssl.SSLCertVerificationError as error:
        return _untrusted(name, error)
    except ssl.SSLError as error:
        return _unagreed(error)
    except OSError:
        return ""
    if welcome.protocol != PROTOCOL:
        return "it speaks TLS, but not HTTP/2 over it: turn ALPN h2 on in the proxy before the service"
    return "" if welcome.stays else _unwelcome(tls)


async def _plain_fault(address: Address) -> str:
    """Whoever answers a handshake wants https://."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(OSError):
        await _shake_hands(address, context, address.host)
        return "it speaks TLS: write https:// before the address"
    return ""


async def _shake_hands(address: Address, context: ssl.SSLContext, name: str) -> Welcome:
    """Raises what the handshake raises."""
    reader, writer = await asyncio.open_connection(
        address.host, address.port, ssl=context, server_hostname=name
    )
    try:
        protocol = writer.get_extra_info("ssl_object").selected_alpn_protocol() or ""
        return Welcome(protocol=protocol, stays=await _stays(reader))
    finally:
        writer.transport.abort()


async def _stays(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(FIRST_WORD_SECONDS):
            return await reader.read(1) != b""
    except TimeoutError:
        return True
    except (ConnectionError, ssl.SSLError):
        return False


def _context(tls: Tls) -> ssl.SSLContext:
    """Raises `Misconfigured`."""
    trust = trusting.read(tls)
    context = ssl.create_default_context()
    if trust.authorities:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=trust.authorities.decode("ascii", errors="ignore"))
    context.set_alpn_protocols([PROTOCOL])
    if tls.certificate and tls.key:
        context.load_cert_chain(tls.certificate, tls.key)
    return context


def _untrusted(name: str, error: ssl.SSLCertVerificationError) -> str:
    why = error.verify_message.rstrip(".")
    advice = {
        "certificate has expired": "renew it where the service runs",
        "certificate is not yet valid": "compare the clocks of both machines",
        "self-signed certificate": "name it in KLADEZ_TLS_CA if you trust it",
        "self-signed certificate in certificate chain": "name its authority in KLADEZ_TLS_CA",
        "unable to get local issuer certificate": "name its authority in KLADEZ_TLS_CA",
    }.get(why, f"ask for one of {name!r}, or name another in KLADEZ_TLS_SERVER_NAME")
    return f"its certificate is not accepted ({why}): {advice}"


def _unwelcome(tls: Tls) -> str:
    if tls.certificate:
        return "it does not accept the client's certificate: KLADEZ_TLS_CLIENT_CERT"
    return "it asks for a client's certificate: KLADEZ_TLS_CLIENT_CERT and KLADEZ_TLS_CLIENT_KEY"


def _unagreed(error: ssl.SSLError) -> str:
    reason = (error.reason or "").lower().replace("_", " ")
    if "wrong version number" in reason or "record layer failure" in reason:
        return "it does not speak TLS: write http:// before the address, or turn TLS on there"
    return f"no TLS connection comes about ({reason or error})"
