"""Failures of handlers: one log line, and a message to the customer."""

from __future__ import annotations

import contextlib

import structlog
from telegram import Update
from telegram.error import TelegramError

from bot import metrics
from bot.context import BotApplication, Context, texts_for

logger = structlog.get_logger()


def register(application: BotApplication) -> None:
    application.add_error_handler(report)


async def report(update: object, context: Context) -> None:
    error = context.error
    if isinstance(error, TelegramError):
        metrics.ERRORS.labels(type(error).__name__).inc()
        # Telegram refused the call or is away. Its error texts never contain a question.
        logger.warning("telegram_refused", error=type(error).__name__, description=str(error))
        return
    logger.error("handler_crashed", exc_info=error)
    await excuse(update, context)


async def excuse(update: object, context: Context) -> None:
    message = update.effective_message if isinstance(update, Update) else None
    if not isinstance(update, Update) or message is None:
        return
    texts = texts_for(update, await context.services.store.chat(message.chat_id))
    with contextlib.suppress(TelegramError):
        await message.reply_text(texts.failed)
