"""Writes answers with Chat Completions, the endpoint that every OpenAI-compatible server has."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from openai import AsyncOpenAI, AsyncStream, omit
from openai.types.chat import (
    ChatCompletionAssistantMessageParam,
    ChatCompletionChunk,
    ChatCompletionMessageParam,
    ChatCompletionSystemMessageParam,
    ChatCompletionUserMessageParam,
)
from openai.types.chat.chat_completion_chunk import Choice

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
from retrieval_service.providers.openai.chat.streaming import AnswerSettings, read_events
from retrieval_service.providers.openai.chat.thoughts import Habit


class ChatCompletionsAnswerer:
    """An `Answerer` that ends as `ResponsesAnswerer` does; it owns the client and closes it."""

    def __init__(
        self, client: AsyncOpenAI, settings: AnswerSettings, *, provider: str = "openai-compatible"
    ) -> None:
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
        progress = Progress()
        async with aclosing(reading) as chunks:
            async for chunk in chunks:
                progress = _after(progress, chunk)
                if text := _text(chunk):
                    yield TextPart(text=text)
        # Usage comes after the finish reason, from some servers never: only the stream's end is the end.
        yield _ending(progress)

    async def close(self) -> None:
        await self._client.close()

    async def _open(self, said: ModelInput, safety_identifier: str) -> AsyncStream[ChatCompletionChunk]:
        return await self._client.chat.completions.create(
            model=self._settings.model,
            messages=[_system(said.instructions), *(_param(message) for message in said.messages)],
            # Deprecated at OpenAI for its successor, which self-hosted servers do not all know.
            max_tokens=self._settings.max_output_tokens,
            # Servers other than OpenAI's may refuse fields they do not know.
            safety_identifier=safety_identifier if safety_identifier and self._provider == "openai" else omit,
            stream_options={"include_usage": True},
            stream=True,
        )


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What the chunks so far have told about the ending."""

    finish_reason: FinishReason | None = None
    is_refused: bool = False
    input_tokens: int = 0
    output_tokens: int = 0


def _after(progress: Progress, chunk: ChatCompletionChunk) -> Progress:
    for choice in chunk.choices or ():
        progress = _after_choice(progress, choice)
    if not chunk.usage:
        return progress
    return replace(
        progress,
        input_tokens=chunk.usage.prompt_tokens or 0,
        output_tokens=chunk.usage.completion_tokens or 0,
    )


def _after_choice(progress: Progress, choice: Choice) -> Progress:
    is_refused = progress.is_refused or bool(choice.delta and choice.delta.refusal)
    reason = _finish_reason(choice.finish_reason) if choice.finish_reason else progress.finish_reason
    return replace(progress, is_refused=is_refused, finish_reason=reason)


def _finish_reason(word: str) -> FinishReason:
    named = {"length": FinishReason.LENGTH, "content_filter": FinishReason.POLICY}
    return named.get(word, FinishReason.STOP)


def _text(chunk: ChatCompletionChunk) -> str:
    return "".join(choice.delta.content or "" for choice in chunk.choices or () if choice.delta)


def _ending(progress: Progress) -> Ending:
    if progress.finish_reason is None:
        raise failures.cut_short()
    return Ending(
        finish_reason=FinishReason.POLICY if progress.is_refused else progress.finish_reason,
        input_tokens=progress.input_tokens,
        output_tokens=progress.output_tokens,
    )


def _system(instructions: str) -> ChatCompletionMessageParam:
    return ChatCompletionSystemMessageParam(role="system", content=instructions)


def _param(message: Message) -> ChatCompletionMessageParam:
    if message.role == "user":
        return ChatCompletionUserMessageParam(role="user", content=message.content)
    return ChatCompletionAssistantMessageParam(role="assistant", content=message.content)
