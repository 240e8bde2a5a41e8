"""The "typing…" line above a chat, until the first words of the answer replace it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from telegram.constants import ChatAction
from telegram.error import TelegramError
from telegram.ext import ExtBot

from bot.limits import Delivery
from bot.places import Place

# Telegram shows the line for five seconds.
REPEAT_SECONDS = 4.0


@contextlib.asynccontextmanager
async def typing(bot: ExtBot[Any], place: Place) -> AsyncIterator[Callable[[], object]]:
    """Shows the line while the block runs; the yielded function ends it earlier."""
    task = asyncio.create_task(keep_typing(bot, place))
    try:
        yield task.cancel
    finally:
        task.cancel()
        await asyncio.wait({task})


async def keep_typing(bot: ExtBot[Any], place: Place) -> None:
    while True:
        # A typing line that Telegram refuses is not important.
        with contextlib.suppress(TelegramError):
            await bot.send_chat_action(
                place.chat_id,
                ChatAction.TYPING,
                message_thread_id=place.thread_id,
                rate_limit_args=Delivery.FRAME,
            )
        await asyncio.sleep(REPEAT_SECONDS)
