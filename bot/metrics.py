"""The bot's metrics. Labels are few and fixed; no chat and no text is a label."""

from __future__ import annotations

from prometheus_client import Counter, Gauge
from telegram import Update

UPDATES = Counter("kladez_bot_updates", "Updates from Telegram, repeated ones too.", ("kind",))
POLLS = Counter("kladez_bot_polls", "Requests for updates, by how they ended.", ("outcome",))
FLOODS = Counter("kladez_bot_telegram_retries", "Calls that Telegram told to wait.")
ERRORS = Counter("kladez_bot_telegram_errors", "Calls that Telegram refused or did not answer.", ("error",))
ANSWERS_RUNNING = Gauge("kladez_bot_answers_running", "Answers being written.")


def note_update(update: Update) -> None:
    kind = "message" if update.message else "callback_query" if update.callback_query else "other"
    UPDATES.labels(kind).inc()
