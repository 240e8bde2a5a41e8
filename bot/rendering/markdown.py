"""Markdown of an answer as styled text, by telegramify-markdown with our own safeguards."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from telegramify_markdown import MessageEntity, RenderConfig, convert

from bot.rendering.linking import without_new_links
from bot.rendering.messages import utf16_offsets
from bot.rendering.styled import Span, StyledText, joined

MARK = re.compile(r"\[(\d{1,3})\]")

# Markdown would take "[1]" for a link label and "<size>" for HTML, and remove both. Stand-ins keep them through the
# conversion. They are punctuation like the originals, because a closing "**" means something else next to letters.
STAND_INS = str.maketrans("⦗⦘⧼", "[]<")

# The converter's time grows with the square of the number of empty blocks, so it gets at most this many at once.
LONGEST_STRETCH = 4_000
FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
PARAGRAPH = re.compile(r"\n[ \t]*+\n(?=\S)")

WEB_ADDRESS = re.compile(r"https?://[^\s/]+", re.IGNORECASE)


def from_markdown(text: str) -> StyledText:
    """Text and spans. Links must lead to the web, and no unchecked link may appear."""
    return without_new_links(joined(map(_converted, stretches(shielded(text))), "\n\n"), text)


def _converted(shielded_text: str) -> StyledText:
    plain, entities = convert(shielded_text, latex_escape=False, config=CONFIG)
    offsets = utf16_offsets(plain)
    spans = [to_span(entity, offsets) for entity in entities if is_safe(entity)]
    return StyledText(text=plain.translate(STAND_INS)).styled(spans)


def stretches(text: str) -> Iterator[str]:
    """The text in pieces, one for all but long answers, cut at a paragraph outside code, else at a line or a word."""
    start = 0
    while len(text) - start > LONGEST_STRETCH:
        end = boundary(text, start)
        yield text[start:end]
        start = end
    yield text[start:]


def boundary(text: str, start: int) -> int:
    window = text[start : start + LONGEST_STRETCH]
    fences = [fence.start() for fence in FENCE.finditer(window)]
    ends = [end.start() for end in PARAGRAPH.finditer(window, LONGEST_STRETCH // 2)]
    outside = [end for end in ends if bisect_right(fences, end) % 2 == 0]
    found = outside[-1] if outside else max(window.rfind("\n", 1), window.rfind(" ", 1))
    return start + (found if found > 0 else LONGEST_STRETCH)


def is_web_address(url: str) -> bool:
    return WEB_ADDRESS.match(url) is not None


def shielded(text: str) -> str:
    return MARK.sub(r"⦗\1⦘", text).replace("<", "⧼")


def is_safe(entity: MessageEntity) -> bool:
    return entity.type != "text_link" or is_web_address(entity.url or "")


def to_span(entity: MessageEntity, offsets: list[int]) -> Span:
    return Span(
        start=bisect_right(offsets, entity.offset) - 1,
        end=bisect_right(offsets, entity.offset + entity.length) - 1,
        kind=entity.type,
        url=entity.url or "",
        language=entity.language or "",
    )


def quiet_config() -> RenderConfig:
    """The converter's settings, without its decorations."""
    config = RenderConfig.isolated()
    symbols = config.markdown_symbol
    symbols.heading_level_1 = symbols.heading_level_2 = ""
    symbols.heading_level_3 = symbols.heading_level_4 = ""
    symbols.image = ""
    symbols.unordered_list_item = "•"
    return config


CONFIG = quiet_config()
