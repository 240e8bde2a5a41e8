"""TLS of the server: its certificate and its demands on clients. Changed files are read again."""

from __future__ import annotations

import grpc
import structlog

from retrieval_service import certificates, errors
from retrieval_service.certificates import ServerFiles
from retrieval_service.config import Settings

log = structlog.get_logger("kladez.tls")


def credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """None for plain gRPC. Raises `Misconfigured` when the files cannot be used at the start.

    Files that change later are used when they are valid, and ignored otherwise.
    """
    files = certificates.server_files(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    if files is None:
        return None
    renewal = Renewal(files)
    return grpc.dynamic_ssl_server_credentials(
        configuration(files),
        renewal.fetch,  # pyright: ignore[reportArgumentType] - None is allowed: nothing is new
        require_client_authentication=files.client_authorities is not None,
    )


def configuration(files: ServerFiles) -> grpc.ServerCertificateConfiguration:
    identity = certificates.read_identity(files.certificate, files.key)
    authorities = files.client_authorities
    return grpc.ssl_server_certificate_configuration(
        [(identity.key, identity.chain)],
        root_certificates=certificates.read_authorities(authorities) if authorities else None,
    )


class Renewal:
    """Called by a thread of gRPC before each handshake. Without changes it costs three `stat` calls."""

    def __init__(self, files: ServerFiles) -> None:
        self._files = files
        self._seen = certificates.signature(files.all)

    def fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """None when nothing is new. Wrong or half-written files are ignored until they change again."""
        now = certificates.signature(self._files.all)
        if now == self._seen:
            return None
        self._seen = now
        try:
            renewed = configuration(self._files)
        except errors.Misconfigured as error:
            log.warning("certificate_not_renewed", reason=str(error))
            return None
        log.info("certificate_renewed", certificate=str(self._files.certificate.path))
        return renewed
