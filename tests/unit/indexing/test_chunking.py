"""Passages: exact places, nothing lost, never too large, with the heading above them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from semantic_text_splitter import TextSplitter

from retrieval_service.domain.indexing.chunking import (
    MARKDOWN,
    OPENAI_POLICY,
    Chunk,
    ChunkPolicy,
    local_policy,
    split,
)
from retrieval_service.domain.indexing.piece_counting import local_units

PLAIN = "text/plain"
BYTES_LIMIT = 200_000


def pieces_of_four_letters(text: str) -> int:
    """As coarse as word pieces, and as blind to long words: beyond a hundred letters one unknown word."""
    return sum(1 if len(word) > 100 else -(-len(word) // 4) for word in text.split())


UNITS = local_units(pieces_of_four_letters)
LOCAL = local_policy(pieces_of_four_letters)
SMALL = ChunkPolicy(capacity=20, overlap=5, unit=UNITS)
POLICIES = pytest.mark.parametrize("policy", [LOCAL, OPENAI_POLICY], ids=["local", "openai"])

LINES = st.sampled_from(
    [
        "# One",
        "## Two",
        "### Three #",
        "Underlined\n===",
        "",
        "",
        "- item",
        "> quote",
        "| a | b |",
        "```",
        "текст",
    ]
)
ANY_TEXT = st.text(max_size=300) | st.lists(LINES | st.text(max_size=60), max_size=25).map("\n".join)
quick = settings(max_examples=40, deadline=None, database=None)


def uncovered(content: str, chunks: tuple[Chunk, ...]) -> list[int]:
    covered = {place for chunk in chunks for place in range(chunk.start, chunk.end)}
    return [
        place for place, character in enumerate(content) if place not in covered and not character.isspace()
    ]


@quick
@given(ANY_TEXT, st.sampled_from([MARKDOWN, PLAIN]))
def test_offsets_are_exact_for_any_text(content: str, content_type: str) -> None:
    for index, chunk in enumerate(split(content, content_type, SMALL)):
        assert chunk.text == content[chunk.start : chunk.end]
        assert chunk.text.strip()
        assert chunk.index == index


@quick
@given(ANY_TEXT)
def test_every_character_of_plain_text_is_in_a_passage(content: str) -> None:
    assert uncovered(content, split(content, PLAIN, SMALL)) == []


@quick
@given(ANY_TEXT)
def test_all_of_markdown_is_in_a_passage_or_in_the_heading_of_the_next(content: str) -> None:
    chunks = split(content, MARKDOWN, SMALL)
    for place in uncovered(content, chunks):
        following = next(chunk for chunk in chunks if chunk.start > place)
        assert content[place] in following.heading + "#=-_*`[]()!"


@quick
@given(ANY_TEXT, st.sampled_from([MARKDOWN, PLAIN]))
def test_no_passage_is_over_capacity(content: str, content_type: str) -> None:
    assert all(UNITS(chunk.text) <= SMALL.capacity for chunk in split(content, content_type, SMALL))


@quick
@given(ANY_TEXT, st.sampled_from([MARKDOWN, PLAIN]))
def test_passages_move_on_and_repeat_at_most_the_overlap(content: str, content_type: str) -> None:
    for chunk, following in pairwise(split(content, content_type, SMALL)):
        assert chunk.start < following.start
        assert chunk.end < following.end
        assert UNITS(content[following.start : chunk.end]) <= SMALL.overlap


def test_passages_of_running_text_do_overlap() -> None:
    chunks = split("One short sentence here. " * 200, PLAIN, LOCAL)
    assert any(following.start < chunk.end for chunk, following in pairwise(chunks))


@POLICIES
@pytest.mark.parametrize("content", ["", " \n\t\u3000 ", "\x1c\x1d"])
def test_blank_content_gives_no_passages(content: str, policy: ChunkPolicy) -> None:
    assert split(content, MARKDOWN, policy) == ()


def test_openai_passages_hold_at_most_800_tokens_and_are_well_filled() -> None:
    chunks = split(
        "Returns are accepted within fourteen days. Возврат за 14 дней. " * 300, PLAIN, OPENAI_POLICY
    )
    exactly = TextSplitter.from_tiktoken_model("text-embedding-3-small", 800)
    barely = TextSplitter.from_tiktoken_model("text-embedding-3-small", 500)
    assert all(len(exactly.chunks(chunk.text)) == 1 for chunk in chunks)
    assert all(len(barely.chunks(chunk.text)) > 1 for chunk in chunks[:-1])


@POLICIES
@pytest.mark.parametrize("run", ["a", "я", "汉", "😀", "-", "a\u0301", " ", "\u3000", "`", "[", "<b>"])
def test_endless_runs_stay_below_200_kilobytes_and_are_covered(run: str, policy: ChunkPolicy) -> None:
    content = "start " + run * 12_000 + " end"
    chunks = split(content, MARKDOWN, policy)
    assert max(len(chunk.text.encode()) for chunk in chunks) < BYTES_LIMIT
    assert uncovered(content, chunks) == []


def test_long_documents_are_covered_across_the_parts_they_are_split_in() -> None:
    content = "".join(f"## Section {number}\n\nWords of section {number}.\n\n" for number in range(6_000))
    chunks = split(content, MARKDOWN, LOCAL)
    assert uncovered(content, chunks) == []
    assert all(chunk.text == content[chunk.start : chunk.end] for chunk in chunks)


def test_passage_carries_the_path_of_headings_above_it() -> None:
    content = "# Returns\n\nIntro.\n\n## Period\n\nFourteen days.\n\n# Delivery\n\nBy post."
    small = ChunkPolicy(capacity=8, overlap=0, unit=UNITS)
    headings = {chunk.text.split("\n")[-1]: chunk.heading for chunk in split(content, MARKDOWN, small)}
    assert headings["Intro."] == "Returns"
    assert headings["Fourteen days."] == "Returns > Period"
    assert headings["By post."] == "Delivery"


def test_heading_left_alone_is_told_by_the_passage_below_it() -> None:
    content = "# Returns\n\n" + "Fourteen days to send it back. " * 20
    chunks = split(content, MARKDOWN, SMALL)
    assert chunks[0].text.startswith("Fourteen")
    assert {chunk.heading for chunk in chunks} == {"Returns"}


def test_title_said_again_above_the_first_section_is_no_passage() -> None:
    content = (
        "Wedding cakes\n\n# **Wedding cakes** #\n\n---\n\n## What it holds\n\n" + "A tasting of three. " * 20
    )
    chunks = split(content, MARKDOWN, SMALL, "Wedding cakes")
    assert all(
        chunk.text.startswith(("A tasting", "tasting", "## What", "of three", "three")) for chunk in chunks
    )
    assert {chunk.heading for chunk in chunks} == {"Wedding cakes > What it holds"}


@pytest.mark.parametrize("content_type", [MARKDOWN, PLAIN])
def test_title_without_marks_is_no_passage(content_type: str) -> None:
    content = "Wedding cakes\n\n## What it holds\n\n" + "A tasting of three. " * 20
    texts = [chunk.text for chunk in split(content, content_type, SMALL, "Wedding cakes")]
    assert "Wedding cakes" not in texts


@pytest.mark.parametrize("title", ["Wedding cakes", ""])
def test_heading_with_nothing_under_it_belongs_to_what_follows(title: str) -> None:
    content = "# Wedding cakes\n\n# What it holds\n\n" + "A tasting of three. " * 20
    chunks = split(content, MARKDOWN, SMALL, title)
    assert all("Wedding" not in chunk.text for chunk in chunks)
    assert chunks[0].heading == ("What it holds" if title else "Wedding cakes > What it holds")
    assert chunks[-1].heading == "What it holds"


def test_what_somebody_wrote_as_headings_stays_a_passage() -> None:
    content = "## Haircut 20\n\n## Shave 10\n\n## Colour\n\n" + "It takes two hours of your day. " * 20
    assert split(content, MARKDOWN, SMALL, "Prices")[0].text == "## Haircut 20\n\n## Shave 10"


def test_text_under_a_title_stays_a_passage() -> None:
    content = "Wedding cakes\n\nOnly in May.\n\n## What it holds\n\n" + "A tasting of three. " * 20
    assert "Only in May." in split(content, MARKDOWN, SMALL, "Wedding cakes")[0].text


def test_document_of_headings_alone_keeps_them() -> None:
    assert [chunk.text for chunk in split("# Returns\n\n# Delivery", MARKDOWN, SMALL)] == [
        "# Returns\n\n# Delivery"
    ]


def test_comments_in_a_code_block_are_no_headings() -> None:
    content = "# Install\n\n```sh\n# not a heading\nmake\n```\n\nDone.\n"
    assert {chunk.heading for chunk in split(content, MARKDOWN, SMALL)} == {"Install"}


def test_markup_of_headings_is_not_in_the_path() -> None:
    content = "## **Bold** [link](https://example.org) `code` ##\n\nText.\n"
    assert split(content, MARKDOWN, LOCAL)[0].heading == "Bold link code"


def test_underlined_headings_count() -> None:
    content = "Returns\n=======\n\nPeriod\n------\n\nFourteen days."
    assert split(content, MARKDOWN, LOCAL)[0].heading == "Returns > Period"


def test_plain_text_has_no_headings() -> None:
    assert {chunk.heading for chunk in split("# Returns\n\nFourteen days.", PLAIN, LOCAL)} == {""}


def test_long_words_count_by_their_length() -> None:
    assert UNITS("a" * 3_200) == 200
    assert UNITS("я" * 3_200) == 200


def test_words_of_other_scripts_count_two_and_ideographs_one() -> None:
    assert UNITS("Возврат за четырнадцать дней") == 8
    assert UNITS("运费多少钱") == 5
