"""Reads a summary out of any HTML and writes it as the web or Telegram may show it; nothing else gets through.

Its words and links are held to the rules of an answer's.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser

import nh3

from retrieval_service.domain.fragments import Fragment, Prompt
from retrieval_service.domain.safe_text.links import LinkPolicy, policy_of
from retrieval_service.domain.safe_text.safe_text import made_safe
from retrieval_service.domain.summaries.summaries import Flavour, Statement, Summary, plain
from retrieval_service.text.invisible import without_invisible

# More than any summary that keeps the form; a runaway model is not read to its end.
MAX_DRAFT = 40_000
_MOST_ELEMENTS = 1_000
# Telegram takes 4,096 UTF-16 units of text in a message; the rest is for whoever adds a line.
MAX_TELEGRAM = 4_000

_INLINE = {"b": "b", "strong": "b", "i": "i", "em": "i", "code": "code"}
_BLOCKS = {"p", "ul", "ol", "li"}
_WEB_TAGS = {"p", "ul", "li", "b", "i", "code", "a"}
_HIDDEN = {
    *("script", "style", "title", "iframe", "noframes", "noembed", "noscript", "object", "template"),
    *("svg", "math", "textarea", "select", "audio", "video", "canvas"),
}
_FENCE = re.compile(r"\A\s*```\w*")
_FENCE_END = "```"
# What each pattern looks at ends where the next one begins: none of them is kept busy by a model's text.
_CITATION = re.compile(r"\s?[\[【]\s?(\d{1,3}(?:\s?[,;]\s?\d{1,3}){0,20}+)\s?[\]】]")
_MARKDOWN_LINK = re.compile(r"!?\[([^\[\]\n]{0,300}+)\]\([^()\n]{0,2000}+\)")
_EMPTY = re.compile(r"<(b|i|code|a)(?: [^<>]*+)?>\s?</\1>")
_WEB_ADDRESS = re.compile(r"https?://[^\s\"'<>]+", re.IGNORECASE)
_LINK = re.compile(r'<a href="([^"<>]*+)">((?:[^<]|<(?!/?a[ >]))*+)</a>')


def read_summary(source: str, asked: Prompt) -> Summary:
    """Paragraphs before the first item are the lead; links that nothing cited there has are left out."""
    cleaned = nh3.clean(
        _shallow(_without_fence(source[:MAX_DRAFT])),
        tags=_BLOCKS | set(_INLINE) | {"a"},
        clean_content_tags=_HIDDEN,
        attributes={"a": {"href"}},
        link_rel=None,
        url_schemes={"http", "https"},
    )
    reader = _Reader()
    reader.feed(cleaned)
    reader.close()
    known, policy = {fragment.number for fragment in asked.fragments}, policy_of(asked)
    points = [_statement(point, known, policy) for point in reader.points]
    return Summary(lead=_statement(" ".join(reader.lead), known, policy), points=tuple(points))


def write_summary(summary: Summary, asked: Prompt, flavour: Flavour) -> str:
    """Numbers are links where their document has an address on the web."""
    urls = web_urls(asked.fragments)
    if flavour is Flavour.TELEGRAM:
        return _telegram(summary, urls)
    points = "".join(f"<li>{_cited(point, urls)}</li>" for point in summary.points)
    items = f"<ul>{points}</ul>" if points else ""
    return clean_web(f"<p>{_cited(summary.lead, urls)}</p>{items}", asked)


def clean_web(source: str, asked: Prompt) -> str:
    """The last door: whatever is written, only these elements and links of sources or allowed domains leave."""
    urls, policy = frozenset(web_urls(asked.fragments).values()), policy_of(asked)
    numbers = {fragment.number for fragment in asked.fragments}

    def allowed(_element: str, name: str, value: str) -> str | None:
        return value if name == "rel" or value in urls or _may_open(value, numbers, policy) else None

    return nh3.clean(
        _shallow(source),
        tags=_WEB_TAGS,
        clean_content_tags=_HIDDEN,
        attributes={"a": {"href"}},
        attribute_filter=allowed,
        link_rel="noopener noreferrer",
        url_schemes={"http", "https"},
    )


def web_urls(fragments: Sequence[Fragment]) -> dict[int, str]:
    """Addresses by number, of those documents that have one anybody can open."""
    return {fragment.number: fragment.url for fragment in fragments if _WEB_ADDRESS.fullmatch(fragment.url)}


def _shallow(source: str) -> str:
    """A cleaner looks at all elements that are open for each that opens."""
    return "<".join(source.split("<", _MOST_ELEMENTS)[:_MOST_ELEMENTS])


def _without_fence(source: str) -> str:
    """Models like to put HTML into a block of code."""
    inside = source.strip()
    opening = _FENCE.match(inside)
    return inside[opening.end() if opening else 0 :].removesuffix(_FENCE_END)


class _Reader(HTMLParser):
    """For the well-formed output of nh3 only; gathers inline HTML by block."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lead: list[str] = []
        self.points: list[str] = []
        self._pieces: list[str] = []
        self._open: list[str] = []
        self._items = 0
        self._has_items = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self._end_block()
            self._items += tag == "li"
            self._has_items |= tag == "li"
            return
        href = dict(attrs).get("href")
        if tag == "a" and href:
            self._begin("a", f'<a href="{html.escape(href)}">')
        elif tag in _INLINE:
            self._begin(_INLINE[tag], f"<{_INLINE[tag]}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self._end_block()
            self._items -= tag == "li"
        elif self._open and self._open[-1] == _INLINE.get(tag, tag):
            self._pieces.append(f"</{self._open.pop()}>")

    def handle_data(self, data: str) -> None:
        text = _MARKDOWN_LINK.sub(r"\1", without_invisible(data))
        self._pieces.append(html.escape(text, quote=False))

    def close(self) -> None:
        super().close()
        self._end_block()

    def _begin(self, name: str, start: str) -> None:
        self._open.append(name)
        self._pieces.append(start)

    def _end_block(self) -> None:
        """Elements left open end here: a statement is whole by itself."""
        while self._open:
            self._pieces.append(f"</{self._open.pop()}>")
        block, self._pieces = " ".join("".join(self._pieces).split()), []
        if block and self._items:
            self.points.append(block)
        elif block and not self._has_items:
            self.lead.append(block)


def _statement(inline: str, known: Collection[int], policy: LinkPolicy) -> Statement:
    """Takes the citations out of the text; numbers nobody was given are dropped."""
    cited = [int(number) for found in _CITATION.findall(inline) for number in re.findall(r"\d+", found)]
    numbers = tuple(number for number in dict.fromkeys(cited) if number in known)
    text = _EMPTY.sub("", _CITATION.sub("", inline))
    return _safe(Statement(html=text.strip(), numbers=numbers), policy)


def _safe(statement: Statement, policy: LinkPolicy) -> Statement:
    """What says anything foreign loses its markup with it; links that nothing it cites has become their words."""
    said = statement.text.strip()
    shown = made_safe(said, policy, cited=statement.numbers).strip()
    if shown != said:
        return plain(shown, statement.numbers)

    def checked(link: re.Match[str]) -> str:
        is_allowed = _may_open(html.unescape(link[1]), statement.numbers, policy)
        return link[0] if is_allowed else link[2]

    return replace(statement, html=_LINK.sub(checked, statement.html))


def _may_open(address: str, cited: Collection[int], policy: LinkPolicy) -> bool:
    """Whether a statement that cites these sources may link to the address."""
    verdict = policy.verdict(address)
    is_of_cited = not verdict.numbers.isdisjoint(cited)
    return bool(_WEB_ADDRESS.fullmatch(address)) and (verdict.is_free or is_of_cited)


def _cited(statement: Statement, urls: Mapping[int, str]) -> str:
    marks = "".join(_mark(number, urls.get(number, "")) for number in statement.numbers)
    return f"{statement.html} {marks}".strip()


def _mark(number: int, url: str) -> str:
    return f'<a href="{html.escape(url)}">[{number}]</a>' if url else f"[{number}]"


def _telegram(summary: Summary, urls: Mapping[int, str]) -> str:
    """Lines instead of a list; the last points go when the message would be too long."""
    lead, lines = _cited(summary.lead, urls), [f"• {_cited(point, urls)}" for point in summary.points]
    while len(lines) > 1 and _units("\n".join((lead, *lines))) > MAX_TELEGRAM:
        lines.pop()
    return "\n\n".join(part for part in (lead, "\n".join(lines)) if part)


def _units(source: str) -> int:
    return len(Statement(html=source).text.encode("utf-16-le")) // 2
