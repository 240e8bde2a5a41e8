"""Turns an answer into Telegram messages; pure, so that every limit of Telegram is tested without it."""

from bot.rendering.answers import Range, Source, answer_messages, preview_message, with_doubts
from bot.rendering.messages import Entity, Message

__all__ = ["Entity", "Message", "Range", "Source", "answer_messages", "preview_message", "with_doubts"]
