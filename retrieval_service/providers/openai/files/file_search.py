"""Writes answers with the Responses API's own search in vector stores."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing

from openai import AsyncOpenAI, AsyncStream, omit
from openai.types.responses import (
    FileSearchToolParam,
    ResponseFileSearchToolCall,
    ResponseStreamEvent,
    ToolChoiceTypesParam,
)
from openai.types.responses.file_search_tool_param import RankingOptions
from openai.types.responses.response_file_search_tool_call import Result
from openai.types.responses.response_output_text_annotation_added_event import Annotation

from retrieval_service.domain.fragments import Ending, Prompt, TextPart
from retrieval_service.domain.sync.remote_files import FileAnswerPart, FileCited, FileSearch, FoundFiles, Hit
from retrieval_service.providers.openai import failures
from retrieval_service.providers.openai.chat.prompting import ModelInput, search_input
from retrieval_service.providers.openai.chat.responses import message_param, part_of, reasoning_of
from retrieval_service.providers.openai.chat.status_line import StatusLine
from retrieval_service.providers.openai.chat.streaming import AnswerSettings, drain, read_events
from retrieval_service.providers.openai.chat.thoughts import Habit
from retrieval_service.providers.openai.files import filters, found

MOST_HITS = 50


class FileSearchAnswerer:
    """A `FileAnswerer`; it owns the client and closes it, stores nothing at the provider, ends as others do."""

    def __init__(self, client: AsyncOpenAI, settings: AnswerSettings, *, provider: str = "openai") -> None:
        self._client = client
        self._settings = settings
        self._provider = provider
        self._habit = Habit()

    @property
    def name(self) -> str:
        return f"{self._provider}/{self._settings.model}/file_search"

    async def stream(self, prompt: Prompt, where: FileSearch) -> AsyncGenerator[FileAnswerPart]:
        said, translated = search_input(prompt), filters.translation(where.conditions)
        tool = _tool(where, translated.spoken)
        reading = read_events(
            lambda: self._open(said, tool, prompt.safety_identifier), self._settings.patience
        )
        reader = Reader(translated.unspoken, self._habit)
        async with aclosing(reading) as events:
            async for event in events:
                for part in reader.parts(event):
                    if isinstance(part, Ending):
                        await drain(events)
                        yield part
                        return
                    yield part
        raise failures.cut_short()

    async def close(self) -> None:
        await self._client.close()

    async def _open(
        self, said: ModelInput, tool: FileSearchToolParam, safety_identifier: str
    ) -> AsyncStream[ResponseStreamEvent]:
        return await self._client.responses.create(
            model=self._settings.model,
            instructions=said.instructions,
            input=[message_param(message) for message in said.messages],
            tools=[tool],
            # Left to itself a model may answer from memory.
            tool_choice=ToolChoiceTypesParam(type="file_search"),
            include=["file_search_call.results"],
            max_output_tokens=self._settings.max_output_tokens,
            reasoning=reasoning_of(self._settings.reasoning_effort) or omit,
            safety_identifier=safety_identifier or omit,
            store=False,
            stream=True,
        )


class Reader:
    """Remembers what was found, because a citation names nothing but the file."""

    def __init__(self, unspoken: tuple[str, ...], habit: Habit | None = None) -> None:
        self._unspoken = unspoken
        self._best: dict[str, Hit] = {}
        self._start = 0
        self._length = 0
        self._line = StatusLine(habit)

    def parts(self, event: ResponseStreamEvent) -> Iterator[FileAnswerPart]:
        """None for events that only report progress and for files that are not ours."""
        part = self._part(event)
        if isinstance(part, TextPart):
            yield from self._line.feed(part.text)
        elif part:
            yield from self._line.finish() if isinstance(part, Ending) else ()
            yield part

    def _part(self, event: ResponseStreamEvent) -> FileAnswerPart | None:
        match event.type:
            case "response.output_item.done" if event.item.type == "file_search_call":
                return self._found(event.item)
            case "response.content_part.added":
                self._start = self._length
            case "response.output_text.annotation.added":
                return self._cited(event.annotation)
            case "response.output_text.delta":
                self._length += len(event.delta or "")
        return part_of(event)

    def _found(self, call: ResponseFileSearchToolCall) -> FoundFiles:
        hits = sorted(_hits(call.results or ()), key=lambda hit: hit.score, reverse=True)
        for hit in hits:
            self._best.setdefault(hit.file_id, hit)
        return FoundFiles(hits=tuple(hits), unspoken=self._unspoken)

    def _cited(self, annotation: Annotation | None) -> FileCited | None:
        if annotation is None or annotation.type != "file_citation":
            return None
        best = self._best.get(annotation.file_id)
        document_id = best.document_id if best else found.document_of(annotation.filename, {})
        if document_id is None:
            return None
        return FileCited(
            file_id=annotation.file_id,
            document_id=document_id,
            offset=max(0, self._start + annotation.index - self._line.removed),
            quote=best.text if best else "",
        )


def _tool(where: FileSearch, spoken: filters.Filter | None) -> FileSearchToolParam:
    return FileSearchToolParam(
        type="file_search",
        vector_store_ids=list(where.store_ids),
        filters=spoken,
        max_num_results=min(where.limit, MOST_HITS),
        ranking_options=RankingOptions(score_threshold=where.threshold),
    )


def _hits(results: Iterable[Result]) -> Iterator[Hit]:
    for result in results:
        hit = found.hit(
            file_id=result.file_id or "",
            file_name=result.filename or "",
            score=result.score or 0.0,
            text=result.text or "",
            attributes=result.attributes or {},
        )
        if hit:
            yield hit
