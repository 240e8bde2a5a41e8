"""`kladez up`: everything at once, with a demo shop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service import config
from retrieval_service.api import tls
from retrieval_service.cli import output
from retrieval_service.cli import profile as profiles
from retrieval_service.cli.connection import dialled
from retrieval_service.cli.options import options_of
from retrieval_service.cli.profile import Profile
from retrieval_service.cli.up import announcing, credentials, demo, parts, ports
from retrieval_service.cli.up.supervising import kept_running
from retrieval_service.cli.waiting import until_indexed
from retrieval_service.client import CallFailed, Client
from retrieval_service.config import Settings
from retrieval_service.postgres.log import LogLimits
from retrieval_service.postgres.processes import Command

HTTP_PORT = 8080
# Says which extra to install where one is missing.
WITH_EXTRAS = "retrieval_service.client.extras"
LOOPBACK = "127.0.0.1"
PAGE_SECONDS = 30.0
# The gateway and the bot face strangers; what they have no use for they do not get.
_NOT_FOR_CHANNELS = ("DATABASE_URL", "KLADEZ_ADMIN_DATABASE_URL", "OPENAI_API_KEY")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to start, and where."""

    settings: Settings
    data_dir: Path
    port: int
    http_host: str
    http_port: int
    open_browser: bool
    as_json: bool

    @property
    def logs(self) -> Path:
        return self.data_dir / "logs"

    @property
    def database_url(self) -> str | None:
        url = self.settings.database_url
        return url.get_secret_value() if url else None

    @property
    def admin_database_url(self) -> str | None:
        url = self.settings.admin_database_url
        return url.get_secret_value() if url else None

    @property
    def page(self) -> str:
        host = parts.reachable(self.http_host)
        return f"http://{parts.host_and_port(host, self.http_port)}/"

    @property
    def log_limits(self) -> LogLimits:
        return parts.log_limits(self.settings)

    @property
    def origins(self) -> list[str]:
        """Where the demo page may be opened: here, or anywhere once the gateway listens to the network."""
        if self.http_host != LOOPBACK:
            return ["*"]
        return [f"http://{host}:{self.http_port}" for host in ("127.0.0.1", "localhost")]


def register(app: typer.Typer) -> None:
    app.command()(up)


def up(
    context: typer.Context,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65_535,
            envvar="KLADEZ_PORT",
            help="The service's; 0 takes any. Default: 50051, or the next free one.",
        ),
    ] = None,
    http_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65_535,
            envvar="KLADEZ_GATEWAY_PORT",
            help="The page's; 0 takes any. Default: 8080, or the next free one.",
        ),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page.")] = False,
) -> None:
    """Start everything: database, service, gateway, a demo shop, and the bot when KLADEZ_BOT_TOKEN is set."""
    options = options_of(context)
    settings = config.load().model_copy(update={"data_dir": options.data_dir})
    tls.credentials(
        settings
    )  # the service reads them again: a mistake is told before a database is made for it
    http_host = os.environ.get("KLADEZ_GATEWAY_HOST") or LOOPBACK
    service_port = ports.choose(service_wish(settings, port))
    plan = Plan(
        settings=settings,
        data_dir=options.data_dir,
        port=service_port,
        http_host=http_host,
        http_port=ports.choose(page_wish(http_host, http_port), taken=(service_port,)),
        open_browser=not no_browser,
        as_json=options.as_json,
    )
    try:
        asyncio.run(run(plan))
    except (KeyboardInterrupt, asyncio.CancelledError):
        output.note("Stopped.")


def service_wish(settings: Settings, port: int | None) -> ports.Wish:
    """A port in `.env` was asked for as much as one on the command line."""
    given = settings.port if port is None and "port" in settings.model_fields_set else port
    return ports.Wish(
        host=settings.host,
        preferred=settings.port,
        given=given,
        host_setting="KLADEZ_HOST",
        port_setting="KLADEZ_PORT or --port",
    )


def page_wish(host: str, port: int | None) -> ports.Wish:
    return ports.Wish(
        host=host,
        preferred=HTTP_PORT,
        given=port,
        host_setting="KLADEZ_GATEWAY_HOST",
        port_setting="KLADEZ_GATEWAY_PORT or --http-port",
    )


async def run(plan: Plan) -> None:
    """Until a signal cancels it; everything is stopped on the way out, in reverse order.

    A part that ends is started again. Before it ran for the first time, the service's or the database's end ends
    all: then there is nothing to wait for. The gateway's and the bot's never does.
    """
    _stop_at_signals()
    output.note(f"Starting Kladez in {plan.data_dir} …", style="dim")
    async with (
        parts.database(
            plan.data_dir, plan.database_url, plan.admin_database_url, limits=plan.log_limits
        ) as dsn,
        parts.service(plan.settings, dsn, plan.port, plan.logs) as address,
    ):
        profile, tenant = await prepare(plan, dsn, address)
        async with channels(plan, profile, tenant.public_key):
            await fill(profile)
            await _wait_for_page(plan)
            await _announce(plan, profile, tenant.public_key)
            await asyncio.Event().wait()


async def prepare(plan: Plan, dsn: str, address: str) -> tuple[Profile, tenants_pb.Tenant]:
    """The profile with keys that work and the demo shop it speaks of, both from the last time if possible."""
    known = await asyncio.to_thread(profiles.load, plan.data_dir)
    profile = replace(known or credentials.empty_profile(address), service_address=address)
    profile = await credentials.with_operator_key(profile, dsn)
    async with dialled(address, profile.operator_key) as operator:
        profile = await demo.with_tenant(profile, operator)
        profile = await credentials.with_other_keys(profile, operator)
        tenant = await demo.open_to(plan.origins, profile.tenant_id, operator)
    await asyncio.to_thread(profiles.save, plan.data_dir, profile)
    return profile, tenant


async def fill(profile: Profile) -> None:
    """Imports the demo shop and waits for the index; what is there already costs nothing.

    It begins anew when the service goes away meanwhile, for that is started again.
    """
    async with dialled(profile.service_address, profile.tenant_key, tenant_id=profile.tenant_id) as client:
        for last in (False, False, True):
            try:
                await _fill(client)
                break
            except CallFailed as error:
                if last or error.code != "UNAVAILABLE":
                    raise
            await client.wait_until_ready(parts.READY_TIMEOUT_SECONDS)


async def _fill(client: Client) -> None:
    with output.progress() as display:
        for language in display.track(demo.LANGUAGES, description="Importing"):
            await demo.import_catalogue(language, client)
    status = await until_indexed(client)
    if status.error_count:
        output.note(f"{status.error_count} documents could not be indexed; `kladez status` tells more.")


@asynccontextmanager
async def channels(plan: Plan, profile: Profile, public_key: str) -> AsyncIterator[None]:
    """The gateway, and the bot when it has a token."""
    commands = [gateway(plan, profile, public_key)]
    if os.environ.get("KLADEZ_BOT_TOKEN"):
        commands.append(bot(plan, profile, public_key))
    async with AsyncExitStack() as stack:
        for command in commands:
            settled = await stack.enter_async_context(kept_running(command, plan.logs, plan.log_limits))
            settled.set()
        yield


async def _wait_for_page(plan: Plan) -> None:
    host = parts.reachable(plan.http_host)
    if not await parts.listens_within(host, plan.http_port, PAGE_SECONDS):
        output.note("The page is not there yet.", style="yellow")


def gateway(plan: Plan, profile: Profile, public_key: str) -> Command:
    variables = {
        **_service_variables(profile, profile.channel_key),
        "KLADEZ_GATEWAY_HOST": plan.http_host,
        "KLADEZ_GATEWAY_PORT": str(plan.http_port),
        "KLADEZ_GATEWAY_SESSION_SECRET": profile.session_secret,
        "KLADEZ_GATEWAY_DEMO_SHOP": public_key,
        "KLADEZ_GATEWAY_DEMO_CATALOGUE": str(demo.catalogue("ru")),
    }
    return parts.python_module(
        "gateway", WITH_EXTRAS, "gateway", variables=variables, without=_NOT_FOR_CHANNELS
    )


def bot(plan: Plan, profile: Profile, public_key: str) -> Command:
    own = {"KLADEZ_BOT_DEFAULT_SHOP": public_key, "KLADEZ_BOT_STATE_DIR": str(plan.data_dir / "bot")}
    told = {name: os.environ[name] for name in own if os.environ.get(name)}
    variables = {**_service_variables(profile, profile.bot_key), **own, **told}
    return parts.python_module("bot", WITH_EXTRAS, "bot", variables=variables, without=_NOT_FOR_CHANNELS)


def _service_variables(profile: Profile, key: str) -> dict[str, str]:
    return {"KLADEZ_SERVICE_ADDRESS": profile.service_address, "KLADEZ_CHANNEL_KEY": key}


async def _announce(plan: Plan, profile: Profile, public_key: str) -> None:
    one = announcing.announcement(profile, page=plan.page, public_key=public_key, data_dir=plan.data_dir)
    if plan.as_json:
        output.json_value(asdict(one))
    else:
        announcing.say(one)
    if plan.open_browser:
        await asyncio.to_thread(announcing.open_browser, plan.page)


def _stop_at_signals() -> None:
    """SIGTERM and a closed terminal stop everything as Ctrl-C does."""
    task = asyncio.current_task()
    if task is None:
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell leaves it to what it starts with "&"
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
