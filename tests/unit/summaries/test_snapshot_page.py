from __future__ import annotations

import pytest

from widget_gateway.snapshot_page import SNIPPET_CHARACTERS, shortened


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Two cups.", "Two cups."),
        ("one, two, " * SNIPPET_CHARACTERS, "one, two, " * 31 + "one…"),
        ("a" * SNIPPET_CHARACTERS * 2, "a" * SNIPPET_CHARACTERS + "…"),
        (" " * SNIPPET_CHARACTERS * 2, "…"),
        ("\n\t" * SNIPPET_CHARACTERS, "…"),
    ],
    ids=["short", "words", "one word", "spaces", "lines"],
)
def test_snippet_is_cut_between_words(text: str, shown: str) -> None:
    assert shortened(text) == shown
