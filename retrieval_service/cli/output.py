"""What commands print: results on stdout, everything else on stderr, plain when nobody watches."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from google.protobuf import json_format, message
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

results = Console(highlight=False)
notes = Console(stderr=True, highlight=False)


def line(text: str = "", *, style: str = "") -> None:
    """One line of a result, as it is: never wrapped, and brackets are no markup."""
    results.print(text, style=style, markup=False, soft_wrap=True)


def note(text: str, *, style: str = "") -> None:
    notes.print(text, style=style, markup=False, soft_wrap=True)


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


@contextmanager
def progress() -> Iterator[Progress]:
    """A progress display on stderr, which stays silent unless that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=notes, disable=not notes.is_terminal) as display:
        yield display


def _drawn(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> Table:
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        drawn.add_column(heading, overflow="fold")
    for row in cells:
        drawn.add_row(*(escape(value) for value in row))
    return drawn
