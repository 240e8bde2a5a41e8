"""Certificates and keys in files: checked before they are used, and looked at again to see whether they changed.

Every fault names the setting that names the file; nothing of a key is ever said.
"""

from __future__ import annotations

import contextlib
import ssl
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from retrieval_service import errors

Signature = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, kw_only=True)
class PemFile:
    """A file, and the setting that names it."""

    setting: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A certificate with those that vouch for it, and its private key, as PEM."""

    chain: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ServerFiles:
    """With `client_authorities` only clients are served whose certificate one of them has signed."""

    certificate: PemFile
    key: PemFile
    client_authorities: PemFile | None

    @property
    def all(self) -> list[PemFile]:
        return [self.certificate, self.key, *([self.client_authorities] if self.client_authorities else [])]


def server_files(certificate: Path | None, key: Path | None, authorities: Path | None) -> ServerFiles | None:
    """None for plain gRPC; raises `Misconfigured` when one setting is there and another one is missing."""
    if certificate is None or key is None:
        if certificate or key or authorities:
            missing = "KLADEZ_TLS_KEY" if certificate else "KLADEZ_TLS_CERT"
            raise errors.Misconfigured(f"{missing}: a certificate and its key are needed together")
        return None
    return ServerFiles(
        certificate=PemFile(setting="KLADEZ_TLS_CERT", path=certificate),
        key=PemFile(setting="KLADEZ_TLS_KEY", path=key),
        client_authorities=PemFile(setting="KLADEZ_TLS_CLIENT_CA", path=authorities) if authorities else None,
    )


def read_identity(certificate: PemFile, key: PemFile) -> Identity:
    """Raises `Misconfigured` for files that cannot be read, do not belong together, or are open to everybody."""
    _refuse_open_key(key)
    identity = Identity(chain=read(certificate), key=read(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate.path, key.path, password=_no_password)
    except ssl.SSLError as error:
        raise errors.Misconfigured(_fault_of_pair(certificate, key, error)) from error
    return identity


def read_authorities(file: PemFile) -> bytes:
    """One or more certificates whose signature is believed. Raises `Misconfigured`."""
    content = read(file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=content.decode("ascii", errors="ignore"))
    except (ssl.SSLError, ValueError) as error:
        raise errors.Misconfigured(f"{file.setting}: {file.path} holds no certificate in PEM") from error
    return content


def read(file: PemFile) -> bytes:
    try:
        return file.path.read_bytes()
    except OSError as error:
        raise errors.Misconfigured(
            f"{file.setting}: {file.path} cannot be read ({error.strerror})"
        ) from error


def expires_at(certificate: PemFile, key: PemFile) -> datetime:
    """When the certificate ends; raises `Misconfigured` when it has, or is no certificate at all.

    Python's ssl reads a certificate only when it is shown: both sides of a handshake stand here.
    """
    read_identity(certificate, key)
    shows, sees = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    shows.load_cert_chain(certificate.path, key.path)
    sees.load_verify_locations(certificate.path)
    sees.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    sees.check_hostname = False
    try:
        shown = _shown(shows, sees)
    except ssl.SSLCertVerificationError as error:
        raise errors.Misconfigured(f"{certificate.setting}: {error.verify_message}") from error
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)


def _shown(shows: ssl.SSLContext, sees: ssl.SSLContext) -> Mapping[str, object]:
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = shows.wrap_bio(there, back, server_side=True)
    client = sees.wrap_bio(back, there, server_hostname="shown")
    for side in (client, server, client):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return client.getpeercert() or {}


def signature(files: Iterable[PemFile]) -> Signature:
    """Changes when a file is written anew or replaced; a file that is missing for a moment counts as empty."""
    return tuple(_mark(file.path) for file in files)


def _mark(path: Path) -> tuple[int, int, int]:
    try:
        now = path.stat()
    except OSError:
        return (0, 0, 0)
    return (now.st_ino, now.st_mtime_ns, now.st_size)


def _refuse_open_key(key: PemFile) -> None:
    try:
        mode = key.path.stat().st_mode
    except OSError:
        return  # reading it says why
    if mode & stat.S_IRWXO:
        raise errors.Misconfigured(f"{key.setting}: {key.path} is open to every account: chmod o= it")


def _fault_of_pair(certificate: PemFile, key: PemFile, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{key.setting}: {key.path} is not the key of {certificate.setting} ({certificate.path})"
    if b"-----BEGIN CERTIFICATE" not in certificate.path.read_bytes():
        return f"{certificate.setting}: {certificate.path} holds no certificate in PEM"
    return f"{key.setting}: {key.path} holds no private key in PEM that can be read without a password"


def _no_password() -> str:
    """Otherwise OpenSSL would ask for it on the terminal."""
    return ""
