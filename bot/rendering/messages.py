"""Messages in Telegram's form: offsets in UTF-16 units, at most 4,096 units and 100 entities."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, replace
from itertools import accumulate, islice

from bot.rendering.styled import Span, StyledText

TEXT_LIMIT = 4096
ENTITY_LIMIT = 100

_SPACE = re.compile(r"\s*+")


@dataclass(frozen=True, kw_only=True)
class Entity:
    """One formatted range of a message; `kind` is the Bot API's `type`."""

    kind: str
    offset: int
    length: int
    url: str = ""
    language: str = ""


@dataclass(frozen=True, kw_only=True)
class Message:
    """The content of one sendMessage or editMessageText call."""

    text: str
    entities: tuple[Entity, ...] = ()


def to_message(styled: StyledText) -> Message:
    """The styled text in Telegram's units; entities above the limit are left out, as Telegram does."""
    offsets = utf16_offsets(styled.text)
    entities = tuple(to_entity(span, offsets) for span in styled.spans[:ENTITY_LIMIT])
    return Message(text=styled.text, entities=entities)


def to_entity(span: Span, offsets: list[int]) -> Entity:
    offset = offsets[span.start]
    return Entity(
        kind=span.kind,
        offset=offset,
        length=offsets[span.end] - offset,
        url=span.url,
        language=span.language,
    )


def utf16_offsets(text: str) -> list[int]:
    """The UTF-16 offset of every code point, and of the end."""
    return list(accumulate((1 + (ord(character) > 0xFFFF) for character in text), initial=0))


def fits(styled: StyledText, text_limit: int = TEXT_LIMIT) -> bool:
    return len(styled.spans) <= ENTITY_LIMIT and utf16_offsets(styled.text)[-1] <= text_limit


def split(styled: StyledText, text_limit: int = TEXT_LIMIT) -> list[StyledText]:
    """Parts that each fit one message, cut between blocks, else lines, else words."""
    parts: list[StyledText] = []
    open_spans, waiting = list[Span](), deque(sorted(styled.spans, key=lambda span: span.start))
    start = _after_space(styled.text, 0)
    while start < len(styled.text):
        # No part is longer or has more entities, so the rest is not read.
        near = [*open_spans, *islice(waiting, ENTITY_LIMIT + 1)]
        window = replace(styled, spans=tuple(near)).part(start, min(start + text_limit + 1, len(styled.text)))
        end = breaking_point(window.text, furthest_end(window, text_limit))
        parts.append(window.part(0, end).stripped())
        start = _after_space(styled.text, start + end)
        while waiting and waiting[0].start < start:
            open_spans.append(waiting.popleft())
        open_spans = [span for span in open_spans if span.end > start]
    return parts


def _after_space(text: str, start: int) -> int:
    space = _SPACE.match(text, start)
    return space.end() if space else start


def furthest_end(styled: StyledText, text_limit: int) -> int:
    """The end of the longest beginning within both limits, in code points; at least 1, so that splitting ends."""
    by_length = bisect_right(utf16_offsets(styled.text), text_limit) - 1
    starts = sorted(span.start for span in styled.spans)
    by_entities = starts[ENTITY_LIMIT] if len(starts) > ENTITY_LIMIT else by_length
    return max(1, min(by_length, by_entities))


def breaking_point(text: str, end: int) -> int:
    """The place to cut, at or before `end`: after a block, a line or a word if one is near."""
    if end == len(text):
        return end
    cuts = (text.rfind(separator, end // 2, end + 1) for separator in ("\n\n", "\n", " "))
    return next((cut for cut in cuts if cut > 0), end)
