"""Turns an answer into Telegram messages. The code is pure, so tests of the limits need no Telegram."""

from bot.rendering.answers import Range, Source, answer_messages, preview_message, with_doubts
from bot.rendering.messages import Entity, Message

__all__ = ["Entity", "Message", "Range", "Source", "answer_messages", "preview_message", "with_doubts"]
