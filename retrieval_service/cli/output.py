"""What commands print: results on stdout, everything else on stderr, plain when nobody watches."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from google.protobuf import json_format, message
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

results = Console(highlight=False)
notes = Console(stderr=True, highlight=False)

LONGEST_ID = 36
MOST_NAMES = 10


def line(text: str = "", *, style: str = "") -> None:
    """One line of a result, as it is: never wrapped, and brackets are no markup."""
    results.print(text, style=style, markup=False, soft_wrap=True)


def note(text: str, *, style: str = "") -> None:
    notes.print(text, style=style, markup=False, soft_wrap=True)


def note_left_out(hidden: Sequence[str]) -> None:
    """Names the first of the files that were left out because they are hidden."""
    if hidden:
        more = f" and {len(hidden) - MOST_NAMES:,} more" if len(hidden) > MOST_NAMES else ""
        note(f"Hidden, so left out: {', '.join(hidden[:MOST_NAMES])}{more}.")


def json_value(value: object) -> None:
    """Flushed at once: `kladez up --json` goes on running."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()


def json_message(response: message.Message) -> None:
    """Protobuf's own JSON with the names of the contract, the same that grpcurl prints."""
    sys.stdout.write(message_json(response) + "\n")


def message_json(response: message.Message) -> str:
    return json_format.MessageToJson(
        response,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
        ensure_ascii=False,
    )


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table for people; lines of tab-separated values, without headings, for pipes."""
    cells = [[str(value) for value in row] for row in rows]
    if results.is_terminal:
        results.print(_drawn(headings, cells))
        return
    for row in cells:
        sys.stdout.write("\t".join(" ".join(value.split()) for value in row) + "\n")


def sheet(headings: Sequence[str], rows: Sequence[Sequence[str]], *, empty: Collection[str]) -> None:
    """As `table`; for people the rows stand side by side, without the ones and the lines that are empty."""
    if not results.is_terminal:
        table(headings, rows)
        return
    *others, last = rows
    shown = [*(row for row in others if not empty_but_name(row, empty)), last]
    lines = [line for line in zip(headings, *shown, strict=True) if not empty_but_name(line, empty)]
    results.print(_drawn(lines[0], [list(line) for line in lines[1:]]))


def empty_but_name(cells: Sequence[str], empty: Collection[str]) -> bool:
    return all(cell in empty for cell in cells[1:])


@contextmanager
def progress() -> Iterator[Progress]:
    """A progress display on stderr, which stays silent unless that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=notes, disable=not notes.is_terminal) as display:
        yield display


def _drawn(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> Table:
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for place, heading in enumerate(headings):
        # An id that is broken over lines cannot be copied.
        is_one_word = all(" " not in row[place] and len(row[place]) <= LONGEST_ID for row in cells)
        drawn.add_column(heading, overflow="fold", no_wrap=is_one_word)
    for row in cells:
        drawn.add_row(*(escape(value) for value in row))
    return drawn
