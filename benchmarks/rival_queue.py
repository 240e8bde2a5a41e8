"""The same work for procrastinate, a queue in Postgres that many use; it is installed for this benchmark only."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RivalRates:
    """Jobs per second."""

    claimed: float
    done: float


def is_installed() -> bool:
    return importlib.util.find_spec("procrastinate") is not None


class Rival:
    """Its claims come one by one: it has no others."""

    def __init__(self, app: Any, succeeded: Any, worker_id: int) -> None:
        self._manager = app.job_manager
        self._task = app.configure_task("nothing")
        self._succeeded = succeeded
        self._worker_id = worker_id

    async def one_round(self, count: int) -> RivalRates:
        """Queues as many jobs as told, and takes them through."""
        await self._task.batch_defer_async(*({"number": number} for number in range(count)))
        claiming = finishing = 0.0
        for _ in range(count):
            started = time.perf_counter()
            job = await self._manager.fetch_job(queues=None, worker_id=self._worker_id)
            claimed = time.perf_counter()
            await self._manager.finish_job(job, self._succeeded, delete_job=True)
            claiming += claimed - started
            finishing += time.perf_counter() - claimed
        return RivalRates(claimed=count / claiming, done=count / (claiming + finishing))


@contextlib.asynccontextmanager
async def open_rival(dsn: str) -> AsyncIterator[Rival]:
    """With its tables in the same database."""
    procrastinate: Any = importlib.import_module("procrastinate")
    jobs: Any = importlib.import_module("procrastinate.jobs")
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=dsn))
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        yield Rival(app, jobs.Status.SUCCEEDED, await app.job_manager.register_worker())
