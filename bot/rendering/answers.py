"""The messages of an answer, while it is written and when it is complete."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from bot.rendering.citations import Source, cited, linked, source_list
from bot.rendering.markdown import from_markdown
from bot.rendering.messages import TEXT_LIMIT, Message, fits, split, to_message
from bot.rendering.styled import Span, StyledText, joined

CURSOR = " ▍"
DOUBT = "†"

# The start and end of a doubtful sentence, in code points of the answer.
Range = tuple[int, int]


def preview_message(text: str) -> Message:
    """The newest part of a growing answer, with a cursor behind it."""
    parts = split(from_markdown(text), TEXT_LIMIT - len(CURSOR))
    return to_message(joined([*parts[-1:], StyledText(text=CURSOR)], "").stripped())


def with_doubts(text: str, doubts: Iterable[Range]) -> str:
    """The text with a mark behind each sentence that the sources do not confirm."""
    places = sorted(start + len(text[start:end].rstrip()) for start, end in doubts)
    return DOUBT.join(text[start:end] for start, end in pairwise([0, *places, len(text)]))


def answer_messages(
    text: str,
    sources: Sequence[Source],
    *,
    sources_heading: str,
    note: str = "",
    doubts: Sequence[Range] = (),
    footnote: str = "",
) -> tuple[Message, ...]:
    """The complete answer in one or more messages, with the meaning of its marks, the note and the sources below."""
    body = linked(from_markdown(with_doubts(text, doubts)), sources)
    legend = italic(f"{DOUBT} {footnote}" if doubts else "")
    parts = split(joined([body, legend, italic(note)], "\n\n"))
    quotation = source_list(cited(body.text, sources), sources_heading)
    return tuple(to_message(part) for part in with_ending(parts, quotation))


def italic(text: str) -> StyledText:
    return StyledText(text=text).styled([Span(start=0, end=len(text), kind="italic")])


def with_ending(parts: list[StyledText], ending: StyledText) -> list[StyledText]:
    """Appends the ending to the last part if it fits, else in messages of its own."""
    last = joined([*parts[-1:], ending], "\n\n").stripped()
    return [*parts[:-1], last] if parts and fits(last) else [*parts, *split(ending)]
