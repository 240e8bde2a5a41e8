"""grpc.health.v1 on the wire, with watch streams that do not hold up a stopping server."""

from __future__ import annotations

import asyncio
from typing import Any

from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer


class Health(HealthServicer):
    """A watch stream has no end of its own: a server that waited for it would use up all its grace."""

    def __init__(self) -> None:
        super().__init__()
        self._watching: set[asyncio.Task[None]] = set()
        self._ended = False

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:
        if self._ended:
            return
        watching = asyncio.create_task(super().Watch(request, context))
        self._watching.add(watching)
        try:
            await watching
        except asyncio.CancelledError:
            if not self._ended:
                raise
        finally:
            self._watching.discard(watching)

    def end_watches(self) -> None:
        """Ends the streams that are open, well; there will be no new ones."""
        self._ended = True
        for watching in self._watching:
            watching.cancel()
