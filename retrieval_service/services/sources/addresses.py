"""Where the databases of sources are: in variables of this process's environment, and nowhere else."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping

from pydantic import SecretStr

from retrieval_service import errors
from retrieval_service.domain.documents.sources import Source
from retrieval_service.stores.sources.source_rows import SourceReader, open_reader


class SourceAddresses:
    """Only variables that begin with `prefix` may be named, and only `dsns` holds their values."""

    def __init__(self, prefix: str, dsns: Mapping[str, SecretStr], *, timeout_seconds: float) -> None:
        self.prefix = prefix
        self._dsns = dsns
        self._timeout_seconds = timeout_seconds

    @contextlib.asynccontextmanager
    async def reader(self, source: Source) -> AsyncIterator[SourceReader]:
        """Raises `Misconfigured` when the variable is not set here."""
        dsn = self._dsns.get(source.dsn_variable)
        if dsn is None or not source.dsn_variable.startswith(self.prefix):
            raise errors.Misconfigured(
                f"the variable {source.dsn_variable} is not set where the service runs"
            )
        async with open_reader(
            source, dsn.get_secret_value(), timeout_seconds=self._timeout_seconds
        ) as reader:
            yield reader
