"""The path of titles above a passage, and the order in which a tree is stored."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from retrieval_service.domain.documents.documents import Draft, check, content_hash
from retrieval_service.domain.documents.stored import DocumentKey
from retrieval_service.services.documents.importing import generations
from retrieval_service.text.headings import LONGEST_ANCESTRY, below


def key(external_id: str) -> DocumentKey:
    return DocumentKey(source_type="article", external_id=external_id)


def draft(external_id: str, parent: str = "") -> Draft:
    return Draft(
        source_type="article",
        external_id=external_id,
        content="Tea.",
        parent_key=key(parent) if parent else None,
    )


def test_titles_above_stand_before_the_heading() -> None:
    assert below(["Shop", "Returns"], "Period") == "Shop > Returns > Period"
    assert below(["Shop", "", " \n"], "") == "Shop"
    assert below([], "Period") == "Period"


def test_nearest_titles_are_kept_when_there_is_no_room() -> None:
    path = below([f"Level {number}" for number in range(60)], "")
    assert path.endswith("Level 58 > Level 59")
    assert "Level 1 >" not in path


@given(st.lists(st.text(max_size=300), max_size=80))
def test_path_of_titles_stays_short(titles: list[str]) -> None:
    assert len(below(titles, "")) <= LONGEST_ANCESTRY


def test_parents_are_stored_before_their_children() -> None:
    drafts = [draft("a"), draft("b", "a"), draft("c", "b"), draft("d", "elsewhere"), draft("e", "a")]
    groups = [[one.external_id for one in group] for group in generations(drafts)]
    assert groups == [["a", "d"], ["b", "e"], ["c"]]
    assert generations([]) == []


def test_hash_tells_parents_apart() -> None:
    hashes = {content_hash(draft("x")), content_hash(draft("x", "a")), content_hash(draft("x", "b"))}
    assert len(hashes) == 3


def test_wrong_parent_is_named() -> None:
    assert [one.field for one in check(draft("a", "a"))] == ["parent_key"]
    nameless = Draft(
        source_type="article",
        external_id="a",
        content="Tea.",
        parent_key=DocumentKey(source_type="No", external_id=""),
    )
    assert [one.field for one in check(nameless)] == ["parent_key.source_type", "parent_key.external_id"]
