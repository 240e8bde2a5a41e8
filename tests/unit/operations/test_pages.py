"""A page holds what any client can read, goes on exactly where it stopped, and always goes on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from kladez.v1 import document_service_pb2 as pb

from retrieval_service.api.pages import MOST_BYTES, Page, cut

DEFAULT_LIMIT = 4 * 1024 * 1024


def document(characters: int) -> pb.Document:
    return pb.Document(title="x" * characters)


def turned(rows: list[int], size: int, most_bytes: int) -> list[Page[tuple[int, int], pb.Document]]:
    """All pages of a listing, as servicers read them: one row more than asked for, behind the last one."""
    numbered = list(enumerate(rows))
    pages = [cut(numbered[: size + 1], size, lambda row: document(row[1]), most_bytes=most_bytes)]
    while pages[-1].last is not None:
        start = pages[-1].last[0] + 1
        rest = numbered[start : start + size + 1]
        pages.append(cut(rest, size, lambda row: document(row[1]), most_bytes=most_bytes))
    return pages


@given(
    st.lists(st.integers(min_value=0, max_value=300), max_size=60),
    st.integers(min_value=1, max_value=20),
    st.integers(min_value=1, max_value=500),
)
def test_all_pages_together_are_all_rows_in_order(rows: list[int], size: int, most_bytes: int) -> None:
    pages = turned(rows, size, most_bytes)
    assert [len(item.title) for page in pages for item in page.items] == rows
    assert all(page.items for page in pages) or not rows
    for page in pages:
        assert len(page.items) <= size
        assert len(page.items) == 1 or sum(item.ByteSize() for item in page.items) <= most_bytes


def test_full_page_stays_below_what_a_client_reads_by_default() -> None:
    page = cut([20_000] * 501, 500, document)
    response = pb.ListDocumentsResponse(documents=page.items, next_page_token="x" * 1_000)
    assert 1 < len(page.items) < 500
    assert MOST_BYTES * 0.9 < response.ByteSize() < DEFAULT_LIMIT * 0.9


def test_small_rows_are_not_cut() -> None:
    assert len(cut([10] * 501, 500, document).items) == 500
    assert cut([10] * 500, 500, document).last is None
    assert cut([], 500, document) == Page(items=[], last=None)
