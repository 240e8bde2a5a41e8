"""Turns an answer into Telegram messages; pure, so that every limit of Telegram is tested without it."""

from bot.rendering.answers import Source, answer_messages, preview_message
from bot.rendering.messages import Entity, Message

__all__ = ["Entity", "Message", "Source", "answer_messages", "preview_message"]
