"""Whether a message is meant for the bot, and the question in it."""

from __future__ import annotations

from telegram import Message, MessageEntity, User
from telegram.constants import ChatType


def is_for(bot: User, message: Message) -> bool:
    """Always in private chats; in groups only when the bot is mentioned or replied to."""
    return message.chat.type == ChatType.PRIVATE or replies_to(bot, message) or bool(mentions(bot, message))


def question_in(bot: User, message: Message) -> str:
    """The text without the mentions of the bot."""
    text = message.text or ""
    for mention in mentions(bot, message):
        text = text.replace(mention, " ")
    return " ".join(text.split()) if mentions(bot, message) else text.strip()


def replies_to(bot: User, message: Message) -> bool:
    original = message.reply_to_message
    return original is not None and original.from_user is not None and original.from_user.id == bot.id


def mentions(bot: User, message: Message) -> list[str]:
    """The mentions as written: names on Telegram ignore case."""
    written = message.parse_entities([MessageEntity.MENTION]).values()
    return [mention for mention in written if mention.lower() == f"@{bot.username}".lower()]
