"""Front matter of a text: the lines between `---` (YAML) or `+++` (TOML) at its very beginning, which describe it."""

from __future__ import annotations

import csv
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from retrieval_service.domain.documents.documents import (
    MAX_TAG,
    MAX_TAGS,
    MAX_TITLE,
    check_characters,
    is_url,
)

# People write a few lines; what is longer is text.
MOST_CHARACTERS = 16_384
LONGEST_DESCRIPTION = 1_000
# The reader of TOML takes time that grows with the square of a name's parts ("a.a.a = 1"), and people need few.
MOST_TOML_CHARACTERS = 4_000
MOST_TOML_PARTS = 16

_OPENING = re.compile(r"\ufeff?(?P<fence>---|\+\+\+)[ \t]*\r?\n")
_CLOSINGS = {
    "---": re.compile(r"^(?:---|\.\.\.)[ \t]*\r?(?:\n|\Z)", re.MULTILINE),
    "+++": re.compile(r"^\+\+\+[ \t]*\r?(?:\n|\Z)", re.MULTILINE),
}
_KEY = re.compile(r"(?P<key>[A-Za-z_][\w.-]{0,63}):(?:[ \t]+(?P<value>\S.*))?", re.ASCII)
_BLOCK_SCALAR = re.compile(r"[>|][+-]?[0-9]?")
_NOTHING = frozenset({"", "~", "null"})
_ADDRESSES = ("url", "canonical_url", "permalink", "slug")
_TAGS = ("tags", "keywords")

Values = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class FrontMatter:
    """What a text says of itself; its own words begin at `end`. Every field fits into a document's."""

    end: int
    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    url: str = ""


def read(content: str) -> FrontMatter | None:
    """None where the text begins with no front matter, or with lines between two rules that are none."""
    opening = _OPENING.match(content)
    if not opening:
        return None
    fence = opening["fence"]
    closing = _CLOSINGS[fence].search(content, opening.end(), opening.end() + MOST_CHARACTERS)
    if not closing:
        return None
    block = content[opening.end() : closing.start()]
    values = _toml(block) if fence == "+++" else _yaml(block)
    return _described(values, closing.end()) if values else None


def end_of(content: str) -> int:
    """Where the text itself begins."""
    found = read(content)
    return found.end if found else 0


def _described(values: Values, end: int) -> FrontMatter:
    return FrontMatter(
        end=end,
        title=_text(values.get("title"))[:MAX_TITLE],
        description=_text(values.get("description"))[:LONGEST_DESCRIPTION],
        tags=next(filter(None, (_tags(values.get(name)) for name in _TAGS)), ()),
        url=next(filter(_is_place, (_text(values.get(name)) for name in _ADDRESSES)), ""),
    )


def _is_place(url: str) -> bool:
    """A name like "how-to-pay" leads nowhere by itself."""
    return url.startswith(("/", "http://", "https://")) and is_url(url)


def _text(value: object) -> str:
    """One line; empty for what Postgres cannot store."""
    if not isinstance(value, str) or any(check_characters("", value)):
        return ""
    return " ".join(value.split())


def _tags(value: object) -> tuple[str, ...]:
    given = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else ()
    texts = filter(None, map(_text, given))
    return tuple(dict.fromkeys(tag for tag in texts if len(tag) <= MAX_TAG))[:MAX_TAGS]


def _toml(block: str) -> Values:
    """Empty for what is no TOML, and for what is too long or too deep to be read at once."""
    names = (line.partition("=")[0] for line in block.splitlines())
    if len(block) > MOST_TOML_CHARACTERS or any(name.count(".") >= MOST_TOML_PARTS for name in names):
        return {}
    try:
        return tomllib.loads(block.replace("\r\n", "\n"))
    except (ValueError, RecursionError):  # also of a whole number with thousands of digits
        return {}


# --- YAML: the names at the left margin with their texts and lists, which is all that is asked for


def _yaml(block: str) -> Values:
    """Empty when a line is none of YAML's: two rules may stand around a text too."""
    values: dict[str, object] = {}
    for key, value, inner in _entries(block.splitlines()):
        if not key:
            return {}
        values[key] = _value(value, inner)
    return values


def _entries(lines: Iterable[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Each name with its value and the lines below it that are set in; a line without a name has an empty one."""
    key, value, inner = "", "", list[str]()
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        if key and line.startswith((" ", "\t", "- ")):
            inner.append(line.strip())
            continue
        if key:
            yield key, value, inner
        match = _KEY.fullmatch(line.rstrip())
        if not match:
            yield "", line, []
            return
        key, value, inner = match["key"], match["value"] or "", []
    if key:
        yield key, value, inner


def _value(value: str, inner: Sequence[str]) -> object:
    if _BLOCK_SCALAR.fullmatch(value):
        return " ".join(inner)
    if not value and inner and all(line.startswith("-") for line in inner):
        return [_scalar(line[1:].strip()) for line in inner]
    whole = " ".join([value, *inner])
    if whole.startswith("[") and whole.endswith("]"):
        return [_scalar(item) for row in csv.reader([whole[1:-1]], skipinitialspace=True) for item in row]
    return _scalar(whole)


def _scalar(text: str) -> str:
    if text.startswith('"'):
        return _unquoted(text)
    if text.startswith("'"):
        return text[1:].partition("'")[0] if "''" not in text else text.strip("'").replace("''", "'")
    plain = text.partition(" #")[0].strip()
    return "" if plain.lower() in _NOTHING else plain


def _unquoted(text: str) -> str:
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(text)
    except ValueError:
        return text.strip('"')
    return str(value)
