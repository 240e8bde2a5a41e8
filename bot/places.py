"""Where a conversation happens, and who may act on it."""

from __future__ import annotations

from dataclasses import dataclass

# Telegram lets a bot say about 20 messages a minute in a group, edits included.
GROUP_EDIT_INTERVAL_SECONDS = 4.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """A chat, and in a forum the topic inside it; groups have negative ids."""

    chat_id: int
    thread_id: int | None = None

    @property
    def is_group(self) -> bool:
        return self.chat_id < 0

    def edit_interval_seconds(self, configured: float) -> float:
        return max(configured, GROUP_EDIT_INTERVAL_SECONDS) if self.is_group else configured
