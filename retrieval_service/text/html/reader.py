"""HTML to plain text: what a reader would see, with its paragraphs, lists and table rows.

The tokenizer follows the HTML standard where it matters for text. `html.parser` of the standard library is
not used: it raises on `<![x`, and 90 KB of "<a <a <a" keep it busy for a minute. Here every character is
read once.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator

from retrieval_service.text.html.sheets import Sheet, sheet_of
from retrieval_service.text.html.styles import ENDLESS_REFERENCE, Paint, attributes_of, is_hidden, painted
from retrieval_service.text.invisible import without_invisible

_TOKEN = re.compile(
    r"""
      (?P<text>[^<]++)
    | <!--(?:-?>|.*?(?:--!?>|\Z))
    | <(?P<closing>/?)(?P<name>[a-zA-Z][^\s/>]*+)
      (?P<attributes>(?:
          [\s/]
        | [^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)|[^\s"'>][^\s>]*+)?+)?+
      )*+)(?:>|\Z)
    | <[!?/][^>]*+(?:>|\Z)
    | (?P<stray><)
    """,
    re.VERBOSE | re.DOTALL,
)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Their content is not markup, and it ends only with their own end tag.
_RAW = _names("script style xmp iframe noembed noframes")
_UNSEEN = _names("head template noscript object canvas audio video svg datalist")
_INERT = _names("noscript template svg")
_STYLE_TAG = re.compile(r"<style[\s/>]", re.IGNORECASE)
_SEEN_MEDIA = {"", "all", "screen"}
_VOID = _names("area base br col embed hr img input link meta param source track wbr")
_LISTS = _names("ul ol menu dl")
_LINES = _names("br div li tr dt dd option caption figcaption summary legend")
_PARAGRAPHS = _LISTS | _names(
    "p h1 h2 h3 h4 h5 h6 hr blockquote pre table section article aside header footer main nav figure form "
    "fieldset address details body title"
)
_CELLS = _names("td th")
_UNNUMBERED = -1

# An open element that ends by itself when one of these begins right inside it.
_ENDS_BEFORE = {
    "p": _PARAGRAPHS | {"div"},
    "li": {"li"},
    "dt": {"dt", "dd"},
    "dd": {"dt", "dd"},
    "option": {"option"},
    "tr": {"tr"},
    "td": {"td", "th", "tr"},
    "th": {"td", "th", "tr"},
}

_SPACE, _CELL, _LINE, _PARAGRAPH = " ", " | ", "\n", "\n\n"
_STRENGTH = ("", _SPACE, _CELL, _LINE, _PARAGRAPH)


def html_to_text(source: str) -> str:
    """Any string is accepted; the result has no markup, no control over layout and no outer white space."""
    reader = _Reader(_sheet(source))
    for token, _ in _tokens(source):
        if token["name"] is None:
            reader.read_text(token["text"] or token["stray"] or "")
        elif token["closing"]:
            reader.close(token["name"].lower())
        elif (name := token["name"].lower()) not in _RAW:
            reader.open(name, token["attributes"])
    return reader.page.text()


def _tokens(source: str) -> Iterator[tuple[re.Match[str], str]]:
    """Each with the raw text that follows a tag such as "script"."""
    position = 0
    while token := _TOKEN.match(source, position):
        position = end = token.end()
        if token["name"] and not token["closing"] and (name := token["name"].lower()) in _RAW:
            position = _after_raw_text(source, end, name)
        yield token, source[end:position]


def _sheet(source: str) -> Sheet:
    """Of the style elements that count for everyone: not those for print, and for who has no scripts.

    Of none where a script stands elsewhere: what it opens nobody knows.
    """
    if _STYLE_TAG.search(source) is None:
        return Sheet()
    styles, scripts, inert_depth = list[str](), list[str](), 0
    for token, raw in _tokens(source):
        name = (token["name"] or "").lower()
        if name in _INERT:
            inert_depth = max(0, inert_depth + (-1 if token["closing"] else 1))
        elif name == "script":
            if "src" in attributes_of(token["attributes"]):
                return Sheet()
            scripts.append(raw)
        elif (
            name == "style"
            and not inert_depth
            and attributes_of(token["attributes"]).get("media", "all") in _SEEN_MEDIA
        ):
            styles.append(raw)
    return sheet_of(styles, scripts)


def _after_raw_text(source: str, position: int, name: str) -> int:
    end = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(source, position)
    return end.start() if end else len(source)


def _decode(text: str) -> str:
    decoded = html.unescape(ENDLESS_REFERENCE.sub("\ufffd", text))
    # A soft hyphen or a zero-width space inside a word hides the word from search.
    return without_invisible(decoded.replace("\0", "\ufffd"))


class _Page:
    """The text so far; separators wait until it is known that something follows them."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._separator = ""
        self._bullet = ""

    def separate(self, separator: str) -> None:
        self._separator = max(self._separator, separator, key=_STRENGTH.index)

    def start_item(self, bullet: str) -> None:
        self._bullet = bullet

    def write(self, text: str) -> None:
        """White space collapses, as in a browser."""
        words = text.split()
        if text[:1].isspace():
            self.separate(_SPACE)
        if words:
            self._append(" ".join(words))
            if text[-1].isspace():
                self.separate(_SPACE)

    def write_preformatted(self, text: str) -> None:
        if text.strip():
            self._append(text.strip("\n"))

    def text(self) -> str:
        return "".join(self._pieces).strip()

    def _append(self, text: str) -> None:
        separator = self._separator if self._pieces else ""
        self._pieces += (separator, self._bullet, text)
        self._separator = self._bullet = ""


class _Reader:
    """Knows which elements are open, and with that what is hidden, preformatted or an item of which list."""

    def __init__(self, sheet: Sheet) -> None:
        self.page = _Page()
        self._sheet = sheet
        self._open: list[str] = []
        self._open_counts: Counter[str] = Counter()
        self._paints = [Paint()]
        self._item_counts: list[int] = []
        self._hidden_depth = 0

    def read_text(self, text: str) -> None:
        if self._hidden_depth or self._paints[-1].is_invisible:
            return
        if self._open_counts["pre"]:
            self.page.write_preformatted(_decode(text))
        else:
            self.page.write(_decode(text))

    def open(self, name: str, attributes: str) -> None:
        while self._open and name in _ENDS_BEFORE.get(self._open[-1], ()):
            self._pop()
        self._separate(name)
        if name in _VOID:
            return
        self._push(name)
        said = attributes_of(attributes) if attributes else {}
        self._paints.append(painted(name, said, self._paints[-1]))
        if not self._hidden_depth and (name in _UNSEEN or is_hidden(said) or self._sheet.hides(name, said)):
            self._hidden_depth = len(self._open)

    def close(self, name: str) -> None:
        """Ends the element and all that is open in it; an end tag without its start tag means nothing."""
        if not self._open_counts[name]:
            return
        while self._pop() != name:
            pass

    def _push(self, name: str) -> None:
        self._open.append(name)
        self._open_counts[name] += 1
        if name in _LISTS:
            self._item_counts.append(0 if name == "ol" else _UNNUMBERED)
        elif name == "li" and not self._hidden_depth:
            self.page.start_item(self._next_bullet())

    def _pop(self) -> str:
        name = self._open.pop()
        self._open_counts[name] -= 1
        self._paints.pop()
        if name in _LISTS:
            self._item_counts.pop()
        self._separate(name)
        if len(self._open) < self._hidden_depth:
            self._hidden_depth = 0
        return name

    def _separate(self, name: str) -> None:
        if self._hidden_depth:
            return
        if name in _PARAGRAPHS:
            self.page.separate(_LINE if self._item_counts else _PARAGRAPH)
        elif name in _LINES:
            self.page.separate(_LINE)
        elif name in _CELLS:
            self.page.separate(_CELL)

    def _next_bullet(self) -> str:
        if not self._item_counts or self._item_counts[-1] == _UNNUMBERED:
            return "- "
        self._item_counts[-1] += 1
        return f"{self._item_counts[-1]}. "
