"""The bot's lasting state: the shop and language of each chat, and the updates it has seen.

SQLite rather than JSON: one row changes instead of the whole file, a commit is atomic and survives SIGKILL, and the
file can be read while the bot runs. One thread owns the connection, off the event loop, so statements never run at
the same time and need no lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

# Telegram repeats an unconfirmed update for at most one day.
UPDATE_MEMORY_SECONDS = 2 * 24 * 3600

SCHEMA = """
CREATE TABLE IF NOT EXISTS chats (
    chat_id INTEGER PRIMARY KEY,
    customer TEXT NOT NULL,
    language TEXT NOT NULL DEFAULT '',
    public_key TEXT NOT NULL DEFAULT '',
    tenant_id TEXT NOT NULL DEFAULT '',
    shop_language TEXT NOT NULL DEFAULT '',
    session_id TEXT NOT NULL DEFAULT '',
    session_token TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS seen_updates (update_id INTEGER PRIMARY KEY, seen_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS seen_updates_by_age ON seen_updates (seen_at);
"""


@dataclass(frozen=True, kw_only=True)
class Binding:
    """The shop of a chat; `public_key` is the key that the customer used."""

    public_key: str
    tenant_id: str
    shop_language: str


@dataclass(frozen=True, kw_only=True)
class Chat:
    """A chat; `customer` is a random pseudonym, `language` is set only by an explicit choice.

    `session_token` proves the conversation to the service.
    """

    chat_id: int
    customer: str
    language: str = ""
    binding: Binding | None = None
    session_id: str = ""
    session_token: str = ""


class ChatStore:
    """Reads and writes the state file. Build it with `open_store()`."""

    def __init__(self, connection: sqlite3.Connection, thread: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._thread = thread

    async def chat(self, chat_id: int) -> Chat:
        """The chat; an unknown one gets its pseudonym now."""
        return await self._run(lambda: self._chat(chat_id))

    async def bind(self, chat_id: int, binding: Binding) -> None:
        """Binds the chat. Another shop begins another conversation; the same shop keeps its session."""
        await self._run(lambda: self._bind(chat_id, binding))

    async def set_language(self, chat_id: int, language: str) -> None:
        statement = "UPDATE chats SET language = ? WHERE chat_id = ?"
        await self._change(statement, language, chat_id)

    async def set_session(self, chat_id: int, tenant_id: str, *, session_id: str, session_token: str) -> None:
        """Stores the session, unless the chat has moved to another shop meanwhile."""
        statement = "UPDATE chats SET session_id = ?, session_token = ? WHERE chat_id = ? AND tenant_id = ?"
        await self._change(statement, session_id, session_token, chat_id, tenant_id)

    async def is_first_sight(self, update_id: int, now: float) -> bool:
        """Whether the update is new; marks it as seen."""
        return await self._run(lambda: self._is_first_sight(update_id, now))

    async def _change(self, statement: str, *values: str | int) -> None:
        def change() -> None:
            with self._connection:
                self._connection.execute(statement, values)

        await self._run(change)

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _chat(self, chat_id: int) -> Chat:
        with self._connection:
            insertion = "INSERT OR IGNORE INTO chats (chat_id, customer) VALUES (?, ?)"
            self._connection.execute(insertion, (chat_id, uuid.uuid4().hex))
            row = self._connection.execute("SELECT * FROM chats WHERE chat_id = ?", (chat_id,)).fetchone()
        return to_chat(row)

    def _bind(self, chat_id: int, binding: Binding) -> None:
        statement = """
            UPDATE chats SET
                session_id = CASE WHEN tenant_id = :tenant_id THEN session_id ELSE '' END,
                session_token = CASE WHEN tenant_id = :tenant_id THEN session_token ELSE '' END,
                public_key = :public_key, tenant_id = :tenant_id, shop_language = :shop_language
            WHERE chat_id = :chat_id"""
        with self._connection:
            self._connection.execute(statement, {"chat_id": chat_id, **vars(binding)})

    def _is_first_sight(self, update_id: int, now: float) -> bool:
        with self._connection:
            forgotten = "DELETE FROM seen_updates WHERE seen_at < ?"
            self._connection.execute(forgotten, (now - UPDATE_MEMORY_SECONDS,))
            insertion = "INSERT OR IGNORE INTO seen_updates (update_id, seen_at) VALUES (?, ?)"
            return self._connection.execute(insertion, (update_id, now)).rowcount == 1


def to_chat(row: sqlite3.Row) -> Chat:
    binding = Binding(
        public_key=row["public_key"], tenant_id=row["tenant_id"], shop_language=row["shop_language"]
    )
    return Chat(
        chat_id=row["chat_id"],
        customer=row["customer"],
        language=row["language"],
        binding=binding if binding.tenant_id else None,
        # The session of an older bot has no token. A new one is begun.
        session_id=row["session_id"] if row["session_token"] else "",
        session_token=row["session_token"],
    )


@contextlib.asynccontextmanager
async def open_store(folder: Path) -> AsyncIterator[ChatStore]:
    """Opens the store in `folder`, which is created if missing and readable by its owner alone."""
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bot-state")
    loop = asyncio.get_running_loop()
    try:
        connection = await loop.run_in_executor(thread, open_database, folder)
        try:
            yield ChatStore(connection, thread)
        finally:
            await loop.run_in_executor(thread, connection.close)
    finally:
        # The thread has no more work; waiting for it would block the loop.
        thread.shutdown(wait=False)


def open_database(folder: Path) -> sqlite3.Connection:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    connection = sqlite3.connect(folder / "bot.sqlite3")
    connection.row_factory = sqlite3.Row
    # With a write-ahead log a commit need not wait for the disk, and a killed process loses nothing.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.executescript(SCHEMA)
    add_missing_column(connection)
    return connection


def add_missing_column(connection: sqlite3.Connection) -> None:
    """Files of older bots have no column for tokens."""
    known = {row["name"] for row in connection.execute("PRAGMA table_info(chats)")}
    if "session_token" not in known:
        connection.execute("ALTER TABLE chats ADD COLUMN session_token TEXT NOT NULL DEFAULT ''")
