"""What a text's words are read from."""

from __future__ import annotations

import pytest

from retrieval_service.text.words import normal, words


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("½ kg", ["1", "2", "kg"]),
        ("ﬃ㎢", ["ffikm2"]),
        ("Ёлка ２ шт", ["елка", "2", "шт"]),
        ("\ufdfa", ["صلى", "الله", "عليه", "وسلم"]),
    ],
)
def test_signs_are_read_as_what_they_stand_for(text: str, read: list[str]) -> None:
    assert words(text) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("what's under 20", ["what", "under", "20"]),
        ("I’m a size M", ["a", "size", "m"]),
        ("size 'S'", ["size", "s"]),
        ("copo d'água", ["copo", "água"]),
        ("L'Oréal", ["oréal"]),
        ("п'ять", ["п", "ять"]),
        ("rock'n'roll", ["rock", "roll"]),
    ],
)
def test_a_letter_that_an_apostrophe_joins_is_no_word(text: str, read: list[str]) -> None:
    assert words(text) == read


@pytest.mark.parametrize("sign", ["\ufdfa", "㌖", "㏂", "⑽", "Ａ"])
def test_no_sign_makes_a_text_many_times_as_long(sign: str) -> None:
    assert len(normal(sign * 1_000)) <= 2_064
