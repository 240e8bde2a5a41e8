"""The state file: what it remembers across restarts, and what it must not mix up."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import stat
from pathlib import Path

from bot.state import UPDATE_MEMORY_SECONDS, Binding, open_store

TEA = Binding(public_key="key-tea", tenant_id="tea", shop_language="en")
BOOKS = Binding(public_key="key-books", tenant_id="books", shop_language="ru")


async def test_everything_about_a_chat_survives_reopening(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        before = await store.chat(7)
        await store.bind(7, TEA)
        await store.set_language(7, "pt")
        await store.set_session(7, "tea", session_id="session", session_token="token")
    async with open_store(tmp_path) as store:
        after = await store.chat(7)
    assert (after.binding, after.language) == (TEA, "pt")
    assert (after.session_id, after.session_token) == ("session", "token")
    assert after.customer == before.customer


async def test_another_shop_is_another_conversation(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.chat(7)
        await store.bind(7, TEA)
        await store.set_session(7, "tea", session_id="session", session_token="token")
        await store.bind(7, TEA)
        assert (await store.chat(7)).session_id == "session"
        await store.bind(7, BOOKS)
        assert (await store.chat(7)).session_id == ""


async def test_a_session_of_the_old_shop_that_arrives_late_is_dropped(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.chat(7)
        await store.bind(7, BOOKS)
        await store.set_session(7, "tea", session_id="late", session_token="token")
        assert (await store.chat(7)).session_id == ""


async def test_an_update_is_new_once_even_when_asked_at_the_same_time(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        sights = await asyncio.gather(*(store.is_first_sight(5, now=0.0) for _ in range(10)))
    async with open_store(tmp_path) as store:
        sights.append(await store.is_first_sight(5, now=1.0))
    assert sights.count(True) == 1


async def test_old_updates_are_forgotten(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        assert await store.is_first_sight(5, now=0.0)
        assert await store.is_first_sight(6, now=UPDATE_MEMORY_SECONDS + 1.0)
        assert await store.is_first_sight(5, now=UPDATE_MEMORY_SECONDS + 2.0)


async def test_customers_are_pseudonyms_and_the_folder_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    async with open_store(folder) as store:
        first, second = await store.chat(7), await store.chat(8)
    assert len({first.customer, second.customer, "7", "8"}) == 4
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


OLDER = """
CREATE TABLE chats (
    chat_id INTEGER PRIMARY KEY, customer TEXT NOT NULL, language TEXT NOT NULL DEFAULT '',
    public_key TEXT NOT NULL DEFAULT '', tenant_id TEXT NOT NULL DEFAULT '',
    shop_language TEXT NOT NULL DEFAULT '', session_id TEXT NOT NULL DEFAULT ''
);
INSERT INTO chats VALUES (7, 'ann', 'pt', 'key-tea', 'tea', 'en', 'of-old');
"""


async def test_conversation_of_an_older_bot_is_begun_anew_and_everything_else_kept(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "bot.sqlite3")) as connection:
        connection.executescript(OLDER)
    for _ in range(2):
        async with open_store(tmp_path) as store:
            chat = await store.chat(7)
            assert (chat.binding, chat.language, chat.session_id) == (TEA, "pt", "")
    async with open_store(tmp_path) as store:
        await store.set_session(7, "tea", session_id="new", session_token="token")
        assert (await store.chat(7)).session_id == "new"
