"""Text with styled ranges, counted in code points; `messages` converts to UTF-16."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Self

VERBATIM = ("pre", "code")
QUOTES = ("blockquote", "expandable_blockquote")

# The order of importance when two ranges overlap: the more important one is kept.
PRECEDENCE = ("pre", "text_link", "code", *QUOTES)


@dataclass(frozen=True, kw_only=True)
class Span:
    """One styled range `[start, end)`; `kind` is the type of a Telegram entity."""

    start: int
    end: int
    kind: str
    url: str = ""
    language: str = ""


@dataclass(frozen=True, kw_only=True)
class StyledText:
    """A text and its styled ranges."""

    text: str
    spans: tuple[Span, ...] = ()

    def part(self, start: int, end: int) -> Self:
        """The range `[start, end)` with the spans cut to it."""
        clipped = (
            replace(span, start=max(span.start, start) - start, end=min(span.end, end) - start)
            for span in self.spans
            if span.start < end and span.end > start
        )
        return replace(self, text=self.text[start:end], spans=tuple(clipped))

    def stripped(self) -> Self:
        """Without outer white space, which Telegram would remove and so shift all ranges."""
        start = len(self.text) - len(self.text.lstrip())
        return self.part(start, max(start, len(self.text.rstrip())))

    def styled(self, spans: Iterable[Span]) -> Self:
        """Adds spans. Those that Telegram would refuse beside stronger ones are left out."""
        return replace(self, spans=compatible((*self.spans, *spans)))


def joined(parts: Iterable[StyledText], separator: str) -> StyledText:
    """One text from all non-empty parts."""
    texts, spans, length = list[str](), list[Span](), 0
    for part in parts:
        if not part.text:
            continue
        length += len(separator) if texts else 0
        spans += [replace(s, start=s.start + length, end=s.end + length) for s in part.spans]
        texts.append(part.text)
        length += len(part.text)
    return StyledText(text=separator.join(texts), spans=tuple(spans))


def compatible(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The spans that Telegram's nesting rules allow together, in reading order."""
    kept = _Kept()
    for span in sorted(spans, key=precedence):
        if span.start < span.end and all(may_coexist(span, other) for other in kept.overlapping(span)):
            kept.add(span)
    return tuple(sorted(kept.spans(), key=lambda span: (span.start, -span.end, span.kind)))


class _Kept:
    """Spans by kind. Two of a kind never overlap, so those that overlap another are found without a look at all."""

    def __init__(self) -> None:
        self._by_kind = defaultdict[str, list[Span]](list)

    def add(self, span: Span) -> None:
        insort(self._by_kind[span.kind], span, key=_start)

    def overlapping(self, span: Span) -> Iterator[Span]:
        for spans in [self._by_kind.get(span.kind, []), *self._by_kind.values()]:
            place = bisect_left(spans, span.end, key=_start) - 1
            while place >= 0 and spans[place].end > span.start:
                yield spans[place]
                place -= 1

    def spans(self) -> Iterator[Span]:
        return chain.from_iterable(self._by_kind.values())


def _start(span: Span) -> int:
    return span.start


def precedence(span: Span) -> int:
    return PRECEDENCE.index(span.kind) if span.kind in PRECEDENCE else len(PRECEDENCE)


def may_coexist(one: Span, other: Span) -> bool:
    if one.end <= other.start or other.end <= one.start:
        return True
    if one.kind == other.kind or (one.kind in QUOTES and other.kind in QUOTES):
        return False
    if one.kind in VERBATIM or other.kind in VERBATIM:
        return quotes_whole(one, other) or quotes_whole(other, one)
    return contains(one, other) or contains(other, one)


def quotes_whole(quote: Span, inner: Span) -> bool:
    return quote.kind in QUOTES and contains(quote, inner)


def contains(outer: Span, inner: Span) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end
