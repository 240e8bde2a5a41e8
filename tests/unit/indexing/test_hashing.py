"""What is embedded, and when it counts as changed."""

from __future__ import annotations

from retrieval_service.domain.indexing.hashing import chunk_hash, embedding_text


def test_title_and_heading_stand_before_the_text() -> None:
    assert (
        embedding_text("Bike shop", "Returns > Period", "14 days.") == "Bike shop\nReturns\nPeriod\n14 days."
    )


def test_heading_that_the_text_repeats_is_not_embedded_twice() -> None:
    assert embedding_text("", "Returns > Period", "## Period\n14 days.") == "Returns\n## Period\n14 days."


def test_title_in_another_script_is_not_embedded() -> None:
    assert embedding_text("Возврат", "", "You have fourteen days.") == "You have fourteen days."


def test_title_of_digits_fits_every_script() -> None:
    assert embedding_text("2026", "", "Прайс-лист") == "2026\nПрайс-лист"


def test_text_without_title_is_embedded_as_it_is() -> None:
    assert embedding_text(" ", "", "14 days.") == "14 days."


def test_hash_changes_with_title_heading_and_text() -> None:
    hashes = {
        chunk_hash("text", "title", "heading"),
        chunk_hash("text", "other", "heading"),
        chunk_hash("text", "title", "other"),
        chunk_hash("other", "title", "heading"),
        chunk_hash("text", "title"),
    }
    assert len(hashes) == 5
    assert {len(digest) for digest in hashes} == {32}


def test_moving_words_between_title_and_text_changes_the_hash() -> None:
    assert chunk_hash("b c", "a") != chunk_hash("c", "a b")


def test_hash_is_stable_across_releases() -> None:
    assert chunk_hash("text", "title").hex() == chunk_hash("text", "title", "").hex()
    assert (
        chunk_hash("текст", "заголовок").hex()
        == "be69b16131be93ea950cc7683f93bebea4b2c1c33199e7f903bab78dd248439d"
    )
