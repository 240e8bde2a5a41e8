"""grpc.health.v1, with watch streams that do not delay a stopping server."""

from __future__ import annotations

import asyncio
from typing import Any

from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer

# The types of this package have no `List` yet.
MESSAGES: Any = health_pb2


class Health(HealthServicer):
    """A watch stream never ends by itself. A stopping server would wait for it through its whole grace period."""

    def __init__(self) -> None:
        super().__init__()
        self._names: set[str] = set()
        self._watching: set[asyncio.Task[None]] = set()
        self._ended = False

    async def set(self, service: str, status: Any) -> None:
        self._names.add(service)
        await super().set(service, status)

    async def List(self, request: Any, context: Any) -> Any:
        asked = {name: health_pb2.HealthCheckRequest(service=name) for name in sorted(self._names)}
        statuses = {name: await self.Check(request, context) for name, request in asked.items()}
        return MESSAGES.HealthListResponse(statuses=statuses)

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
        """Ends all open watch streams with OK, and refuses new ones."""
        self._ended = True
        for watching in self._watching:
            watching.cancel()
