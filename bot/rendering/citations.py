"""Citations for readers: marks that open the source, and the list of sources."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from bot.rendering.markdown import MARK, is_web_address
from bot.rendering.styled import Span, StyledText, joined

TITLE_CHARACTERS = 120
UNLINKED = ("code", "pre", "text_link")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A passage that the answer uses; `url` may be empty or only a path."""

    number: int
    title: str
    url: str = ""


def linked(styled: StyledText, sources: Iterable[Source]) -> StyledText:
    """The text with each mark `[n]` as a link if source n has a web address."""
    addresses = {source.number: source.url for source in sources if is_web_address(source.url)}
    unlinked = sorted((span.start, span.end) for span in styled.spans if span.kind in UNLINKED)
    links = (
        Span(start=mark.start(), end=mark.end(), kind="text_link", url=addresses[int(mark[1])])
        for mark in MARK.finditer(styled.text)
        if int(mark[1]) in addresses and is_prose(unlinked, mark.start())
    )
    return styled.styled(links)


def is_prose(unlinked: Sequence[tuple[int, int]], position: int) -> bool:
    """Whether a place is outside the ranges, which are sorted and do not overlap.

    Telegram allows no links inside them.
    """
    place = bisect_right(unlinked, position, key=itemgetter(0)) - 1
    return place < 0 or unlinked[place][1] <= position


def cited(text: str, sources: Sequence[Source]) -> list[Source]:
    """The sources that the text cites, by number. The others are not shown."""
    named = {int(mark[1]) for mark in MARK.finditer(text)}
    return sorted((source for source in sources if source.number in named), key=lambda source: source.number)


def source_list(sources: Sequence[Source], heading: str) -> StyledText:
    """A collapsed quotation with one line for each source; empty without sources."""
    if not sources:
        return StyledText(text="")
    title = StyledText(text=heading).styled([Span(start=0, end=len(heading), kind="bold")])
    lines = joined([title, *(source_line(source) for source in sources)], "\n")
    return lines.styled([Span(start=0, end=len(lines.text), kind="expandable_blockquote")])


def source_line(source: Source) -> StyledText:
    prefix = f"[{source.number}] "
    text = prefix + clipped(" ".join(source.title.split()) or source.url)
    link = Span(start=len(prefix), end=len(text), kind="text_link", url=source.url)
    return StyledText(text=text).styled([link] if is_web_address(source.url) else []).stripped()


def clipped(title: str) -> str:
    return title if len(title) <= TITLE_CHARACTERS else f"{title[: TITLE_CHARACTERS - 1]}…"
