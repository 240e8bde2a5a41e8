"""Streams an answer into one Telegram message: when to show a frame, and how to deliver the final text."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import structlog
from telegram import InlineKeyboardMarkup, MessageEntity, ReplyParameters
from telegram.error import BadRequest, NetworkError, RetryAfter, TelegramError, TimedOut
from telegram.ext import ExtBot

from bot.limits import Delivery, seconds
from bot.places import Place
from bot.rendering import Message, preview_message

# A notification shows the beginning of a message, so the first frame waits for a few words.
FIRST_FRAME_CHARACTERS = 20
SLOWEST_INTERVAL_SECONDS = 10.0
RETRY_DELAYS_SECONDS = (0.5, 1.0, 2.0, 4.0)

logger = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Pace:
    """When the next frame may be sent. A frame that is not due is skipped; the next one has its text."""

    interval_seconds: float
    next_at: float = 0.0
    shown_characters: int = 0

    def is_due(self, characters: int, now: float) -> bool:
        enough = self.shown_characters + 1 if self.shown_characters else FIRST_FRAME_CHARACTERS
        return now >= self.next_at and characters >= enough

    def after_frame(self, characters: int, now: float) -> Self:
        return replace(self, next_at=now + self.interval_seconds, shown_characters=characters)

    def after_failure(self, now: float) -> Self:
        return replace(self, next_at=now + self.interval_seconds)

    def without_more_frames(self) -> Self:
        return replace(self, next_at=math.inf)

    def after_flood(self, wait_seconds: float, now: float) -> Self:
        """Obeys Telegram's wait. From then on frames come half as often."""
        slower = min(self.interval_seconds * 2, SLOWEST_INTERVAL_SECONDS)
        return replace(self, next_at=now + wait_seconds, interval_seconds=max(slower, self.interval_seconds))


class StreamedMessage:
    """Frames may fail without raising. The final messages are delivered, or `TelegramError` is raised."""

    def __init__(
        self,
        bot: ExtBot[Any],
        place: Place,
        *,
        interval_seconds: float,
        stop_button: InlineKeyboardMarkup,
        reply_to: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bot = bot
        self._place = place
        self._pace = Pace(interval_seconds=interval_seconds)
        self._stop_button = stop_button
        self._reply_to = reply_to
        self._clock = clock
        self._message_id: int | None = None

    @property
    def is_visible(self) -> bool:
        return self._message_id is not None

    async def frame(self, text: str) -> None:
        """Shows the text so far, if it is time for it."""
        if not self._pace.is_due(len(text), self._clock()):
            return
        message = await asyncio.to_thread(preview_message, text)
        try:
            await self._show(message, self._stop_button, Delivery.FRAME)
        except RetryAfter as flood:
            self._pace = self._pace.after_flood(seconds(flood), self._clock())
        except TelegramError as error:
            self._pace = self._pace_after(error)
            logger.warning("frame_dropped", error=type(error).__name__)
        else:
            self._pace = self._pace.after_frame(len(text), self._clock())

    async def final(self, messages: Sequence[Message], markup: InlineKeyboardMarkup | None = None) -> None:
        """Replaces the growing message by the first of `messages` and sends the others after it.

        The markup stands below the last of them.
        """
        for position, message in enumerate(messages, start=1):
            if position > 1:
                self._message_id = None
            await self._deliver(message, markup if position == len(messages) else None)

    def _pace_after(self, error: TelegramError) -> Pace:
        """A first send that timed out may have arrived. A second attempt could duplicate it."""
        if isinstance(error, TimedOut) and not self.is_visible:
            return self._pace.without_more_frames()
        return self._pace.after_failure(self._clock())

    async def _deliver(self, message: Message, markup: InlineKeyboardMarkup | None) -> None:
        """Sends without formatting when Telegram cannot parse it, because the words matter most."""
        try:
            await through_outages(lambda: self._show(message, markup, Delivery.FINAL))
        except BadRequest as error:
            if "entit" not in str(error).lower():
                raise
            logger.warning("formatting_refused", error=str(error))
            await through_outages(lambda: self._show(Message(text=message.text), markup, Delivery.FINAL))

    async def _show(self, message: Message, markup: InlineKeyboardMarkup | None, delivery: Delivery) -> None:
        if self._message_id is None:
            await self._send(message, markup, delivery)
            return
        try:
            await self._edit(self._message_id, message, markup, delivery)
        except BadRequest as error:
            await self._after_refused_edit(error, message, markup, delivery)

    async def _after_refused_edit(
        self, error: BadRequest, message: Message, markup: InlineKeyboardMarkup | None, delivery: Delivery
    ) -> None:
        reason = str(error).lower()
        if "not modified" in reason:
            return
        if "not found" not in reason and "can't be edited" not in reason:
            raise error
        # The customer deleted the message. Frames stop, and the final text is sent as a new message.
        if delivery is Delivery.FINAL:
            await self._send(message, markup, delivery)

    async def _send(self, message: Message, markup: InlineKeyboardMarkup | None, delivery: Delivery) -> None:
        sent = await self._bot.send_message(
            self._place.chat_id,
            message.text,
            entities=to_telegram(message),
            message_thread_id=self._place.thread_id,
            reply_parameters=self._reply_parameters(),
            reply_markup=markup,
            rate_limit_args=delivery,
        )
        self._message_id = sent.message_id

    async def _edit(
        self, message_id: int, message: Message, markup: InlineKeyboardMarkup | None, delivery: Delivery
    ) -> None:
        await self._bot.edit_message_text(
            message.text,
            self._place.chat_id,
            message_id,
            entities=to_telegram(message),
            reply_markup=markup,
            rate_limit_args=delivery,
        )

    def _reply_parameters(self) -> ReplyParameters | None:
        if self._reply_to is None:
            return None
        return ReplyParameters(self._reply_to, allow_sending_without_reply=True)


async def through_outages(call: Callable[[], Awaitable[None]]) -> None:
    """Repeats a call after network failures. A duplicate message is better than a lost answer."""
    for delay_seconds in RETRY_DELAYS_SECONDS:
        try:
            return await call()
        except BadRequest:
            raise
        except NetworkError:
            await asyncio.sleep(delay_seconds)
    return await call()


def to_telegram(message: Message) -> list[MessageEntity]:
    return [
        MessageEntity(
            type=entity.kind,
            offset=entity.offset,
            length=entity.length,
            url=entity.url or None,
            language=entity.language or None,
        )
        for entity in message.entities
    ]
