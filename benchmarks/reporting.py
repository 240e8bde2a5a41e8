"""The table: what was measured, beside its baseline of the same run and the bar it is held to."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rich.console import Console
from rich.table import Table


class Side(StrEnum):
    """Which side of the bar is the good one."""

    AT_MOST = "≤"
    AT_LEAST = "≥"


@dataclass(frozen=True, kw_only=True)
class Bar:
    """What the design asks for."""

    side: Side
    value: float

    def is_reached(self, value: float) -> bool:
        return value <= self.value if self.side is Side.AT_MOST else value >= self.value


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line: `value` is what the bar is about, `from_what` the measurements it was made of."""

    what: str
    value: float
    unit: str = ""
    bar: Bar | None = None
    from_what: str = ""

    @property
    def text(self) -> str:
        return f"{amount(self.value)} {self.unit}".strip()


def at_most(value: float) -> Bar:
    return Bar(side=Side.AT_MOST, value=value)


def at_least(value: float) -> Bar:
    return Bar(side=Side.AT_LEAST, value=value)


def amount(value: float) -> str:
    """Three digits that count, large numbers whole."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def show(title: str, figures: Sequence[Figure], *, as_json: bool) -> None:
    """A missed bar is told and is no failure: a busy machine misses some."""
    if as_json:
        sys.stdout.write(json.dumps(document(title, figures), ensure_ascii=False, indent=2) + "\n")
        return
    # A pipe has no width to fit into.
    Console(width=None if sys.stdout.isatty() else 200).print(drawn(title, figures))


def document(title: str, figures: Sequence[Figure]) -> dict[str, object]:
    return {
        "title": title,
        "load_average": round(os.getloadavg()[0], 1),
        "figures": [
            {
                "what": figure.what,
                "value": figure.value,
                "unit": figure.unit,
                "bar": bar_text(figure),
                "reached": figure.bar.is_reached(figure.value) if figure.bar else None,
                "from": figure.from_what,
            }
            for figure in figures
        ],
    }


def drawn(title: str, figures: Sequence[Figure]) -> Table:
    caption = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    table = Table("what", title=title, caption=caption, title_justify="left", caption_justify="left")
    table.add_column("figure", justify="right")
    table.add_column("bar")
    table.add_column("measured")
    for figure in figures:
        table.add_row(figure.what, figure.text, bar_text(figure), figure.from_what)
    return table


def bar_text(figure: Figure) -> str:
    if figure.bar is None:
        return ""
    missed = "" if figure.bar.is_reached(figure.value) else "  missed"
    return f"{figure.bar.side} {amount(figure.bar.value)} {figure.unit}".rstrip() + missed
