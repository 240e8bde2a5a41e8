"""Chooses the rows of a table that a question asks for: never its neighbours without the row itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, groupby

from retrieval_service.domain.quotation.quotes import Quote
from retrieval_service.text.facts.facts import Amount, amounts_of
from retrieval_service.text.function_words import content_words
from retrieval_service.text.named_things import has_digit
from retrieval_service.text.words import stem, words

# Where no row alone has what was asked, a table of so many rows is quoted whole.
MOST_ROWS = 12
# Of a question that is full of numbers the first ones.
_MOST_NUMBERS = 8
# What stands around a row: its number and the line's end.
_MARKER = 10
_PERCENT = "percent"


def with_rows_asked(
    question: str, chosen: Sequence[Quote], quotes: Sequence[Quote], most_characters: int, follow_up: str = ""
) -> list[Quote]:
    """What was chosen of `quotes`, but of each table the rows that were asked for.

    Where a `follow_up` tells rows apart by itself, the conversation behind it does not: "and a canoe?". Rows that
    together have more characters are left as they were chosen.
    """
    tables: dict[tuple[int, int], list[Quote]] = {}
    for one in quotes:
        tables.setdefault(_table(one), []).append(one)
    made: list[Quote] = []
    for key, group in groupby(sorted(chosen, key=lambda one: _first(one, chosen)), key=_table):
        taken = list(group)
        if taken[0].table:
            table = tables[key]
            taken = _rows_told_apart(follow_up, table) or rows_asked(question, table) or taken
        made += taken
    length = sum(len(one.whole) + _MARKER for one in made)
    return made if length <= most_characters else list(chosen)


def rows_asked(question: str, table: Sequence[Quote]) -> list[Quote]:
    """Those with every number and every word of the question that tells rows of this table apart.

    Where no row has all of them the whole table, for then the rows together tell; none when that is too long.
    """
    return _rows_told_apart(question, table) or (list(table) if len(table) <= MOST_ROWS else [])


def _rows_told_apart(question: str, table: Sequence[Quote]) -> list[Quote]:
    """None where the question tells none apart, or too many fit."""
    words_of = [_stems(row.sentence, row.fragment.language) for row in table]
    amounts = [list(chain.from_iterable(amounts_of(row.sentence))) for row in table]
    everywhere = frozenset.intersection(*words_of)
    asked = _stems(question, table[0].fragment.language) - everywhere
    telling = asked & frozenset[str]().union(*words_of)
    fitting = [telling <= said for said in words_of]
    for number in amounts_of(question)[:_MOST_NUMBERS]:
        fitting = [known and has for known, has in zip(fitting, _having(number, amounts), strict=True)]
    rows = [row for row, fits in zip(table, fitting, strict=True) if fits]
    return rows if len(rows) < len(table) and len(rows) <= MOST_ROWS else []


def _table(one: Quote) -> tuple[int, int]:
    return one.fragment.number, one.table


def _first(one: Quote, chosen: Sequence[Quote]) -> int:
    """The place of the first that is of its table."""
    return next(place for place, other in enumerate(chosen) if other is one or _table(other) == _table(one))


def _having(asked: Sequence[Amount], rows: Sequence[Sequence[Amount]]) -> list[bool]:
    """Which rows have the number, counting the same; where none does, counting what one of the two leaves unsaid."""
    strictly = [any(one.covers(reading) for reading in asked for one in row) for row in rows]
    if any(strictly):
        return strictly
    return [
        any(one.unit != _PERCENT and one.may_cover(reading) for reading in asked for one in row)
        for row in rows
    ]


def _stems(text: str, language: str) -> frozenset[str]:
    """Of words without digits: numbers are compared by what they count."""
    said = content_words(words(text), (language,))
    return frozenset(stem(word, language)[1] for word in said if not has_digit(word))
