"""A message as Telegram takes it: offsets in UTF-16 units, at most 4,096 of them and 100 entities."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from bot.rendering.styled import Span, StyledText

TEXT_LIMIT = 4096
ENTITY_LIMIT = 100


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
    """What one call of sendMessage or editMessageText carries."""

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
    rest = styled.stripped()
    while rest.text:
        end = breaking_point(rest.text, furthest_end(rest, text_limit))
        parts.append(rest.part(0, end).stripped())
        rest = rest.part(end, len(rest.text)).stripped()
    return parts


def furthest_end(styled: StyledText, text_limit: int) -> int:
    """The longest beginning within both limits, in code points; at least one, so that splitting ends."""
    by_length = bisect_right(utf16_offsets(styled.text), text_limit) - 1
    starts = sorted(span.start for span in styled.spans)
    by_entities = starts[ENTITY_LIMIT] if len(starts) > ENTITY_LIMIT else by_length
    return max(1, min(by_length, by_entities))


def breaking_point(text: str, end: int) -> int:
    """Where to cut at or before `end`: a nearby block, line or word is better than half a word."""
    if end == len(text):
        return end
    cuts = (text.rfind(separator, end // 2, end + 1) for separator in ("\n\n", "\n", " "))
    return next((cut for cut in cuts if cut > 0), end)
