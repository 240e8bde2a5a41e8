"""The bot's process: opens its resources, polls Telegram, and stops without losing an answer."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import AsyncIterator

import structlog
from telegram import LinkPreviewOptions, Update
from telegram.error import InvalidToken, TelegramError
from telegram.ext import Application, ContextTypes, Defaults

from bot import config
from bot.config import Settings
from bot.context import BotApplication, Context, Services, Wiring
from bot.features import ask, duplicates, errors, language, rate, start, stop
from bot.features import help as help_feature
from bot.jobs import AnswerJobs
from bot.limits import ChatRateLimiter
from bot.ordering import ChatOrder
from bot.state import open_store
from bot.watching import Polling, watched
from retrieval_service import client, monitoring

FEATURES = (duplicates, start, help_feature, language, stop, rate, ask, errors)
WANTED_UPDATES = [Update.MESSAGE, Update.CALLBACK_QUERY]

logger = structlog.get_logger()


def main() -> None:
    """The command `kladez-bot`."""
    configure_logging()
    try:
        settings = config.load()
        asyncio.run(serve(settings))
    except (config.SettingsInvalid, client.Misconfigured) as error:
        raise SystemExit(f"kladez-bot: {error}") from None
    except InvalidToken:
        # PTB's own text contains the token.
        raise SystemExit("kladez-bot: Telegram rejects KLADEZ_BOT_TOKEN") from None
    except TelegramError as error:
        raise SystemExit(f"kladez-bot: Telegram cannot be reached ({type(error).__name__})") from None


async def serve(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with running(settings):
        settle_memory()
        logger.info("bot_started")
        await stopping.wait()
        logger.info("bot_stopping")
    logger.info("bot_stopped")


def settle_memory() -> None:
    """Excludes the objects of the start from garbage collection, which would delay customers."""
    gc.collect()
    gc.freeze()


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[BotApplication]:
    """Runs the bot inside the block; leaving it ends every answer with a note."""
    tls = await asyncio.to_thread(client.tls_from_environment)
    async with (
        client.connect(
            settings.service_address, settings.channel_key.get_secret_value(), tls=tls
        ) as knowledge,
        open_store(settings.bot_state_dir) as store,
        # Building reads certificates from disk.
        await asyncio.to_thread(build, settings, line := Polling()) as application,
        monitoring.serving(
            settings.bot_metrics_host,
            settings.bot_metrics_port,
            watched(knowledge, line),
            setting="KLADEZ_BOT_METRICS_PORT",
        ),
    ):
        jobs = AnswerJobs()
        application.bot_data.services = Services(
            settings=settings, knowledge=knowledge, store=store, jobs=jobs
        )
        await publish_commands(application)
        async with polling(application, jobs, settings.bot_shutdown_grace_seconds):
            yield application


@contextlib.asynccontextmanager
async def polling(application: BotApplication, jobs: AnswerJobs, grace_seconds: float) -> AsyncIterator[None]:
    """Stops in this order: updates, handlers, answers. Telegram stays reachable until the end."""
    updater = application.updater
    if updater is None:
        raise RuntimeError("the application was built without an updater")
    await application.start()
    try:
        await updater.start_polling(allowed_updates=WANTED_UPDATES)
        yield
    finally:
        if updater.running:
            await updater.stop()
        await application.stop()
        await jobs.wait_and_close(grace_seconds)


def build(settings: Settings, line: Polling) -> BotApplication:
    """The application with all features, not yet connected. Updates come over `line`."""
    base_url = settings.bot_api_base_url.rstrip("/")
    application: BotApplication = (
        Application.builder()
        .token(settings.bot_token.get_secret_value())
        .base_url(f"{base_url}/bot")
        .base_file_url(f"{base_url}/file/bot")
        .context_types(ContextTypes(context=Context, bot_data=Wiring))
        .defaults(Defaults(link_preview_options=LinkPreviewOptions(is_disabled=True)))
        .get_updates_request(line)
        .rate_limiter(ChatRateLimiter())
        .concurrent_updates(ChatOrder())
        .job_queue(None)
        .build()
    )
    for feature in FEATURES:
        feature.register(application)
    return application


async def publish_commands(application: BotApplication) -> None:
    """Publishes the commands. A failure does not stop the bot."""
    try:
        await help_feature.publish_commands(application.bot)
    except TelegramError as error:
        logger.warning("commands_unpublished", error=type(error).__name__)


def configure_logging() -> None:
    """One JSON line for each event, without personal data or secrets."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # structlog's default prints local variables of tracebacks, such as questions.
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    )
    logging.basicConfig(level=logging.WARNING)
    # httpx logs every URL at INFO, and Telegram's URLs contain the token.
    logging.getLogger("httpx").setLevel(logging.WARNING)


if __name__ == "__main__":
    main()
