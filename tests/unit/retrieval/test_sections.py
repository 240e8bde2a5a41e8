"""Passages that were found become the sections that they stand in, within a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from retrieval_service.domain.retrieval.sections import Piece, are_copies, widened

GUIDE, PRICES = UUID(int=1), UUID(int=2)


def pieces(document_id: UUID, *parts: tuple[str, str]) -> list[Piece]:
    """Of (heading, text), each a blank line behind the one before."""
    made: list[Piece] = []
    start = 0
    for index, (heading, text) in enumerate(parts):
        chunk_id = UUID(int=document_id.int * 100 + index)
        made.append(
            Piece(
                chunk_id=chunk_id,
                document_id=document_id,
                chunk_index=index,
                heading=heading,
                start=start,
                end=start + len(text),
                text=text,
            )
        )
        start += len(text) + 2
    return made


STEPS = pieces(
    GUIDE,
    ("Install", "## Install\n\nGet the file."),
    ("Set up", "## Set up\n\n1. Open the lid."),
    ("Set up", "2. Press the button."),
    ("Set up > Lights", "### Lights\n\n3. Wait for green."),
    ("Repair", "## Repair\n\nCall us."),
)
COSTS = pieces(PRICES, ("", "A lamp costs 9 euro."))


def texts(found: Sequence[Piece], inside: Sequence[Piece], budget: int) -> list[str]:
    return [one.text for one in widened([piece.chunk_id for piece in found], inside, budget)]


def test_a_step_comes_with_all_steps_of_its_section_and_then_with_neighbours() -> None:
    [whole] = texts([STEPS[2]], STEPS, 1_000)
    assert whole == "\n\n".join(piece.text for piece in STEPS)
    [section] = texts([STEPS[2]], STEPS, len("\n\n".join(piece.text for piece in STEPS[1:4])))
    assert section == "\n\n".join(piece.text for piece in STEPS[1:4])


def test_every_passage_has_its_section_before_another_has_its_neighbours() -> None:
    wide = pieces(PRICES, ("Lamps", "A lamp costs 9 euro."), ("Ropes", "A rope costs 2 euro."))
    section = "\n\n".join(piece.text for piece in STEPS[1:4])
    room = len(wide[0].text) + len(section) + 10
    assert texts([wide[0], STEPS[2]], [*wide, *STEPS], room)[1] == section


def test_without_room_a_passage_stays_as_it_was_found() -> None:
    assert texts([STEPS[2], COSTS[0]], [*STEPS, *COSTS], 10) == [STEPS[2].text, COSTS[0].text]


def test_passages_of_one_section_become_one_at_the_place_of_the_better() -> None:
    found = widened([STEPS[3].chunk_id, COSTS[0].chunk_id, STEPS[1].chunk_id], [*STEPS, *COSTS], 200)
    assert [one.chunk_ids[0] for one in found] == [STEPS[3].chunk_id, COSTS[0].chunk_id]
    assert set(found[0].chunk_ids) == {STEPS[3].chunk_id, STEPS[1].chunk_id}


def test_passages_of_one_document_come_as_they_stand_there() -> None:
    found = [STEPS[4], COSTS[0], STEPS[0]]
    assert texts(found, [*STEPS, *COSTS], 0) == [STEPS[0].text, STEPS[4].text, COSTS[0].text]


def test_what_two_passages_share_is_said_once() -> None:
    first = Piece(
        chunk_id=UUID(int=1), document_id=GUIDE, chunk_index=0, heading="", start=0, end=6, text="a b c "
    )
    second = Piece(
        chunk_id=UUID(int=2), document_id=GUIDE, chunk_index=1, heading="", start=4, end=9, text="c d e"
    )
    assert texts([second], [first, second], 100) == ["a b c d e"]


def test_a_heading_that_no_passage_holds_stands_above_its_text() -> None:
    one, other = pieces(GUIDE, ("Fees", "Cards are free."), ("Fees > Cash", "Cash costs 2%."))
    apart = [one, replace(other, start=one.end + len("\n\n## Cash\n\n"))]
    assert texts([apart[0]], apart, 100) == ["Cards are free.\n\n## Cash\n\nCash costs 2%."]


def test_chunks_that_are_not_there_are_left_out() -> None:
    assert widened([UUID(int=9)], STEPS, 100) == []


@given(st.lists(st.sampled_from([*STEPS, *COSTS]), unique=True, min_size=1), st.integers(0, 400))
def test_nothing_found_is_lost_and_the_budget_holds(found: list[Piece], budget: int) -> None:
    sections = widened([piece.chunk_id for piece in found], [*STEPS, *COSTS], budget)
    assert {chunk_id for one in sections for chunk_id in one.chunk_ids} == {one.chunk_id for one in found}
    own = sum(len(piece.text) for piece in found)
    headings = 30 * len(STEPS)
    assert sum(len(one.text) for one in sections) <= max(budget, own) + headings


@dataclass(frozen=True)
class Page:
    title: str
    text: str


def test_copies_have_one_title_and_the_same_numbers() -> None:
    long = " ".join(f"word{'abcdefghij'[index % 10] * (index + 1)}" for index in range(60))
    page = Page("Card", f"{long} costs 5 euro")
    assert are_copies(page, Page("card", f"{long} Costs 5 euro"))
    assert not are_copies(page, Page("Card", f"{long} costs 6 euro"))
    assert not are_copies(page, Page("Card for firms", page.text))
    assert not are_copies(page, Page("Card", "Nothing alike costs 5 euro"))
