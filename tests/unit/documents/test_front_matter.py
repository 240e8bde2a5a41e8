"""Front matter: what it says of a document is read, and none of it is text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_service.cli.imports.files import title_of
from retrieval_service.domain.documents import front_matter
from retrieval_service.domain.documents.documents import Draft
from retrieval_service.domain.indexing.chunking import MARKDOWN, ChunkPolicy, split
from retrieval_service.domain.indexing.piece_counting import local_units
from retrieval_service.services.documents.importing import prepare

POLICY = ChunkPolicy(capacity=60, overlap=10, unit=local_units(lambda text: len(text.split())))
YAML = """---
title: "Замена карты: как заказать"
description: >-
  Что делать,
  если карта потеряна
slug: /cards/replace
sidebar_position: 2  # third
tags: [cards, "lost, stolen"]
head:
  - meta
---

# Карта

Позвоните в банк.
"""
TOML = """+++
title = "Repor o cartão"
tags = ["cartões", "perda"]
url = "https://bank.example/repor"
date = 2024-05-01
+++
Ligue para o banco.
"""


def draft(content: str, content_type: str = MARKDOWN) -> Draft:
    return Draft(source_type="article", external_id="a", content=content, content_type=content_type)


def stored(given: Draft) -> Draft:
    [item] = prepare([given], [])
    assert not item.violations
    return item.draft


def test_yaml_becomes_fields_and_no_text() -> None:
    found = stored(draft(YAML))
    assert found.title == "Замена карты: как заказать"
    assert found.tags == ("cards", "lost, stolen")
    assert found.url == "/cards/replace"
    assert found.metadata == {"description": "Что делать, если карта потеряна"}
    assert found.content.startswith("# Карта\n\nПозвоните")


def test_toml_becomes_fields_and_no_text() -> None:
    found = stored(draft(TOML))
    assert (found.title, found.tags) == ("Repor o cartão", ("cartões", "perda"))
    assert found.url == "https://bank.example/repor"
    assert found.content == "Ligue para o banco.\n"


def test_what_the_sender_says_counts_more() -> None:
    given = replace(
        draft(YAML), title="Card", tags=("a",), url="/card", metadata={"description": "short", "level": 2}
    )
    found = stored(given)
    assert (found.title, found.tags, found.url) == ("Card", ("a",), "/card")
    assert found.metadata == {"description": "short", "level": 2}


@pytest.mark.parametrize(
    "text",
    [
        "---\nWe open at nine.\n---\nAnd close at six.",
        "---\nHours of work: 9-18\n---\nText",
        "---\ntitle: never closed\n",
        "Text\n---\ntitle: below\n---\n",
        "+++\nno = toml = here\n+++\nText",
        "---\n---\nText",
        "--- \n\n---\n",
    ],
)
def test_what_only_looks_like_it_stays_text(text: str) -> None:
    assert front_matter.read(text) is None


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("title: Plain words", "Plain words"),
        ("title: 'It''s lost'", "It's lost"),
        ('title: "A \\"quoted\\" word"', 'A "quoted" word'),
        ("title: Two\n  lines", "Two lines"),
        ("title: |\n  A block", "A block"),
        ("title: null", ""),
        ("title: [a, b]", ""),
        ('title: "\\u0000"', ""),
        ('title: "\\ud800"', ""),
    ],
)
def test_ways_to_write_a_title(line: str, title: str) -> None:
    found = front_matter.read(f"---\r\n{line}\r\nid: x\r\n---\r\nText")
    assert found is not None
    assert found.title == title


def test_lists_of_tags_stand_below_their_name_too() -> None:
    found = front_matter.read("---\ntags:\n- one\n- 'two'\n---\n")
    assert found is not None
    assert found.tags == ("one", "two")


def test_a_document_that_was_stored_with_it_is_cut_below_it() -> None:
    chunks = split(YAML, MARKDOWN, POLICY)
    assert [chunk.heading for chunk in chunks] == ["Карта"]
    assert "sidebar_position" not in "".join(chunk.text for chunk in chunks)
    assert all(YAML[chunk.start : chunk.end] == chunk.text for chunk in chunks)


def test_nothing_but_front_matter_is_refused() -> None:
    [item] = prepare([draft("---\ntitle: Empty\n---\n")], [])
    assert [one.field for one in item.violations] == ["content"]


def test_a_file_is_called_by_its_front_matter() -> None:
    assert title_of(YAML, MARKDOWN, "replace.md") == "Замена карты: как заказать"
    untitled = "---\n# a comment\nid: x\n---\n# Heading\n"
    assert title_of(untitled, MARKDOWN, "replace.md") == "Heading"


@pytest.mark.parametrize(
    "block",
    [
        "a = " + "9" * 4_500,
        "a." * 8_000 + "a = 1",
        "a." * 1_900 + "a = 1",
        "[" + "a." * 1_900 + "a]",
        "a = " + "[" * 3_900,
        "a = " + "{a = " * 700,
        'title = "' + "long " * 900 + '"',
        "a = 1979-99-99",
    ],
)
def test_toml_that_costs_too_much_is_text_and_fails_no_batch(block: str) -> None:
    text = f"+++\n{block}\n+++\nHello"
    bad, fine = prepare([draft(text), replace(draft("Fine."), external_id="b")], [])
    assert (bad.violations, fine.violations) == ((), ())
    assert (bad.draft.content, fine.draft.content) == (text, "Fine.")


@pytest.mark.parametrize(
    "block", ["id: " + "9" * 4_500, "a." * 30 + "a: 1", "a: " + "[" * 4_500, "a: {" * 900]
)
def test_yaml_of_the_same_kind_fails_no_batch(block: str) -> None:
    [item] = prepare([draft(f"---\n{block}\n---\nHello")], [])
    assert not item.violations
    assert item.draft.content.endswith("Hello")


@pytest.mark.parametrize(
    "matter", ["---\ntitle: Card\nmargin: 40%\n---", '+++\ntitle = "Card"\nmargin = 40\n+++']
)
def test_front_matter_of_a_page_is_no_text_of_it(matter: str) -> None:
    found = stored(draft(f"{matter}\n<p>Call <b>the</b> bank.</p>", "text/html"))
    assert (found.title, found.content.strip(), found.content_type) == (
        "Card",
        "Call the bank.",
        "text/plain",
    )


@settings(max_examples=200, deadline=None, database=None)
@given(st.lists(st.sampled_from(["title: a", "- b", "  c", "d: [e", "'", '"', "#", "+++", "---", "x = 1"])))
def test_any_block_is_read_or_left(lines: list[str]) -> None:
    for fence in ("---", "+++"):
        text = "\n".join([fence, *lines, fence, "Text"])
        assert text[front_matter.end_of(text) :].endswith("Text")


@settings(max_examples=200, deadline=None, database=None)
@given(
    st.lists(st.sampled_from([*"a.=[]{}\"',\n0 1_x-#\\", "99999", "true", "nan", "1979-05-27", "\\u0000"]))
)
def test_any_toml_is_read_or_left(pieces: list[str]) -> None:
    text = f"+++\n{''.join(pieces)}\n+++\nText"
    assert text[front_matter.end_of(text) :].endswith("Text")
