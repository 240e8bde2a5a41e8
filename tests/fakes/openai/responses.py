"""POST /v1/responses, as one body or as the API's long train of events."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.fakes.openai import file_search, wire
from tests.fakes.openai.fake import EXCHANGE, FAKE
from tests.fakes.openai.scripts import Interruption, Outcome, Script

Body = Mapping[str, Any]


async def create_response(request: web.Request) -> web.StreamResponse:
    fake, body = request.app[FAKE], await request.json()
    script = fake.script
    for store_id in file_search.store_ids(body):
        wire.existing(fake.storage.stores, store_id)
    call = file_search.call_item(fake.storage, body, task_of(body))
    text = file_search.answer(script, call) if call else script.answer_to(task_of(body))
    line = script.head_of(body.get("instructions") or "", text)
    final = response_object(body, script, line + text, call)
    if not body.get("stream"):
        return web.json_response(final)
    return await Stream(request, await wire.open_events(request), script).play(final, line, text)


class Stream:
    """One streamed answer."""

    def __init__(self, request: web.Request, response: web.StreamResponse, script: Script) -> None:
        self._request = request
        self._response = response
        self._script = script
        self._sequence_number = 0

    async def play(self, final: Body, line: str, text: str) -> web.StreamResponse:
        skeleton = {**final, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
        await self._send("response.created", response=skeleton)
        await self._send("response.in_progress", response=skeleton)
        for call in final["output"][:-1]:
            await self._call(call)
        index, item = len(final["output"]) - 1, final["output"][-1]
        await self._send(
            "response.output_item.added",
            output_index=index,
            item={**item, "status": "in_progress", "content": []},
        )
        if await self._say(item, line, text, final):
            await self._send("response.output_item.done", output_index=index, item=item)
            await self._send(f"response.{final['status']}", response=final)
        await asyncio.sleep(self._script.end_delay_seconds)
        await self._response.write_eof()
        return self._response

    async def _call(self, item: Body) -> None:
        """A search, from its beginning to its results."""
        begun = {**item, "status": "in_progress", "queries": [], "results": None}
        await self._send("response.output_item.added", output_index=0, item=begun)
        for state in ("in_progress", "searching", "completed"):
            await self._send(f"response.file_search_call.{state}", output_index=0, item_id=item["id"])
        await self._send("response.output_item.done", output_index=0, item=item)

    async def _say(self, item: Body, line: str, text: str, final: Body) -> bool:
        """False when the script interrupts the answer."""
        part = item["content"][0]
        kind = "refusal" if part["type"] == "refusal" else "output_text"
        place = {"item_id": item["id"], "output_index": len(final["output"]) - 1, "content_index": 0}
        empty = {**part, "refusal": ""} if kind == "refusal" else {**part, "text": "", "annotations": []}
        await self._send("response.content_part.added", **place, part=empty)
        for word in self._script.deltas(line):
            await self._send(f"response.{kind}.delta", **place, delta=word)
        for position, word in enumerate(self._script.deltas(text)):
            if self._script.interruption and position == self._script.interrupted_after:
                await self._interrupt(self._script.interruption, final)
                return False
            await self._say_word(kind, place, word)
        for number, annotation in enumerate(part.get("annotations", ())):
            kind_of_event = "response.output_text.annotation.added"
            await self._send(kind_of_event, **place, annotation_index=number, annotation=annotation)
        done = {"refusal": text} if kind == "refusal" else {"text": line + text, "logprobs": []}
        await self._send(f"response.{kind}.done", **place, **done)
        await self._send("response.content_part.done", **place, part=part)
        return True

    async def _say_word(self, kind: str, place: Body, word: str) -> None:
        logprobs = {} if kind == "refusal" else {"logprobs": []}
        await self._send(f"response.{kind}.delta", **place, delta=word, **logprobs)
        self._request[EXCHANGE].deltas_sent += 1
        await asyncio.sleep(self._script.delta_delay_seconds)

    async def _interrupt(self, interruption: Interruption, final: Body) -> None:
        error = {"code": self._script.error_code, "message": "injected"}
        match interruption:
            case Interruption.DISCONNECT:
                wire.abort(self._request)
            case Interruption.ERROR_EVENT:
                await self._send("error", **error, param=None)
            case Interruption.FAILED:
                failed = {**final, "status": "failed", "output": [], "usage": None, "error": error}
                await self._send("response.failed", response=failed)
            case Interruption.HANG:
                await asyncio.Event().wait()
            case Interruption.GARBAGE:
                await self._response.write(b"data: {broken\n\n")
            case Interruption.SILENT_END:
                pass

    async def _send(self, kind: str, **fields: Any) -> None:
        event = {"type": kind, "sequence_number": self._sequence_number, **fields}
        self._sequence_number += 1
        await wire.send_event(self._response, event, name=kind)


def task_of(body: Body) -> str:
    """The text of the last user message."""
    said = body["input"]
    return said if isinstance(said, str) else str(said[-1]["content"])


def response_object(body: Body, script: Script, text: str, call: Body | None = None) -> dict[str, Any]:
    reason = script.outcome.value if script.outcome in CUT else None
    return {
        "id": wire.new_id("resp_"),
        "object": "response",
        "created_at": wire.CREATED,
        "status": "incomplete" if reason else "completed",
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": body["model"],
        "output": [*([call] if call else []), message_item(script, text, call)],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": body.get("store", True),
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage(body, text),
        "metadata": {},
    }


def message_item(script: Script, text: str, call: Body | None) -> dict[str, Any]:
    annotations = file_search.annotations(call, text) if call else []
    words_said = {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}
    refusal = {"type": "refusal", "refusal": text}
    return {
        "id": wire.new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "status": "incomplete" if script.outcome in CUT else "completed",
        "content": [refusal if script.outcome is Outcome.REFUSAL else words_said],
    }


def usage(body: Body, text: str) -> dict[str, Any]:
    said = (
        body["input"]
        if isinstance(body["input"], str)
        else " ".join(str(m["content"]) for m in body["input"])
    )
    paid_in = wire.count_tokens(f"{body.get('instructions') or ''} {said}")
    paid_out = wire.count_tokens(text)
    return {
        "input_tokens": paid_in,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": paid_out,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": paid_in + paid_out,
    }


CUT = frozenset({Outcome.MAX_OUTPUT_TOKENS, Outcome.CONTENT_FILTER})
ROUTES = [web.post("/v1/responses", create_response)]
