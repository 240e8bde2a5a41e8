"""The parts that all sockets of a gateway process share, and how it drains."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiohttp import web
from aiojobs import Scheduler

from retrieval_service.client import Client
from widget_gateway.access import Shops, Signer
from widget_gateway.admission import SECONDS_PER_MINUTE, Admission
from widget_gateway.config import Settings, random_secret
from widget_gateway.connection import RESTARTING, Socket
from widget_gateway.frames import Draining, encode
from widget_gateway.limits import Buckets, Seats
from widget_gateway.rooms import Rooms

SECONDS_PER_DAY = 86_400
# The time for a cancelled answer to tell the service; the default of aiojobs is 0.1 s.
JOB_CLOSE_SECONDS = 5.0

_log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class Gateway:
    """The parts, wired together."""

    settings: Settings
    client: Client
    shops: Shops
    signer: Signer
    rooms: Rooms
    admission: Admission
    seats: Seats
    pages: Buckets
    scheduler: Scheduler
    sockets: set[Socket] = field(default_factory=set)
    is_draining: bool = False

    async def drain(self) -> None:
        """Waits for running answers for a while, then sends all widgets to the next process.

        Call it while aiohttp still reads: after its runner is cleaned up, frames such as `cancel` are not read.
        """
        if self.is_draining:
            return
        self.is_draining = True
        _log.info("gateway_draining", sockets=len(self.sockets), answers=self.rooms.running)
        async with asyncio.TaskGroup() as telling:
            for socket in self.sockets:
                telling.create_task(socket.tell(encode(Draining())))
        await self.scheduler.wait_and_close(timeout=self.settings.drain_seconds)
        async with asyncio.TaskGroup() as closing:
            for socket in tuple(self.sockets):
                closing.create_task(socket.close(code=RESTARTING))


GATEWAY = web.AppKey("gateway", Gateway)


@asynccontextmanager
async def opened(settings: Settings, client: Client) -> AsyncIterator[Gateway]:
    # `Admission` counts answers. A limit of aiojobs would queue more of them without telling the visitor.
    async with Scheduler(
        limit=None, close_timeout=JOB_CLOSE_SECONDS, exception_handler=log_job_failure
    ) as scheduler:
        signer = Signer(
            secret_of(settings),
            lifetime_seconds=settings.session_days * SECONDS_PER_DAY,
            lasting_secret=(settings.session_secret or settings.channel_key).get_secret_value(),
        )
        yield Gateway(
            settings=settings,
            client=client,
            shops=Shops(client),
            signer=signer,
            rooms=Rooms(
                client,
                scheduler=scheduler,
                signer=signer,
                answer_seconds=settings.answer_seconds,
                idle_seconds=settings.idle_session_seconds,
            ),
            admission=Admission(settings),
            seats=Seats(settings.sockets_per_address),
            pages=Buckets(settings.address_pages_per_minute, period_seconds=SECONDS_PER_MINUTE),
            scheduler=scheduler,
        )


def secret_of(settings: Settings) -> str:
    if settings.session_secret is None:
        _log.warning("session_secret_is_random", effect="session tokens end with this process")
    return (settings.session_secret or random_secret()).get_secret_value()


def log_job_failure(_scheduler: Scheduler, context: dict[str, Any]) -> None:
    _log.error("answer_job_failed", reason=context["message"], exc_info=context.get("exception"))
