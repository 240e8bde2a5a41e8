"""Markdown of an answer as styled text, by telegramify-markdown with our own safeguards."""

from __future__ import annotations

import re
from bisect import bisect_right

from telegramify_markdown import MessageEntity, RenderConfig, convert

from bot.rendering.linking import without_new_links
from bot.rendering.messages import utf16_offsets
from bot.rendering.styled import Span, StyledText

MARK = re.compile(r"\[(\d{1,3})\]")

# Markdown would take "[1]" for a link label and "<size>" for HTML, and both would vanish from the answer.
# Stand-ins keep them through the conversion. They are punctuation like the originals, because next to
# letters a closing "**" means something else.
STAND_INS = str.maketrans("⦗⦘⧼", "[]<")

WEB_ADDRESS = re.compile(r"https?://[^\s/]+", re.IGNORECASE)


def from_markdown(text: str) -> StyledText:
    """Text and spans; links go to the web or nowhere, and none comes together that nobody has looked at."""
    plain, entities = convert(shielded(text), latex_escape=False, config=CONFIG)
    offsets = utf16_offsets(plain)
    spans = [to_span(entity, offsets) for entity in entities if is_safe(entity)]
    return without_new_links(StyledText(text=plain.translate(STAND_INS)).styled(spans), text)


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
    """The converter without its decorations: an answer is not a poster."""
    config = RenderConfig.isolated()
    symbols = config.markdown_symbol
    symbols.heading_level_1 = symbols.heading_level_2 = ""
    symbols.heading_level_3 = symbols.heading_level_4 = ""
    symbols.image = ""
    symbols.unordered_list_item = "•"
    return config


CONFIG = quiet_config()
