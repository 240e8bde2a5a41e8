"""Buttons and what they carry.

Callback data is at most 64 bytes, and versioned: the buttons of old messages stay pressable for ever.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from telegram import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message
from telegram.error import BadRequest

from bot.texts import BY_LANGUAGE, Texts

STOP = "v1:stop"
SUGGESTION = "v1:ask:"
LANGUAGE = "v1:lang:"


def stop(texts: Texts) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton(texts.stop_button, callback_data=STOP)]])


def suggestions(questions: Sequence[str]) -> InlineKeyboardMarkup | None:
    """A row for each question; the button's text is the question, since the data has no room for it."""
    rows = [
        [InlineKeyboardButton(question, callback_data=f"{SUGGESTION}{number}")]
        for number, question in enumerate(questions)
    ]
    return InlineKeyboardMarkup(rows) if rows else None


def languages() -> InlineKeyboardMarkup:
    row = [
        InlineKeyboardButton(texts.own_name, callback_data=f"{LANGUAGE}{texts.code}")
        for texts in BY_LANGUAGE.values()
    ]
    return InlineKeyboardMarkup([row])


async def acknowledge(query: CallbackQuery, text: str = "") -> None:
    """Ends the little clock on the pressed button; Telegram refuses late, when the press still counts."""
    with contextlib.suppress(BadRequest):
        await query.answer(text or None)


def pressed_text(message: Message, data: str | None) -> str:
    """The text on the button with this data; empty when the message has no such button."""
    rows = message.reply_markup.inline_keyboard if message.reply_markup else ()
    return next((button.text for row in rows for button in row if button.callback_data == data), "")
