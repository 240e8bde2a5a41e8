"""What is embedded, kept and removed when a document changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from hypothesis import assume, given
from hypothesis import strategies as st

from retrieval_service.domain.indexing.chunking import ChunkPolicy, split
from retrieval_service.domain.indexing.spaces import Space
from retrieval_service.services.indexing.plans import Plan, Target, nothing_left, plan
from retrieval_service.stores.index.chunks import Source, StoredChunk

POLICY = ChunkPolicy(capacity=12, overlap=3, unit=lambda text: len(text.split()))
HOME = Space(provider="test", model="test", revision="1", dimensions=8, max_tokens=100)
LATIN = Space(
    provider="test", model="latin", revision="1", dimensions=8, max_tokens=100, scripts=frozenset({"Latin"})
)
SPACE = [Target(space_id=1, space=HOME)]
LATIN_SPACE = [Target(space_id=1, space=LATIN)]

# Few different paragraphs, so that a document often says the same twice.
paragraphs = st.sampled_from(
    [
        "Oolong is half fermented and brewed with hot water.",
        "Returns are free within fourteen days.",
        "Чай доставляют за три дня по всей стране. Самовывоз бесплатный.",
        "O frete é grátis.",
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen",
        "# Heading",
        "## Part",
        "",
    ]
)
contents = st.lists(paragraphs, max_size=8).map("\n\n".join)
content_types = st.sampled_from(["text/plain", "text/markdown", "text/html"])


def source(content: str, content_type: str = "text/plain", title: str = "Tea shop") -> Source:
    return Source(
        id=UUID(int=1),
        version=1,
        title=title,
        content=content,
        content_type=content_type,
        language="en",
        is_deleted=False,
    )


def stored_after(made: Plan, before: Sequence[StoredChunk]) -> list[StoredChunk]:
    """The index once the plan was carried out."""
    known = {chunk.id: chunk for chunk in before}
    rows = [(chunk.id, chunk.place.index, chunk.chunk_hash, chunk.text) for chunk in made.change.added]
    rows += [
        (kept.id, kept.place.index, known[kept.id].chunk_hash, known[kept.id].text)
        for kept in made.change.kept
    ]
    return [
        StoredChunk(id=key, chunk_index=index, chunk_hash=digest, text=text)
        for key, index, digest, text in sorted(rows, key=lambda row: row[1])
    ]


def holding(stored: Iterable[StoredChunk], space_id: int = 1) -> Target:
    """The space when these chunks have their vectors."""
    return Target(space_id=space_id, space=HOME, held={chunk.id for chunk in stored})


def embedded(made: Plan) -> list[tuple[int, UUID, str]]:
    """Space, chunk and text of everything to be embedded."""
    return [
        (one.space_id, chunk_id, text)
        for one in made.wanted
        for chunk_id, text in zip(one.chunk_ids, one.texts, strict=True)
    ]


@given(contents, contents, content_types)
def test_kept_and_added_chunks_are_the_new_version_in_order(old: str, new: str, content_type: str) -> None:
    before = stored_after(plan(source(old, content_type), [], POLICY, SPACE), [])
    after = stored_after(plan(source(new, content_type), before, POLICY, SPACE), before)
    if content_type != "text/html":
        assert [chunk.text for chunk in after] == [chunk.text for chunk in split(new, content_type, POLICY)]
    fresh = stored_after(plan(source(new, content_type), [], POLICY, SPACE), [])
    assert [(one.chunk_index, one.chunk_hash, one.text) for one in after] == [
        (one.chunk_index, one.chunk_hash, one.text) for one in fresh
    ]


@given(contents, contents, content_types)
def test_every_stored_chunk_is_either_kept_or_removed(old: str, new: str, content_type: str) -> None:
    before = stored_after(plan(source(old, content_type), [], POLICY, SPACE), [])
    change = plan(source(new, content_type), before, POLICY, SPACE).change
    kept = [chunk.id for chunk in change.kept]
    assert sorted([*kept, *change.removed]) == sorted(chunk.id for chunk in before)
    ids = [*kept, *(chunk.id for chunk in change.added)]
    assert len(ids) == len(set(ids))


@given(contents, contents)
def test_no_chunk_is_new_that_was_stored_with_the_same_text(old: str, new: str) -> None:
    before = stored_after(plan(source(old), [], POLICY, SPACE), [])
    change = plan(source(new), before, POLICY, SPACE).change
    removed = {chunk.chunk_hash for chunk in before if chunk.id in set(change.removed)}
    assert not removed & {chunk.chunk_hash for chunk in change.added}


@given(contents, contents, content_types)
def test_planning_again_from_the_result_changes_nothing(old: str, new: str, content_type: str) -> None:
    before = stored_after(plan(source(old, content_type), [], POLICY, SPACE), [])
    after = stored_after(plan(source(new, content_type), before, POLICY, SPACE), before)
    again = plan(source(new, content_type), after, POLICY, [holding(after)])
    assert (again.wanted, again.change.added, again.change.removed) == ((), [], [])
    assert again.unchanged_count == len(after)
    assert stored_after(again, after) == after


@given(contents, st.sets(st.integers(0, 10)))
def test_chunks_without_a_vector_in_the_space_are_embedded_under_their_ids(
    content: str, places: set[int]
) -> None:
    stored = stored_after(plan(source(content), [], POLICY, SPACE), [])
    missing = [chunk for chunk in stored if chunk.chunk_index in places]
    held = holding(chunk for chunk in stored if chunk not in missing)
    assume(len(stored) < 2 or held.held != {stored[0].id})  # that one would stand for the whole document
    again = plan(source(content), stored, POLICY, [held])
    assert [chunk_id for _, chunk_id, _ in embedded(again)] == [chunk.id for chunk in missing]
    assert all(chunk.text in text for chunk, (_, _, text) in zip(missing, embedded(again), strict=True))
    assert again.unchanged_count == len(stored) - len(missing)


@given(contents)
def test_space_that_is_being_filled_gets_what_it_lacks_and_the_active_one_nothing_twice(content: str) -> None:
    stored = stored_after(plan(source(content), [], POLICY, SPACE), [])
    again = plan(source(content), stored, POLICY, [holding(stored), holding([], space_id=2)])
    assert [(space_id, chunk_id) for space_id, chunk_id, _ in embedded(again)] == [
        (2, chunk.id) for chunk in stored
    ]


@given(contents)
def test_text_in_a_script_the_model_does_not_read_is_stored_without_a_vector(content: str) -> None:
    made = plan(source(content, title=""), [], POLICY, LATIN_SPACE)
    cyrillic = {chunk.id for chunk in made.change.added if "Чай доставляют" in chunk.text}
    assert not cyrillic & {chunk_id for _, chunk_id, _ in embedded(made)}


def test_new_title_replaces_every_chunk() -> None:
    content = "Oolong is half fermented.\n\nReturns are free."
    before = stored_after(plan(source(content), [], POLICY, SPACE), [])
    change = plan(source(content, title="Coffee shop"), before, POLICY, SPACE).change
    assert set(change.removed) == {chunk.id for chunk in before}
    assert not change.kept


def test_nothing_is_left_of_a_deleted_document() -> None:
    before = stored_after(plan(source("Oolong.\n\nReturns are free."), [], POLICY, SPACE), [])
    gone = nothing_left(UUID(int=1), 2, before)
    assert gone.change.removed == [chunk.id for chunk in before]
    assert (gone.wanted, gone.change.added, gone.change.kept) == ((), (), ())


@given(contents)
def test_document_with_one_vector_is_embedded_whole_or_not_at_all(content: str) -> None:
    stored = stored_after(plan(source(content), [], POLICY, SPACE, by_document=True), [])
    done = [holding(stored[:1])]
    assert plan(source(content), stored, POLICY, done, by_document=True).wanted == ()


def test_document_with_one_vector_is_embedded_whole_when_a_part_of_it_changes() -> None:
    content = "one two three four five six seven eight nine ten\n\n" + "tea " * 11
    stored = stored_after(plan(source(content), [], POLICY, SPACE), [])
    done = [holding(stored[:1])]
    made = plan(source(content.replace("tea", "coffee")), stored, POLICY, done, by_document=True)
    [wanted] = made.wanted
    assert len(wanted.chunk_ids) == len(made.change.added) + len(made.change.kept) > 1
    assert wanted.pooled_id == wanted.chunk_ids[0] == stored[0].id


def test_passages_get_vectors_of_their_own_when_the_document_had_but_one() -> None:
    content = "one two three four five six seven eight nine ten\n\n" + "tea " * 11
    stored = stored_after(plan(source(content), [], POLICY, SPACE), [])
    [wanted] = plan(source(content), stored, POLICY, [holding(stored[:1])]).wanted
    assert wanted.chunk_ids == tuple(chunk.id for chunk in stored)
