"""Buttons and their callback data.

Callback data is at most 64 bytes, and versioned: buttons of old messages can be pressed for ever.
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
UP = "v1:up:"
DOWN = "v1:down:"
REASON = "v1:why:"


def stop(texts: Texts) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton(texts.stop_button, callback_data=STOP)]])


def suggestions(questions: Sequence[str]) -> InlineKeyboardMarkup | None:
    """A row for each question. The question is the button's text, because the data has no room for it."""
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


def thumbs(answer_id: str) -> InlineKeyboardMarkup | None:
    """None for an answer without an id."""
    if not answer_id:
        return None
    row = [
        InlineKeyboardButton("👍", callback_data=f"{UP}{answer_id}"),
        InlineKeyboardButton("👎", callback_data=f"{DOWN}{answer_id}"),
    ]
    return InlineKeyboardMarkup([row])


def reasons(texts: Texts, answer_id: str) -> InlineKeyboardMarkup:
    """A row for each reason, which is the button's text."""
    rows = [
        [InlineKeyboardButton(reason, callback_data=f"{REASON}{number}:{answer_id}")]
        for number, reason in enumerate(texts.reasons)
    ]
    return InlineKeyboardMarkup(rows)


def rated_answer(data: str | None) -> str:
    """The id of the answer that a thumb or a reason is about."""
    return (data or "").rpartition(":")[2]


async def acknowledge(query: CallbackQuery, text: str = "") -> None:
    """Stops the progress indicator of the pressed button. Telegram refuses late answers, but the press still counts."""
    with contextlib.suppress(BadRequest):
        await query.answer(text or None)


async def replace(query: CallbackQuery, markup: InlineKeyboardMarkup | None) -> None:
    """Replaces the buttons. Somebody else may have been faster, or have deleted the message."""
    with contextlib.suppress(BadRequest):
        await query.edit_message_reply_markup(markup)


def pressed_text(message: Message, data: str | None) -> str:
    """The text on the button with this data; empty when the message has no such button."""
    rows = message.reply_markup.inline_keyboard if message.reply_markup else ()
    return next((button.text for row in rows for button in row if button.callback_data == data), "")
