"""What a person wrote as one thing: a paragraph, a list with the line that leads to it, a row of a table.

Markup goes: what is said of a row is "Country: Spain, Price: 14 €", and of a link its words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest

from retrieval_service.text.sentences import bullet_length

# A document's own "[1]" would pass for a citation of ours.
_FOREIGN_MARKER = re.compile(r"[\[【]([\s^0-9,;:–-]++)(?:†[^\]】\n]{0,200}+)?[\]】]")
_IMAGE = re.compile(r"!\[[^\]\[\n]{0,300}+\]\([^()\n]{0,2000}+\)")
_LINK = re.compile(r"\[([^\]\[\n]{1,300}+)\]\([^()\n]{0,2000}+\)")
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,500}+>")
_MARKS = re.compile(r"\*\*|__|`|(?<!\w)[*_](?=\w)|(?<=[\w.!?…»)])[*_](?!\w)")
_MARKED = re.compile(r"[\[【<*_`]")
_RULE = re.compile(r"[-*_=]{3,}+|:::.*|```.*|~~~.*")
_CELL = re.compile(r"(?<!\\)\|")
_TABLE_RULE = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*+\|?")
_LONGEST_RULE = 1_000
_ENDS = (".", "!", "?", "…")


class Kind(StrEnum):
    """What a unit is."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"
    ROW = "row"


@dataclass(frozen=True, kw_only=True)
class Unit:
    """`lines` have no markup; those of a list begin with their bullets, but for one that leads to them.

    A paragraph has those of its lines that end with a sentence.
    """

    kind: Kind
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def units_of(text: str) -> list[Unit]:
    """In the order of the text; what holds no word is left out."""
    made = (unit for block in _led(_blocks(text.splitlines())) for unit in _units(block))
    return [unit for unit in made if any(map(str.isalnum, unit.text))]


def plain(line: str) -> str:
    """One line without markup and foreign markers; its bullet stays."""
    bullet = line[: bullet_length(line)]
    said = " ".join(_unmarked(line[len(bullet) :]).split())
    return f"{bullet.strip()} {said}" if bullet.strip() and said else said


def _unmarked(text: str) -> str:
    """Most lines have no mark that could begin anything."""
    if not _MARKED.search(text):
        return text
    said = _TAG.sub(" ", _LINK.sub(r"\1", _IMAGE.sub("", text)))
    return _FOREIGN_MARKER.sub(r"(\1)", _MARKS.sub("", said))


@dataclass(frozen=True, kw_only=True)
class _Block:
    kind: Kind
    lines: list[str]


def _blocks(lines: Iterable[str]) -> Iterator[_Block]:
    """Lines of one kind without a blank one between; items of a list may have some."""
    block, is_apart = _Block(kind=Kind.HEADING, lines=[]), True
    for line in lines:
        bare = line.strip()
        if not bare or _RULE.fullmatch(bare):
            is_apart = True
            continue
        kind = kind_of(bare)
        if block.kind is Kind.LIST and kind is Kind.PARAGRAPH and (not is_apart or line[0] in " \t"):
            kind = Kind.LIST
        if kind is Kind.HEADING or kind is not block.kind or (is_apart and kind is not Kind.LIST):
            yield block
            block = _Block(kind=kind, lines=[])
        block.lines.append(bare)
        is_apart = False
    yield block


def kind_of(line: str) -> Kind:
    """What a line without white space around it belongs to."""
    if line.startswith("#") and line.lstrip("#")[:1] in {" ", "\t", ""}:
        return Kind.HEADING
    if line.startswith("|") or (line.count("|") > 1 and line.endswith("|")):
        return Kind.ROW
    return Kind.LIST if bullet_length(line + " ") and not line.startswith(">") else Kind.PARAGRAPH


def _led(blocks: Iterable[_Block]) -> Iterator[_Block]:
    """A list together with the line before it that ends with a colon."""
    waiting: _Block | None = None
    for block in blocks:
        if waiting and block.kind is Kind.LIST:
            yield _Block(kind=Kind.LIST, lines=[*waiting.lines, *block.lines])
            waiting = None
            continue
        if waiting:
            yield waiting
        waiting = block if block.kind is Kind.PARAGRAPH and block.lines[-1].endswith(":") else None
        if waiting is None:
            yield block
    if waiting:
        yield waiting


def _units(block: _Block) -> Iterator[Unit]:
    if block.kind is Kind.ROW:
        yield from _rows(block.lines)
    elif block.kind is Kind.LIST:
        yield _list(tuple(filter(None, map(plain, _items(block.lines)))))
    elif block.kind is Kind.HEADING:
        yield Unit(kind=block.kind, lines=(plain(" ".join(block.lines).lstrip("#").strip("# \t")),))
    else:
        yield Unit(kind=block.kind, lines=tuple(filter(None, map(plain, _whole_lines(block.lines)))))


def _whole_lines(lines: Iterable[str]) -> Iterator[str]:
    """A line that ends no sentence goes on in the next one."""
    begun: list[str] = []
    for line in lines:
        begun.append(line)
        if line.endswith(_ENDS):
            yield " ".join(begun)
            begun = []
    yield " ".join(begun)


def _list(lines: tuple[str, ...]) -> Unit:
    """One item alone needs no bullet."""
    if len(lines) != 1:
        return Unit(kind=Kind.LIST, lines=lines)
    return Unit(kind=Kind.PARAGRAPH, lines=(lines[0][bullet_length(lines[0]) :],))


def _items(lines: Sequence[str]) -> Iterator[str]:
    """Lines that go on with an item stand behind it."""
    item = ""
    for line in lines:
        if item and (bullet_length(line) or item.endswith(":")):
            yield item
            item = line
        else:
            item = f"{item} {line}".strip()
    yield item


def _rows(lines: Sequence[str]) -> Iterator[Unit]:
    """With the names of the columns; the first line names them when a rule stands below it."""
    has_header = len(lines) > 1 and is_table_rule(lines[1])
    names = _cells(lines[0]) if has_header else []
    for line in lines[2:] if has_header else lines:
        if is_table_rule(line):
            continue
        pairs = [(name, cell) for name, cell in zip_longest(names, _cells(line), fillvalue="") if cell]
        said = ", ".join(f"{name}: {cell}" if name else cell for name, cell in pairs)
        yield Unit(kind=Kind.ROW, lines=(said,))


def _cells(line: str) -> list[str]:
    return [plain(cell.strip().replace("\\|", "|")) for cell in _CELL.split(line.strip().strip("|"))]


def is_table_rule(line: str) -> bool:
    """Whether the row above it names the columns."""
    return len(line) <= _LONGEST_RULE and "-" in line and _TABLE_RULE.fullmatch(line) is not None


def table_rows_read(text: str) -> str:
    """The text with the rows of its tables written out, and everything else as it is."""
    if "|" not in text:
        return text
    made: list[str] = []
    table: list[str] = []
    for line in [*text.splitlines(), ""]:
        if kind_of(line.strip()) is Kind.ROW:
            table.append(line.strip())
            continue
        made += [unit.text for unit in _rows(table)] if table else []
        table = []
        made.append(line)
    return "\n".join(made[:-1])
