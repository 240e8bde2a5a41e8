"""Writes answers with OpenAI's Responses API, streaming and storing nothing at the provider."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from openai import AsyncOpenAI, AsyncStream, BaseModel
from openai.types.responses import (
    EasyInputMessageParam,
    Response,
    ResponseCompletedEvent,
    ResponseErrorEvent,
    ResponseFailedEvent,
    ResponseIncompleteEvent,
    ResponseStreamEvent,
)
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from openai.types.shared import ReasoningEffort
from openai.types.shared_params import Reasoning

from retrieval_service.domain.fragments import (
    AnswerPart,
    Ending,
    FinishReason,
    Prompt,
    SpokenPart,
    TextPart,
)
from retrieval_service.providers.openai import failures
from retrieval_service.providers.openai.chat.prompting import Message, ModelInput, model_input
from retrieval_service.providers.openai.chat.status_line import judged
from retrieval_service.providers.openai.chat.streaming import AnswerSettings, drain, read_events
from retrieval_service.providers.openai.chat.thoughts import Habit

DELTA = "response.output_text.delta"
ENDINGS = {
    "response.completed": ResponseCompletedEvent,
    "response.incomplete": ResponseIncompleteEvent,
    "response.failed": ResponseFailedEvent,
    "error": ResponseErrorEvent,
}


class _Read(BaseModel):
    event: ResponseStreamEvent


def make_types_ready() -> None:
    """The SDK makes its types when the first event is read, which takes 0.3 s: call it in a thread, before."""
    spoken = {"type": "message", "content": [{"type": "output_text", "text": "", "annotations": []}]}
    ending = {"type": "response.completed", "response": {"output": [spoken], "usage": {}}}
    _Read.construct(event=ending)


class ResponsesAnswerer:
    """An `Answerer`; it owns the client and closes it.

    A refusal's own words are not passed on: the ending says POLICY, and the service says the rest.
    """

    def __init__(self, client: AsyncOpenAI, settings: AnswerSettings, *, provider: str = "openai") -> None:
        self._client = client
        self._settings = settings
        self._provider = provider
        self._habit = Habit()

    @property
    def name(self) -> str:
        return f"{self._provider}/{self._settings.model}"

    def stream(self, prompt: Prompt) -> AsyncGenerator[AnswerPart]:
        return judged(self.write(model_input(prompt), prompt.safety_identifier), self._habit)

    async def write(self, said: ModelInput, safety_identifier: str = "") -> AsyncGenerator[SpokenPart]:
        """The text and its ending, for any input."""
        reading = read_events(lambda: self._open(said, safety_identifier), self._settings.patience)
        async with aclosing(reading) as events:
            async for event in events:
                part = part_of_json(event)
                if isinstance(part, Ending):
                    await drain(events)
                    yield part
                    return
                if part:
                    yield part
        raise failures.cut_short()

    async def close(self) -> None:
        await self._client.close()

    async def _open(self, said: ModelInput, safety_identifier: str) -> AsyncStream[object]:
        """The SDK's own method would walk through the whole input to rename nothing, and type every event."""
        body = ResponseCreateParamsStreaming(
            model=self._settings.model,
            instructions=said.instructions,
            input=[message_param(message) for message in said.messages],
            max_output_tokens=self._settings.max_output_tokens,
            store=False,
            stream=True,
        )
        if reasoning := reasoning_of(self._settings.reasoning_effort):
            body["reasoning"] = reasoning
        if safety_identifier:
            body["safety_identifier"] = safety_identifier
        stream = AsyncStream[object]
        return await self._client.post(
            "/responses", cast_to=object, body=body, stream=True, stream_cls=stream
        )


def part_of_json(event: object) -> SpokenPart | None:
    """As `part_of`; events are typed only where they say more than a piece of text."""
    if not isinstance(event, dict):
        raise failures.unintelligible()
    kind = str(event.get("type"))
    if kind == DELTA:
        text = event.get("delta")
        return TextPart(text=text) if isinstance(text, str) and text else None
    ending = ENDINGS.get(kind)
    return part_of(ending.construct(**event)) if ending else None


def part_of(event: ResponseStreamEvent) -> SpokenPart | None:
    """None for the many events that only report progress; the two that report failure are raised."""
    match event.type:
        case "response.output_text.delta":
            return TextPart(text=event.delta) if event.delta else None
        case "response.completed" | "response.incomplete":
            return _ending(event.response)
        case "response.failed":
            raise failures.in_stream(event.response.error.code if event.response.error else None)
        case "error":
            raise failures.in_stream(event.code)
    return None


def _ending(response: Response) -> Ending:
    usage = response.usage
    return Ending(
        finish_reason=_finish_reason(response),
        input_tokens=usage.input_tokens if usage else 0,
        output_tokens=usage.output_tokens if usage else 0,
    )


def _finish_reason(response: Response) -> FinishReason:
    reason = response.incomplete_details.reason if response.incomplete_details else None
    if reason == "content_filter" or _is_refused(response):
        return FinishReason.POLICY
    return FinishReason.LENGTH if response.status == "incomplete" else FinishReason.STOP


def _is_refused(response: Response) -> bool:
    messages = (item for item in response.output or () if item.type == "message")
    return any(part.type == "refusal" for message in messages for part in message.content)


def message_param(message: Message) -> EasyInputMessageParam:
    return EasyInputMessageParam(role=message.role, content=message.content)


def reasoning_of(effort: str | None) -> Reasoning | None:
    # The set of efforts grows with the models; the server, not this type, decides what is valid.
    return Reasoning(effort=cast(ReasoningEffort, effort)) if effort else None
