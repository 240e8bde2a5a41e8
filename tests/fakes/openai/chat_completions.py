"""POST /v1/chat/completions, as one body or as chunks that end with `[DONE]`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.fakes.openai import wire
from tests.fakes.openai.fake import EXCHANGE, FAKE
from tests.fakes.openai.scripts import Interruption, Outcome, Script

Body = Mapping[str, Any]
FINISH_REASONS = {
    Outcome.COMPLETED: "stop",
    Outcome.MAX_OUTPUT_TOKENS: "length",
    Outcome.CONTENT_FILTER: "content_filter",
    Outcome.REFUSAL: "stop",
}


async def create_completion(request: web.Request) -> web.StreamResponse:
    body, script = await request.json(), request.app[FAKE].script
    text = script.answer_to(str(body["messages"][-1]["content"]))
    line = script.head_of(str(body["messages"][0]["content"]), text)
    if not body.get("stream"):
        return web.json_response(completion(body, script, line + text))
    return await Stream(request, await wire.open_events(request), script, body).play(line, text)


class Stream:
    """One streamed answer."""

    def __init__(
        self, request: web.Request, response: web.StreamResponse, script: Script, body: Body
    ) -> None:
        self._request = request
        self._response = response
        self._script = script
        self._body = body
        self._head = head(body, "chat.completion.chunk")

    async def play(self, line: str, text: str) -> web.StreamResponse:
        await self._send_choice({"role": "assistant", "content": "", "refusal": None})
        if await self._say(line, text):
            await self._send_choice({}, finish_reason=FINISH_REASONS[self._script.outcome])
            await self._send_usage(line + text)
            await self._response.write(b"data: [DONE]\n\n")
        await asyncio.sleep(self._script.end_delay_seconds)
        await self._response.write_eof()
        return self._response

    async def _say(self, line: str, text: str) -> bool:
        """False when the script interrupts the answer."""
        field = "refusal" if self._script.outcome is Outcome.REFUSAL else "content"
        for word in self._script.deltas(line):
            await self._send_choice({field: word})
        for position, word in enumerate(self._script.deltas(text)):
            if self._script.interruption and position == self._script.interrupted_after:
                await self._interrupt(self._script.interruption)
                return False
            await self._send_choice({field: word})
            self._request[EXCHANGE].deltas_sent += 1
            await asyncio.sleep(self._script.delta_delay_seconds)
        return True

    async def _interrupt(self, interruption: Interruption) -> None:
        match interruption:
            case Interruption.DISCONNECT:
                wire.abort(self._request)
            case Interruption.ERROR_EVENT | Interruption.FAILED:
                error = {"message": "injected", "type": None, "param": None, "code": self._script.error_code}
                await wire.send_event(self._response, {"error": error})
            case Interruption.HANG:
                await asyncio.Event().wait()
            case Interruption.GARBAGE:
                await self._response.write(b"data: {broken\n\n")
            case Interruption.SILENT_END:
                pass

    async def _send_choice(self, delta: Body, *, finish_reason: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        await wire.send_event(self._response, {**self._head, "choices": [choice]})

    async def _send_usage(self, text: str) -> None:
        is_wanted = (self._body.get("stream_options") or {}).get("include_usage")
        if is_wanted and self._script.sends_usage:
            await wire.send_event(
                self._response, {**self._head, "choices": [], "usage": usage(self._body, text)}
            )


def completion(body: Body, script: Script, text: str) -> dict[str, Any]:
    is_refusal = script.outcome is Outcome.REFUSAL
    message = {
        "role": "assistant",
        "content": None if is_refusal else text,
        "refusal": text if is_refusal else None,
        "annotations": [],
    }
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": FINISH_REASONS[script.outcome],
    }
    return {**head(body, "chat.completion"), "choices": [choice], "usage": usage(body, text)}


def head(body: Body, kind: str) -> dict[str, Any]:
    return {"id": wire.new_id("chatcmpl-"), "object": kind, "created": wire.CREATED, "model": body["model"]}


def usage(body: Body, text: str) -> dict[str, int]:
    paid_in = sum(wire.count_tokens(str(message["content"])) for message in body["messages"])
    paid_out = wire.count_tokens(text)
    return {"prompt_tokens": paid_in, "completion_tokens": paid_out, "total_tokens": paid_in + paid_out}


ROUTES = [web.post("/v1/chat/completions", create_completion)]
