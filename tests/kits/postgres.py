"""One real Postgres for a whole test session, fast because it need not survive a power cut."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieval_service.postgres.embedded import Embedded, embedded_postgres


@contextmanager
def start_server(folder: Path | None = None) -> Iterator[Embedded]:
    """Run an embedded Postgres on a free port, in `folder` or in a temporary one, removed afterwards.

    For synchronous fixtures of any scope. Its event loop runs only while the server starts and stops, so it
    is in nobody's way.
    """
    with (
        tempfile.TemporaryDirectory() as temporary,
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
    ):
        server = embedded_postgres(folder or Path(temporary), durable=False)
        embedded = runner.run(server.__aenter__())
        try:
            yield embedded
        finally:
            runner.run(server.__aexit__(None, None, None))
