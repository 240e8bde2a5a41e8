"""What leads to a place inside a list or a table: the line before the list, or the row that names the columns."""

from __future__ import annotations

from bisect import bisect_right

from retrieval_service.text.units import Kind, is_table_rule, kind_of, plain

# What is longer is a text of its own.
LONGEST_LEAD = 200


class Leads:
    """Of one text from `begins` on; places count its code points."""

    def __init__(self, content: str, begins: int = 0) -> None:
        self._starts: list[int] = []
        self._leads: list[str] = []
        block = _Block()
        for line in content[begins:].splitlines(keepends=True):
            self._starts.append(begins)
            self._leads.append(block.lead_of(line))
            begins += len(line)

    def of(self, place: int) -> str:
        """ "" outside of lists and tables, and where nothing leads to them."""
        line = bisect_right(self._starts, place) - 1
        return self._leads[line] if line >= 0 else ""


class _Block:
    """The list or table that the lines read so far end in, or none."""

    def __init__(self) -> None:
        self._kind = Kind.HEADING
        self._lead = ""
        self._previous = ""
        self._is_apart = True

    def lead_of(self, line: str) -> str:
        """Reads the next line."""
        bare = line.strip()
        if bare:
            self._read(bare, is_indented=line[0] in " \t")
        elif self._kind is Kind.ROW:
            self._kind = Kind.HEADING
        self._is_apart = not bare
        return self._lead if bare else ""

    def _read(self, bare: str, *, is_indented: bool) -> None:
        kind = kind_of(bare)
        if self._kind is Kind.LIST and kind is Kind.PARAGRAPH and (is_indented or not self._is_apart):
            kind = Kind.LIST
        if kind is not self._kind:
            self._lead = self._previous if kind is Kind.LIST and _leads(self._previous) else ""
        elif kind is Kind.ROW and not self._lead and is_table_rule(bare):
            self._lead = self._previous
        self._kind = kind
        self._previous = bare if len(bare) <= LONGEST_LEAD else ""


def _leads(line: str) -> bool:
    return plain(line).endswith(":")
