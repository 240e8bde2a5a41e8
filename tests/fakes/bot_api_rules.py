"""What Telegram accepts and how it writes, for the fake Bot API."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

TEXT_LIMIT = 4096
ENTITY_LIMIT = 100
STRINGS = {"text", "callback_query_id", "action", "language_code"}


class Refused(Exception):
    """Telegram's answer when it does not do what it was asked."""

    def __init__(self, code: int, description: str, retry_after: int | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.retry_after = retry_after


def checked_text(params: Mapping[str, Any], too_long: str) -> str:
    text = params.get("text", "")
    if not text.strip():
        raise Refused(400, "Bad Request: message text is empty")
    if utf16_length(text) > TEXT_LIMIT:
        raise Refused(400, f"Bad Request: {too_long}")
    return text


def checked_entities(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """More than a hundred are refused here, where Telegram silently drops the rest."""
    entities = params.get("entities", [])
    raw = params["text"].encode("utf-16-le")
    if len(entities) > ENTITY_LIMIT:
        raise Refused(400, "Bad Request: too many entities")
    for entity in entities:
        start, end = 2 * entity["offset"], 2 * (entity["offset"] + entity["length"])
        if not 0 <= start < end <= len(raw):
            raise Refused(400, "Bad Request: can't parse entities: entity is outside of the text")
        if not all(is_decodable(piece) for piece in (raw[:start], raw[start:end])):
            raise Refused(400, "Bad Request: can't parse entities: ends in a middle of a UTF-16 symbol")
        if entity["type"] == "text_link" and not entity["url"].startswith(("http://", "https://")):
            raise Refused(400, "Bad Request: can't parse entities: wrong URL")
    return entities


def is_decodable(raw: bytes) -> bool:
    try:
        raw.decode("utf-16-le")
    except UnicodeDecodeError:
        return False
    return True


def checked_markup(params: Mapping[str, Any]) -> dict[str, Any] | None:
    markup = params.get("reply_markup")
    for row in (markup or {}).get("inline_keyboard", []):
        for button in row:
            if not 1 <= len(button["callback_data"].encode()) <= 64:
                raise Refused(400, "Bad Request: BUTTON_DATA_INVALID")
    return markup


def checked_commands(params: Mapping[str, Any]) -> list[dict[str, str]]:
    for command in params["commands"]:
        is_named = re.fullmatch(r"[a-z0-9_]{1,32}", command["command"])
        if not is_named or not 1 <= len(command["description"]) <= 256:
            raise Refused(400, "Bad Request: BOT_COMMAND_INVALID")
    return params["commands"]


def commands_in(text: str) -> list[dict[str, Any]]:
    found = re.match(r"/\w+(@\w+)?", text)
    return [{"type": "bot_command", "offset": 0, "length": found.end()}] if found else []


def mentions_in(text: str) -> list[dict[str, Any]]:
    return [
        {"type": "mention", "offset": utf16_length(text[: found.start()]), "length": utf16_length(found[0])}
        for found in re.finditer(r"(?<!\w)(?<!/start)@\w+", text)
    ]


def utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def decoded(form: Mapping[str, Any]) -> dict[str, Any]:
    """Form fields as values; strings that merely look like JSON stay strings."""
    return {name: value if name in STRINGS else decoded_value(value) for name, value in form.items()}


def decoded_value(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def chat(chat_id: int) -> dict[str, Any]:
    private = {"id": chat_id, "type": "private", "first_name": "Ann"}
    return private if chat_id > 0 else {"id": chat_id, "type": "supergroup", "title": "Group"}


def person(user_id: int, language_code: str) -> dict[str, Any]:
    return {"id": user_id, "is_bot": False, "first_name": "Ann", "language_code": language_code}
