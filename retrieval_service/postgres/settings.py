"""The embedded server's settings, for a machine that also runs everything else."""

from __future__ import annotations

import shutil
from pathlib import Path

from retrieval_service.postgres.connection import HOST

_MAINTENANCE_MEGABYTES = 256
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only its size is read

_ALWAYS = (
    "cluster_name=kladez",
    f"listen_addresses={HOST}",
    "unix_socket_directories=",  # a socket would be one more door to guard
    "max_connections=100",
    "shared_buffers=256MB",
    "effective_cache_size=1GB",
    "work_mem=16MB",
    f"maintenance_work_mem={_MAINTENANCE_MEGABYTES}MB",
    "max_wal_size=2GB",
    "checkpoint_timeout=15min",
    "random_page_cost=1.1",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_checkpoints=off",
    # A failed statement carries questions and documents, which no log may hold.
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
)
_NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def server_settings(port: int, *, durable: bool) -> tuple[str, ...]:
    """`name=value` for each setting; `durable=False` trades safety in a power cut for speed (tests)."""
    workers = f"max_parallel_maintenance_workers={_parallel_maintenance_workers()}"
    return (*_ALWAYS, f"port={port}", workers, *(() if durable else _NOT_DURABLE))


def _parallel_maintenance_workers() -> int:
    """Two, or none where shared memory is too small for parallel index builds (64 MB in a container)."""
    if not _SHARED_MEMORY.exists():
        return 2
    free_megabytes = shutil.disk_usage(_SHARED_MEMORY).free // 2**20
    return 2 if free_megabytes > 2 * _MAINTENANCE_MEGABYTES else 0
