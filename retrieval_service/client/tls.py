"""How a client knows the service to be the right one, and shows who it is itself: files that may be renewed."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from retrieval_service import certificates, errors
from retrieval_service.certificates import Identity, PemFile

PREFIX = "KLADEZ_"
# Where systems keep the authorities that they believe, when OpenSSL was built without knowing.
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class TlsSettings(BaseSettings):
    """What every client of the service reads from the environment, besides its address and its key."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    tls_ca: Path | None = Field(
        default=None,
        description="Authorities to believe, in PEM. Without it those of the system are believed.",
        examples=["/etc/kladez/authority.pem"],
    )
    tls_client_cert: Path | None = Field(
        default=None,
        description="The certificate for a service that asks for one.",
        examples=["/etc/kladez/client.pem"],
    )
    tls_client_key: Path | None = Field(
        default=None,
        description="The key of this certificate. No other account may be able to read the file.",
        examples=["/etc/kladez/client.key"],
    )
    tls_server_name: str = Field(
        default="",
        description="The name to expect in the service's certificate. Without it that is the host of the address.",
        examples=["kb.example"],
    )


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Without `ca` the system's authorities are believed; the certificate is for services that ask for one.

    `server_name` is expected in the service's certificate instead of the address's host.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""

    @property
    def files(self) -> list[PemFile]:
        named = {
            "KLADEZ_TLS_CA": self.ca,
            "KLADEZ_TLS_CLIENT_CERT": self.certificate,
            "KLADEZ_TLS_CLIENT_KEY": self.key,
        }
        return [PemFile(setting=setting, path=path) for setting, path in named.items() if path]


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What the files held when they were read; `authorities` is None for those that gRPC brings along."""

    authorities: bytes | None
    identity: Identity | None = field(repr=False)

    @property
    def credentials(self) -> grpc.ChannelCredentials:
        if self.identity is None:
            return grpc.ssl_channel_credentials(self.authorities)
        return grpc.ssl_channel_credentials(self.authorities, self.identity.key, self.identity.chain)


def from_environment() -> Tls:
    """Raises `Misconfigured`."""
    try:
        settings = TlsSettings()
    except ValidationError as error:
        wrong = "; ".join(f"{PREFIX}{str(one['loc'][0]).upper()}: {one['msg']}" for one in error.errors())
        raise errors.Misconfigured(wrong) from None
    return Tls(
        ca=settings.tls_ca,
        certificate=settings.tls_client_cert,
        key=settings.tls_client_key,
        server_name=settings.tls_server_name,
    )


def read(tls: Tls) -> Trust:
    """Raises `Misconfigured` naming the setting whose file is wrong."""
    files = {file.setting: file for file in tls.files}
    authorities = files.get("KLADEZ_TLS_CA")
    certificate, key = files.get("KLADEZ_TLS_CLIENT_CERT"), files.get("KLADEZ_TLS_CLIENT_KEY")
    if bool(certificate) != bool(key):
        missing = "KLADEZ_TLS_CLIENT_KEY" if certificate else "KLADEZ_TLS_CLIENT_CERT"
        raise errors.Misconfigured(f"{missing}: a certificate and its key are needed together")
    return Trust(
        authorities=certificates.read_authorities(authorities) if authorities else system_authorities(),
        identity=certificates.read_identity(certificate, key) if certificate and key else None,
    )


def system_authorities() -> bytes | None:
    """None when none are found. What gRPC or OpenSSL were told in their own way counts first."""
    told = os.environ.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")
    places = (told, ssl.get_default_verify_paths().cafile, *BUNDLES)
    found = next((Path(place) for place in places if place and Path(place).is_file()), None)
    return found.read_bytes() if found else None
