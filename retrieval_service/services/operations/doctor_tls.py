"""The part of the checklist about certificates: nothing without one, else until when it is good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from retrieval_service import certificates, errors
from retrieval_service.config import Settings
from retrieval_service.domain.operations.findings import Finding

SOON = timedelta(days=14)
NAME = "TLS certificate"


def examine(settings: Settings) -> list[Finding]:
    """Reads files: call it in a thread."""
    try:
        files = certificates.server_files(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
        if files is None:
            return []
        if files.client_authorities:
            certificates.read_authorities(files.client_authorities)
        return [_validity(certificates.expires_at(files.certificate, files.key))]
    except errors.Misconfigured as error:
        return [Finding(name=NAME, ok=False, detail=str(error), remedy="put files there that can be used")]


def _validity(until: datetime) -> Finding:
    ok = until - datetime.now(UTC) > SOON
    remedy = "" if ok else "renew it: the new files are taken without a restart"
    return Finding(name=NAME, ok=ok, detail=f"valid until {until:%Y-%m-%d %H:%M} UTC", remedy=remedy)
