"""Texts as an attacker writes them: one small thing again and again, with an end that almost fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

# What is repeated. Each has once been, or could be, what a pattern or a loop reads anew at every place.
UNITS: Mapping[str, str] = {
    # Addresses.
    "mail and host": "a.b@c.",
    "mail": "a@b.cc ",
    "at signs": "@",
    "handles": "@ab ",
    "dots": ".",
    "letters and dots": "a.",
    "letters and hyphens": "a-",
    "colons": ":",
    "words and colons": "a:",
    "slashes": "/",
    "path": "a/",
    "scheme": "http://",
    "scheme and host": "https://a.b ",
    "address in brackets": "[::1]",
    "percent": "http://%61%2e",
    "punycode": "xn--a.",
    "full-width dots": "a．b。",
    "query": "?a=b&",
    "www": "www.",
    "user and password": "a:b@",
    # Markdown.
    "open link": "[a](",
    "middle of link": "](",
    "open brackets": "[",
    "closed brackets": "]",
    "nested brackets": "[[]",
    "image": "![a](b ",
    "reference": "[1]",
    "reference list": "[1, ",
    "marks of files": "[1†",
    "marks of spaces": "[1 ",
    "bold": "**",
    "bold word": "**a ",
    "underscores": "_",
    "words and underscores": "a_ ",
    "backticks": "`",
    "two backticks": "`` ` ",
    "fences": "```\n",
    "tildes": "~~~\n",
    "headings": "# a\n",
    "deep headings": "###### ",
    "underlined headings": "a\n=\n",
    "list": "- a\n",
    "deep list": "- ",
    "numbered list": "1. a\n",
    "quotation": "> ",
    "table": "|a",
    "table rows": "|-|-|\n",
    "rules": "---\n",
    "front matter": "---\na: b\n",
    "escapes": "\\",
    # HTML.
    "list items": "<li>",
    "open tags": "<a ",
    "deep elements": "<div>",
    "closed elements": "<b>a</b>",
    "closing tags": "</p>",
    "less-than signs": "<",
    "comments": "<!--",
    "ends of comments": "-->",
    "declarations": "<!",
    "references": "&#",
    "ampersands": "&",
    "entities": "&amp;",
    "long references": "&#x26;",
    "attributes": '<a href="" ',
    "style attributes": '<p style="color:red;">',
    "style elements": "<style>",
    "style rules": ".a{display:none}",
    "style classes": '<p class="a b">a',
    "style comments": "/*",
    "scripts": "<script>",
    "cells": "<td>",
    "preformatted": "<pre>\n",
    # Space.
    "newlines": "\n",
    "blank lines": " \n",
    "spaces": " ",
    "tabs": "\t",
    "returns": "\r\n",
    "no-break spaces": "\xa0",
    # Numbers.
    "digits": "1",
    "thousands": "1 000 ",
    "decimals": "1.5,",
    "phone": "+7 (999) 123-45-67 ",
    "dates": "1.2.2026 ",
    "times": "10:00-",
    "prices": "$1.00 ",
    "number words": "twenty one ",
    "russian number words": "двадцать один ",
    # Words.
    "long word": "a",
    "capitals": "A",
    "short words": "a b ",
    "two words": "delivery refund ",
    "name": "My name is ",
    "names": "Anna Smith ",
    "russian name": "Меня зовут ",
    "conjunctions": "и не ",
    "no": "no. ",
    "sentences": "A b. ",
    "initials": "A. ",
    "abbreviations": "т.д. ",
    "questions": "?",
    "question sentences": "What is it? ",
    "exclamations": "!",
    "ellipses": "...",
    "quotes": '"',
    "single quotes": "'",
    "guillemets": "«a»",
    "brackets": "(",
    "closing brackets": ")",
    "braces": "{{",
    "template": "{{a}} ",
    "commas": ", ",
    "semicolons": ";",
    "equals": "a=b ",
    "hyphens": "-",
    "dashes": "— ",
    "plus": "+",
    "dollars": "$",
    # Letters of the world.
    "emoji": "👩‍👩‍👧",
    "flags": "🇷🇺",
    "combining marks": "\u0301",
    "marked letters": "e\u0301\u0302",
    "zero width": "\u200b",
    "joiners": "a\u200d",
    "right to left": "\u202e\u05d0",
    "arabic": "مرحبا ",
    "chinese": "中文",
    "chinese sentences": "中。",
    "thai": "ภาษาไทย",
    "hangul": "한국 ",
    "mixed scripts": "aб中",
    "ligatures": "\ufdfa",
    "growing letters": "ŉİ",
    "null": "\x00",
    "tags": "\U000e0041",
    "private use": "\ue000\ue001",
    # Rows and objects.
    "json objects": '{"a":',
    "json lists": "[[",
    "json strings": '{"a":"b"},',
    "csv": '"a",',
    "csv rows": "id,name\n",
}

# What makes the rest fit no more, so that whoever tried it tries again from the next place.
_TAILS = ("\x7f", "!\n", "\x01", ")", "a", " Zz\n\n9", "”", ">", "1")


@dataclass(frozen=True, kw_only=True)
class Family:
    """`write` gives a text of about so many characters."""

    name: str
    write: Callable[[int], str]


def families(*, whole: bool) -> Iterator[Family]:
    """Of every unit one with an end that does not fit; as a whole also alone, and with ordinary words between."""
    for place, (name, unit) in enumerate(UNITS.items()):
        tail = _TAILS[place % len(_TAILS)]
        yield Family(name=name, write=lambda size, unit=unit, tail=tail: _repeated(unit, size) + tail)
        if whole:
            yield Family(name=f"{name}, alone", write=lambda size, unit=unit: _repeated(unit, size))
            among = f"{unit}the cup {unit}x\n"
            yield Family(name=f"{name}, among words", write=lambda size, unit=among: _repeated(unit, size))
    for name, write in _SHAPES.items():
        yield Family(name=name, write=write)


def _repeated(unit: str, size: int) -> str:
    return unit * max(1, size // len(unit))


def _nested(opening: str, closing: str) -> Callable[[int], str]:
    def write(size: int) -> str:
        depth = max(1, size // (len(opening) + len(closing)))
        return opening * depth + closing * depth

    return write


def _different_words(size: int) -> str:
    return " ".join(f"word{number:x}" for number in range(max(1, size // 8)))


def _different_numbers(size: int) -> str:
    return " ".join(f"{number} kg," for number in range(max(1, size // 8)))


def _different_sentences(size: int) -> str:
    return " ".join(f"Item{number} costs {number} euro." for number in range(max(1, size // 24)))


def _different_headings(size: int) -> str:
    return "\n".join(f"{'#' * (1 + number % 6)} H{number}" for number in range(max(1, size // 10)))


def _different_rules(size: int) -> str:
    rules = "".join(f".c{number}{{display:none}}" for number in range(max(1, size // 40)))
    return f"<style>{rules}</style>" + "".join(f'<p class="c{n}">a' for n in range(max(1, size // 40)))


def _growing(unit: str) -> Callable[[int], str]:
    """Rows of the unit, each longer than the one before."""

    def write(size: int) -> str:
        rows: list[str] = []
        while sum(map(len, rows[-1:])) * len(rows) < 2 * size:
            rows.append(unit * (len(rows) + 1))
        return " ".join(rows)

    return write


_SHAPES: Mapping[str, Callable[[int], str]] = {
    "nested links": _nested("[", "](a)"),
    "nested lists": _nested("<ul><li>", "</ul>"),
    "nested braces": _nested("{", "}"),
    "nested brackets of prose": _nested("(", ")"),
    "nested quotations": _nested("«", "»"),
    "nested bold": _nested("*a ", "*"),
    "nested json": _nested('{"a":[', "]}"),
    "different words": _different_words,
    "different numbers": _different_numbers,
    "different sentences": _different_sentences,
    "different headings": _different_headings,
    "different style rules": _different_rules,
    "growing backticks": _growing("`"),
    "growing fences": lambda size: _growing("`")(size).replace(" ", "\n"),
    "words of growing length": _growing("a"),
}
