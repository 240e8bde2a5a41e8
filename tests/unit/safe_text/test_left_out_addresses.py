"""What an address leaves behind: no bullet of nothing, and no marker that touches it."""

from __future__ import annotations

import pytest

from retrieval_service.domain.answering.citations import Cited, Delta
from tests.unit.safe_text.test_usable_contacts import answered, events_of


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("See https://lumen.shop/sale[1].", "See https://lumen.shop/sale [1]."),
        ("See https://lumen.shop/sale.[1] Yes", "See https://lumen.shop/sale. [1] Yes"),
        ("See https://lumen.shop/sale[1][1]", "See https://lumen.shop/sale [1][1]"),
        ("See **https://lumen.shop/sale**[1].", "See **https://lumen.shop/sale** [1]."),
        ("See «https://lumen.shop/sale»[1].", "See «https://lumen.shop/sale» [1]."),
        ("See lumen.shop【1】.", "See lumen.shop [1]."),
        ("See https://lumen.shop/sale[1][9]. Да[1].", "See https://lumen.shop/sale [1]. Да[1]."),
        ("It is free[1].", "It is free[1]."),
    ],
)
def test_marker_stands_off_an_address(text: str, shown: str) -> None:
    assert answered(text) == shown


def test_offsets_of_citations_count_the_space() -> None:
    for length in range(1, 8):
        events = events_of("Да. See https://lumen.shop/sale[1]. Нет[1].", length)
        said = "".join(event.text for event in events if isinstance(event, Delta))
        cited = [said[event.start : event.end] for event in events if isinstance(event, Cited)]
        assert cited == ["See https://lumen.shop/sale", "Нет"]


def test_gap_before_a_marker_that_vanishes_lets_no_address_grow() -> None:
    assert answered("lumen.shop[1], lumen.shop[9]evil") == "lumen.shop [1], lumen.shop evil"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Да:\n- https://nope.com\n- чай [1]", "Да:\n- чай [1]"),
        ("Да:\n- **https://nope.com** [1].\n- чай [1]", "Да:\n- чай [1]"),
        ("Да:\n1. https://nope.com\n2. чай\n3. https://nope.com", "Да:\n2. чай\n"),
        ("Да:\n- https://nope.com чай\n- кофе", "Да:\n- чай\n- кофе"),
        ("Да:\n- [чай](https://nope.com)\n- кофе", "Да:\n- чай\n- кофе"),
        ("Да:\n-\n5.\n- чай", "Да:\n-\n5.\n- чай"),
        ("Да:\n---\n**чай**\n\n300 ₽", "Да:\n---\n**чай**\n\n300 ₽"),
        ("Да:\nhttps://nope.com\nчай", "Да:\n\nчай"),
    ],
)
def test_address_that_goes_takes_its_bullet_along(text: str, shown: str) -> None:
    assert answered(text) == shown
