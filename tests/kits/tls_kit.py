"""The service of a test on a port that speaks TLS."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

from tests.kits.certificate_files import Authority, Files
from tests.kits.service_kit import Running, serving


@contextlib.asynccontextmanager
async def secure(running: Running, files: Files, clients: Authority | None = None) -> AsyncIterator[int]:
    """The same service on a port of its own, with these files."""
    told = {"tls_cert": files.certificate, "tls_key": files.key, "tls_client_ca": clients and clients.path}
    settings = running.service.settings.model_copy(update=told)
    async with serving(replace(running.service, settings=settings)) as port:
        yield port
