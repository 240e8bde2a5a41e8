"""A passage that begins inside a list or a table is found by the words of what leads to it too."""

from __future__ import annotations

import pytest

from retrieval_service.domain.indexing.chunking import MARKDOWN, Chunk, ChunkPolicy, split
from retrieval_service.text.leads import LONGEST_LEAD, Leads

SMALL = ChunkPolicy(capacity=12, overlap=0, unit=lambda text: len(text.split()))

TABLE = "# Kayaks\n\nPrices of the season.\n\n| Model | Per day |\n|---|---|\n" + "".join(
    f"| Kayak {number} | {number} euro |\n" for number in range(1, 12)
)
LIST = "Bring with you:\n\n" + "".join(f"- thing {number} of the list\n\n" for number in range(1, 9))


def led(content: str) -> dict[str, str]:
    """What leads to each line that holds something."""
    leads, place, found = Leads(content), 0, dict[str, str]()
    for line in content.splitlines(keepends=True):
        if line.strip():
            found[line.strip()] = leads.of(place)
        place += len(line)
    return found


def passage(content: str, words: str) -> Chunk:
    return next(one for one in split(content, MARKDOWN, SMALL) if words in one.text)


def test_rows_have_the_names_of_their_columns() -> None:
    cut = passage(TABLE, "Kayak 9 ")
    assert "Per day" not in cut.text
    assert cut.lead == "| Model | Per day |"
    assert TABLE[cut.start : cut.end] == cut.text


def test_items_have_the_line_before_their_list() -> None:
    cut = passage(LIST, "thing 7")
    assert "Bring" not in cut.text
    assert cut.lead == "Bring with you:"


def test_what_stands_before_the_first_item_or_row_has_no_lead() -> None:
    assert passage(LIST, "Bring").lead == ""
    assert passage(TABLE, "# Kayaks").lead == ""
    assert led(TABLE)["| Model | Per day |"] == ""


@pytest.mark.parametrize("lead", ["Leve com você:", "**Возьмите с собой:**", "Take with you:"])
def test_lead_ends_with_a_colon_in_every_language(lead: str) -> None:
    assert led(f"{lead}\n- one\n- two\n")["- two"] == lead


@pytest.mark.parametrize(
    "content",
    [
        "We have paddles.\n- one\n- last\n",
        "Bring:\n- one\n\nThat is all.\n\n- last\n",
        "Bring:\n- one\n\n# More\n- last\n",
        "| a | b |\n| last | c |\n",
        "| a | b |\n|---|---|\n| c | d |\n\n- last\n",
        f"{'so much ' * LONGEST_LEAD}:\n- last\n",
    ],
)
def test_what_does_not_lead_to_a_list_or_table_is_no_lead(content: str) -> None:
    found = led(content)
    assert [lead for line, lead in found.items() if "last" in line] == [""]


def test_lines_that_go_on_with_an_item_belong_to_its_list() -> None:
    assert led("Bring:\n- one\n  more of it\nand more\n\n  indented\n- two\n")["indented"] == "Bring:"
