"""What perhaps helps is offered as what it is: titles and extracts, each with its source, and no fact."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retrieval_service.domain.answering.checked_stream import CheckedText
from retrieval_service.domain.answering.citations import Cited, Delta
from retrieval_service.domain.answering.grounding import Flagged
from retrieval_service.domain.answering.offers import MAX_EXTRACT, MOST_OFFERS, offer
from retrieval_service.domain.fragments import Ending, FinishReason, Fragment, Prompt
from retrieval_service.domain.verdicts import Verdict
from retrieval_service.providers.local.extractive import ExtractiveAnswerer

CONTACT = "help@garage.example"
PARKING = "Bicycles may stand in the yard behind the house. The yard closes at 22:00."


def entry(number: int, text: str = PARKING, *, title: str = "Parking", url: str = "") -> Fragment:
    return Fragment(
        number=number,
        document_id=f"document-{number}",
        chunk_id=f"chunk-{number}",
        title=title,
        url=url,
        text=text,
        language="en",
        score=1.0,
    )


def unsure(*entries: Fragment, language: str = "en", contact: str = CONTACT) -> Prompt:
    return Prompt(
        question="Where may I leave my scooter?",
        language=language,
        shop_name="Garage",
        fallback_contact=contact,
        instructions="",
        fragments=entries,
        verdict=Verdict.PERHAPS,
    )


@pytest.mark.parametrize(
    ("language", "lead_in", "otherwise"),
    [
        ("en", "Perhaps this helps:", "If this is not it, the team will help you: help@garage.example"),
        ("ru", "Возможно, это поможет:", "Если это не то, помогут сотрудники: help@garage.example"),
        ("pt", "Talvez isto ajude:", "Se não for isso, a equipe pode ajudar: help@garage.example"),
    ],
)
def test_offer_is_led_in_cited_and_ends_with_the_contact(language: str, lead_in: str, otherwise: str) -> None:
    asked = unsure(entry(1), entry(2, "The lift holds six people.", title="Lift"), language=language)
    checked = CheckedText(asked)
    events = [event for piece in offer(asked) for event in checked.feed(piece)] + checked.finish()
    text = "".join(event.text for event in events if isinstance(event, Delta))
    first, title, whole, space, item, gap, last = text.split("\n")
    assert (first, title, space, gap, last) == (lead_in, "Parking:", "", "", otherwise)
    assert whole == "Bicycles may stand in the yard behind the house. [1] The yard closes at 22:00. [1]"
    assert item[:8] == "- Lift: "
    assert [one.numbers for one in events if isinstance(one, Cited)] == [(1,), (1,), (2,)]
    assert not [one for one in events if isinstance(one, Flagged)]


def test_each_document_is_offered_once_and_no_more_than_three() -> None:
    several = [entry(number, title=f"Entry {number}") for number in range(1, 6)]
    again = Fragment(**{**vars(several[0]), "number": 9})
    pieces = offer(unsure(several[0], again, *several[1:], contact=""))
    assert len(pieces) == 1 + MOST_OFFERS
    assert [piece[-3:] for piece in pieces[1:]] == ["[1]", "[2]", "[3]"]


def test_best_part_of_a_document_is_offered_and_not_its_first() -> None:
    first = entry(1, "The house was built in 1912 and has two floors.")
    later = replace(first, number=2, text=PARKING)
    pieces = offer(unsure(replace(first, score=0.6), later, contact=""))
    assert [piece[-3:] for piece in pieces[1:]] == ["[2]"]
    assert "Bicycles" in pieces[1]


def test_extract_has_the_heading_above_it() -> None:
    sheds = (
        "## Shed A\n\n- Room for cars\n- Open at night\n\n## Shed B\n\n- Room for a scooter\n- Open at noon"
    )
    [_, shed] = offer(unsure(entry(1, sheds, title="Sheds"), contact=""))
    assert "Shed B:\n- Room for a scooter" in shed


def test_title_links_to_the_entry_only_where_that_makes_a_link() -> None:
    entries = (
        entry(1, url="https://garage.example/parking"),
        entry(2, title="Lift [B]", url="https://garage.example/lift"),
        entry(3, title="Gate", url="/gate"),
    )
    _, first, second, third, *_ = offer(unsure(*entries))
    assert first.startswith("\n[Parking](https://garage.example/parking):\n")
    assert second.startswith("\n\n- Lift [B]: ")
    assert third.startswith("\n- Gate: ")


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Lost your key. Ask the porter.", "Lost your key. [1] Ask the porter. [1]"),
        ("The key is lost. What now?", "The key is lost. [1] What now? [1]"),
    ],
)
def test_every_sentence_of_a_title_cites(title: str, shown: str) -> None:
    asked = unsure(entry(1, title=title, url="https://garage.example/key"), contact="")
    checked = CheckedText(asked)
    events = [event for piece in offer(asked) for event in checked.feed(piece)] + checked.finish()
    assert f"{shown}\nBicycles" in "".join(event.text for event in events if isinstance(event, Delta))
    assert not [one for one in events if isinstance(one, Flagged)]


def test_long_sentence_is_cut_at_a_word() -> None:
    _, _, item = offer(unsure(entry(1), entry(2, "word " * 100, title=""), contact=""))
    assert len(item) <= MAX_EXTRACT + len("\n\n- “” [2]")
    assert item.endswith("word…” [2]")


@pytest.mark.asyncio
async def test_entries_without_a_word_are_nothing_to_offer() -> None:
    asked = unsure(entry(1, "#", title=""))
    assert offer(asked) == []
    *_, ending = [part async for part in ExtractiveAnswerer().stream(asked)]
    assert ending == Ending(finish_reason=FinishReason.NO_RELEVANT_CONTENT)
    *_, ending = [part async for part in ExtractiveAnswerer().stream(unsure(entry(1)))]
    assert ending == Ending(finish_reason=FinishReason.NOT_SURE)
