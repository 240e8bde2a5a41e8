"""An answer as the messages a chat receives: while it is being written, and when it is done."""

from __future__ import annotations

from collections.abc import Sequence

from bot.rendering.citations import Source, cited, linked, source_list
from bot.rendering.markdown import from_markdown
from bot.rendering.messages import TEXT_LIMIT, Message, fits, split, to_message
from bot.rendering.styled import Span, StyledText, joined

CURSOR = " ▍"


def preview_message(text: str) -> Message:
    """The newest part of a growing answer, with a cursor behind it."""
    parts = split(from_markdown(text), TEXT_LIMIT - len(CURSOR))
    return to_message(joined([*parts[-1:], StyledText(text=CURSOR)], "").stripped())


def answer_messages(
    text: str, sources: Sequence[Source], *, sources_heading: str, note: str = ""
) -> tuple[Message, ...]:
    """The whole answer in one or more messages, the sources and a word on a bad end below it."""
    body = linked(from_markdown(text), sources)
    remark = StyledText(text=note).styled([Span(start=0, end=len(note), kind="italic")])
    parts = split(joined([body, remark], "\n\n"))
    quotation = source_list(cited(body.text, sources), sources_heading)
    return tuple(to_message(part) for part in with_ending(parts, quotation))


def with_ending(parts: list[StyledText], ending: StyledText) -> list[StyledText]:
    """The ending on the last part where it fits, else in messages of its own."""
    last = joined([*parts[-1:], ending], "\n\n").stripped()
    return [*parts[:-1], last] if parts and fits(last) else [*parts, *split(ending)]
