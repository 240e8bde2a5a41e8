"""Handles an update once, though Telegram may deliver it again after a restart."""

from __future__ import annotations

import time

from telegram import Update
from telegram.ext import ApplicationHandlerStop, TypeHandler

from bot import metrics
from bot.context import BotApplication, Context

BEFORE_ALL_OTHERS = -1


def register(application: BotApplication) -> None:
    application.add_handler(TypeHandler(Update, pass_once), group=BEFORE_ALL_OTHERS)


async def pass_once(update: Update, context: Context) -> None:
    metrics.note_update(update)
    if not await context.services.store.is_first_sight(update.update_id, time.time()):
        raise ApplicationHandlerStop
