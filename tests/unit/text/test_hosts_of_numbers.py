"""Four numbers with dots are an address; of a shop's host nothing is left that strangers put behind it."""

from __future__ import annotations

import pytest

from retrieval_service.domain.safe_text.dead_text import deadened
from retrieval_service.domain.safe_text.links import LinkPolicy
from retrieval_service.domain.safe_text.safe_text import SafeText
from tests.fakes.telegram_links import links_of
from tests.unit.safe_text.test_marks_in_links import in_commonmark, in_telegram, without_marks

POLICY = LinkPolicy([], trusted=["lumen.finance, лумен.дети, 192.168.0.1, 10.0.0.1:8080/admin"])


def in_pieces(text: str) -> str:
    """The same however it is cut into deltas."""
    said: set[str] = set()
    for length in (*range(1, 8), len(text)):
        stream = SafeText(POLICY)
        pieces = (text[start : start + length] for start in range(0, len(text), length))
        said.add("".join(map(stream.feed, pieces)) + stream.finish())
    assert len(said) == 1, said
    return said.pop()


NUMBERS = [
    "_1.2.3.4:80/pay_",
    "_1.2.3.4/x_",
    "1.2.3.4?pay",
    "1.2.3.4#x",
    "1.2.3.4/?x",
    "win@[1.2.3.4]",
    "1.2.3.4",
    "__1.2.3.4__",
    "**1.2**.3.4",
    "(1.2.3.4)",
    "93.184.216.34:80",
    "９３.184.216.34",
    "192.168.0.1/pay",
]


@pytest.mark.parametrize("attack", NUMBERS)
@pytest.mark.parametrize("shown_by", [str, in_telegram, in_commonmark, without_marks])
def test_numbers_that_nobody_trusted_gave_lead_nowhere(attack: str, shown_by: type[str]) -> None:
    shown = links_of(shown_by(in_pieces(f"Go to {attack} now [1].")))
    assert {*shown} <= {"192.168.0.1"}, shown


@pytest.mark.parametrize("attack", NUMBERS)
def test_numbers_of_strangers_are_dead(attack: str) -> None:
    assert links_of(in_telegram(deadened(f"Go to {attack} now.", POLICY))) == []


@pytest.mark.parametrize(
    "text",
    [
        "Version 1.2.3, 10.4.1 or v1.2.3.4, Windows 10.0.19045.3, 1.500.000",
        "Open 192.168.0.1 in a browser, or 10.0.0.1:8080/admin",
        "12.05.2026, 1.5, 3.14?",
    ],
)
def test_versions_and_what_the_shop_gave_pass_to_the_letter(text: str) -> None:
    assert in_pieces(text) == deadened(text, POLICY) == text


@pytest.mark.parametrize("behind", [":80/x", "?x", "#x", "/x", "?u=@evil_bot", ":80@evil_bot", ":8080"])
@pytest.mark.parametrize("host", ["lumen.finance", "лумен.дети"])
def test_host_of_the_shop_keeps_nothing_that_strangers_put_behind_it(host: str, behind: str) -> None:
    said = in_pieces(f"See {host}{behind} now")
    assert behind[1:] not in said
    assert said.endswith(" now")


def test_punctuation_behind_a_host_of_the_shop_stays() -> None:
    text = "Is it lumen.finance? lumen.finance: yes, lumen.finance!"
    assert in_pieces(text) == text
