"""Text of which a reader sees nothing."""

from __future__ import annotations

import pytest

from retrieval_service.text.invisible import is_blank


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t",
        "\u200b\u200b",
        "\u202e\u2066",
        "\ufeff",
        "\u3164",
        "\u00ad \u00a0",
        "\ufe0f\u200d",
        "\u2800",
        "\x07",
    ],
)
def test_what_nobody_sees_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize(
    "text", ["a", "\u200bя\u200b", "🏮", "👩\u200d🍳", "☎\ufe0f", "?", "\u0301", "न\u200d"]
)
def test_what_a_reader_sees_is_not_blank(text: str) -> None:
    assert not is_blank(text)
