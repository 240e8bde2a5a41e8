"""A process that owns an embedded Postgres: prints the DSN, then waits for its end.

Run as `python -m tests.kits.embedded_owner DATA_DIR durable|hasty` by the tests that kill it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from retrieval_service.postgres.embedded import embedded_postgres


async def own(data_dir: Path, *, durable: bool) -> None:
    async with embedded_postgres(data_dir, durable=durable) as embedded:
        sys.stdout.write(f"{embedded.dsn}\n")
        sys.stdout.flush()
        await embedded.server.wait()


if __name__ == "__main__":
    try:
        asyncio.run(own(Path(sys.argv[1]), durable=sys.argv[2] == "durable"))
    except KeyboardInterrupt:
        sys.exit(0)
