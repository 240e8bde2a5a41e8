"""A loopback Telegram Bot API, strict where Telegram is strict, with the person's side as methods.

It encodes documented behaviour: passing here is no proof about Telegram, failing here is one about the bot.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes import bot_api_rules as rules
from tests.fakes.bot_api_rules import Refused

TOKEN = "7000000001:fake"
USERNAME = "kladez_test_bot"
BOT = {"id": 7000000001, "is_bot": True, "first_name": "Kladez", "username": USERNAME}
SPOKEN = {"sendMessage", "editMessageText", "sendChatAction", "deleteMessage"}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request of the bot, in the order of arrival; `error` is empty when it succeeded."""

    method: str
    params: Mapping[str, Any]
    at: float
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Button:
    """An inline button under a message."""

    chat_id: int
    message_id: int
    text: str
    data: str


@dataclass(frozen=True, kw_only=True)
class SentMessage:
    """A message of the bot as it stands in the chat now."""

    chat_id: int
    message_id: int
    text: str
    entities: tuple[Mapping[str, Any], ...]
    buttons: tuple[Button, ...]
    reply_to: int | None = None

    def under(self, entity: Mapping[str, Any]) -> str:
        """The text an entity covers."""
        raw = self.text.encode("utf-16-le")
        return raw[2 * entity["offset"] : 2 * (entity["offset"] + entity["length"])].decode("utf-16-le")


@dataclass(kw_only=True)
class Fault:
    """How the next calls of a method fail; with `is_done` the work is done and only the reply is lost."""

    method: str
    refused: Refused
    times: int
    is_done: bool = False


@dataclass(kw_only=True)
class FakeBotApi:
    """One bot's Telegram. Build it with `running_bot_api()`."""

    base_url: str = ""
    token: str = TOKEN
    calls: list[Call] = field(default_factory=list)
    commands: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    callback_answers: list[str] = field(default_factory=list)
    _messages: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    _updates: list[dict[str, Any]] = field(default_factory=list)
    _delivered: dict[int, dict[str, Any]] = field(default_factory=dict)
    _open_queries: set[str] = field(default_factory=set)
    _faults: list[Fault] = field(default_factory=list)
    _floods: dict[int, float] = field(default_factory=dict)
    _next_id: int = 100
    _poll_number: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    # The person's side.

    def user_sends(
        self,
        chat_id: int,
        text: str,
        *,
        language_code: str = "en",
        user_id: int = 1,
        reply_to: int | None = None,
    ) -> int:
        """A person writes; positive chats are private, negative ones groups. The update's id."""
        message = {
            **self._new_message(chat_id, rules.person(user_id, language_code)),
            "text": text,
            "entities": [*rules.commands_in(text), *rules.mentions_in(text)],
        }
        if reply_to is not None:
            message["reply_to_message"] = self._messages[chat_id, reply_to]
        return self._push("message", message)

    def user_sends_photo(self, chat_id: int) -> int:
        photo = [{"file_id": "p", "file_unique_id": "p", "width": 1, "height": 1}]
        return self._push("message", {**self._new_message(chat_id, rules.person(1, "en")), "photo": photo})

    def press(self, button: Button, *, language_code: str = "en", user_id: int = 1) -> int:
        """A person presses an inline button. The update's id."""
        query_id = str(self._take_id())
        self._open_queries.add(query_id)
        query = {
            "id": query_id,
            "chat_instance": "1",
            "from": rules.person(user_id, language_code),
            "data": button.data,
            "message": self._messages[button.chat_id, button.message_id],
        }
        return self._push("callback_query", query)

    def deliver_again(self, update_id: int) -> None:
        """The update once more, as after a bot that died before confirming it."""
        self._updates.append(self._delivered[update_id])
        self._wake()

    def user_deletes(self, message: SentMessage) -> None:
        del self._messages[message.chat_id, message.message_id]

    def messages(self, chat_id: int) -> list[SentMessage]:
        """The bot's messages, oldest first."""
        own = (m for (chat, _), m in sorted(self._messages.items()) if chat == chat_id and m["from"] == BOT)
        return [sent_message(message) for message in own]

    def count(self, method: str, *, error: str = "") -> int:
        """How many calls of a method ended with this error, or in success."""
        return sum(
            call.method == method and (error in call.error if error else not call.error)
            for call in self.calls
        )

    async def wait_for(self, condition: Callable[[], Any], timeout_seconds: float = 15) -> Any:
        """The condition's first true value, tried again after each call of the bot."""
        async with asyncio.timeout(timeout_seconds):
            while not (value := condition()):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 0.1)
            return value

    # Bad days.

    def fail_next(
        self, method: str, code: int, description: str, *, times: int = 1, retry_after: int | None = None
    ) -> None:
        refused = Refused(code, description, retry_after)
        self._faults.append(Fault(method=method, refused=refused, times=times))

    def lose_reply(self, method: str) -> None:
        """The next call takes effect, but the bot is told that it failed."""
        refused = Refused(502, "Bad Gateway")
        self._faults.append(Fault(method=method, refused=refused, times=1, is_done=True))

    def flood(self, chat_id: int, seconds: float) -> None:
        """Until then every call in this chat is 429; other chats are not touched."""
        self._floods[chat_id] = time.monotonic() + seconds

    # The wire.

    async def handle(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        params = rules.decoded(dict(await request.post()))
        try:
            if request.match_info["token"] != self.token:
                raise Refused(401, "Unauthorized")
            result = await self._dispatch(method, params)
        except Refused as refused:
            self._log(method, params, refused.description)
            return refusal(refused)
        self._log(method, params)
        return web.json_response({"ok": True, "result": result})

    async def _dispatch(self, method: str, params: dict[str, Any]) -> Any:
        if method == "getUpdates":
            return await self._get_updates(params)
        fault = self._next_fault(method)
        if fault is not None and not fault.is_done:
            raise fault.refused
        if method in SPOKEN:
            self._hold_back(params["chat_id"])
        handlers = {
            "getMe": lambda _: BOT,
            "deleteWebhook": lambda _: True,
            "sendChatAction": lambda _: True,
            "sendMessage": self._send_message,
            "editMessageText": self._edit_message_text,
            "editMessageReplyMarkup": self._edit_message_reply_markup,
            "deleteMessage": self._delete_message,
            "answerCallbackQuery": self._answer_callback_query,
            "setMyCommands": self._set_my_commands,
        }
        if method not in handlers:
            raise Refused(404, "Not Found")
        result = handlers[method](params)
        if fault is not None:
            raise fault.refused
        return result

    async def _get_updates(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        """Long poll: the offset confirms, and a newer poll ends an older one."""
        self._poll_number += 1
        number = self._poll_number
        self._confirm(params.get("offset", 0))
        deadline = time.monotonic() + params.get("timeout", 0)
        while not self._updates and (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), min(left, 0.1))
            if number != self._poll_number:
                raise Refused(409, "Conflict: terminated by other getUpdates request")
        return self._updates[: params.get("limit", 100)]

    def _confirm(self, offset: int) -> None:
        self._updates = [update for update in self._updates if update["update_id"] >= offset]

    def _send_message(self, params: dict[str, Any]) -> dict[str, Any]:
        message = {
            **self._new_message(params["chat_id"], BOT),
            "text": rules.checked_text(params, "message is too long"),
            "entities": rules.checked_entities(params),
            "reply_markup": rules.checked_markup(params),
        }
        reply = params.get("reply_parameters")
        original = reply and self._messages.get((params["chat_id"], reply["message_id"]))
        if reply and not original and not reply.get("allow_sending_without_reply"):
            raise Refused(400, "Bad Request: message to be replied not found")
        if original:
            message["reply_to_message"] = original
        return self._keep(message)

    def _edit_message_text(self, params: dict[str, Any]) -> dict[str, Any]:
        old = self._messages.get((params["chat_id"], params["message_id"]))
        if old is None:
            raise Refused(400, "Bad Request: message to edit not found")
        new = {
            **old,
            "text": rules.checked_text(params, "MESSAGE_TOO_LONG"),
            "entities": rules.checked_entities(params),
            # Without a markup in the request the keyboard is removed.
            "reply_markup": rules.checked_markup(params),
        }
        if without_blanks(new) == old:
            raise Refused(
                400, "Bad Request: message is not modified: specified new message content is the same"
            )
        return self._keep(new)

    def _edit_message_reply_markup(self, params: dict[str, Any]) -> dict[str, Any]:
        old = self._messages.get((params["chat_id"], params["message_id"]))
        if old is None:
            raise Refused(400, "Bad Request: message to edit not found")
        new = {**old, "reply_markup": rules.checked_markup(params)}
        if without_blanks(new) == old:
            raise Refused(400, "Bad Request: message is not modified")
        return self._keep(new)

    def _delete_message(self, params: dict[str, Any]) -> bool:
        if not self._messages.pop((params["chat_id"], params["message_id"]), None):
            raise Refused(400, "Bad Request: message to delete not found")
        return True

    def _answer_callback_query(self, params: dict[str, Any]) -> bool:
        if params["callback_query_id"] not in self._open_queries:
            raise Refused(
                400, "Bad Request: query is too old and response timeout expired or query ID is invalid"
            )
        self._open_queries.remove(params["callback_query_id"])
        self.callback_answers.append(params.get("text", ""))
        return True

    def _set_my_commands(self, params: dict[str, Any]) -> bool:
        self.commands[params.get("language_code", "")] = rules.checked_commands(params)
        return True

    # Book-keeping.

    def _next_fault(self, method: str) -> Fault | None:
        fault = next((fault for fault in self._faults if fault.method == method), None)
        if fault is not None:
            fault.times -= 1
            self._faults = [fault for fault in self._faults if fault.times > 0]
        return fault

    def _hold_back(self, chat_id: int) -> None:
        left = self._floods.get(chat_id, 0.0) - time.monotonic()
        if left > 0:
            wait = math.ceil(left)
            raise Refused(429, f"Too Many Requests: retry after {wait}", wait)

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def _new_message(self, chat_id: int, sender: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "message_id": self._take_id(),
            "date": int(time.time()),
            "chat": rules.chat(chat_id),
            "from": sender,
        }

    def _keep(self, message: dict[str, Any]) -> dict[str, Any]:
        stored = without_blanks(message)
        self._messages[stored["chat"]["id"], stored["message_id"]] = stored
        return stored

    def _push(self, kind: str, body: dict[str, Any]) -> int:
        update_id = self._take_id()
        if kind == "message":
            self._keep(body)
        self._delivered[update_id] = {"update_id": update_id, kind: body}
        self._updates.append(self._delivered[update_id])
        self._wake()
        return update_id

    def _log(self, method: str, params: Mapping[str, Any], error: str = "") -> None:
        if method != "getUpdates":
            self.calls.append(Call(method=method, params=params, at=time.monotonic(), error=error))
            self._wake()

    def _wake(self) -> None:
        """Everyone who waits looks again."""
        self._changed.set()
        self._changed = asyncio.Event()


@contextlib.asynccontextmanager
async def running_bot_api() -> AsyncIterator[FakeBotApi]:
    """Telegram on a free port of this machine."""
    telegram = FakeBotApi()
    app = web.Application()
    app.router.add_post("/bot{token}/{method}", telegram.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        telegram.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield telegram
    finally:
        await runner.cleanup()


def refusal(refused: Refused) -> web.Response:
    body: dict[str, Any] = {"ok": False, "error_code": refused.code, "description": refused.description}
    if refused.retry_after is not None:
        body["parameters"] = {"retry_after": refused.retry_after}
    return web.json_response(body, status=refused.code)


def sent_message(message: Mapping[str, Any]) -> SentMessage:
    return SentMessage(
        chat_id=message["chat"]["id"],
        message_id=message["message_id"],
        text=message["text"],
        entities=tuple(message.get("entities", ())),
        buttons=tuple(buttons(message)),
        reply_to=message.get("reply_to_message", {}).get("message_id"),
    )


def buttons(message: Mapping[str, Any]) -> Iterator[Button]:
    for row in message.get("reply_markup", {}).get("inline_keyboard", []):
        for button in row:
            yield Button(
                chat_id=message["chat"]["id"],
                message_id=message["message_id"],
                text=button["text"],
                data=button["callback_data"],
            )


def without_blanks(message: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if value not in (None, [])}
