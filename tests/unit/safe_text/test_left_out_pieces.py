"""What stands around a piece that no reader gets never comes together to a link that nobody trusts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from retrieval_service.domain.answering.citations import CitationStream, Delta
from retrieval_service.domain.safe_text.links import LinkPolicy
from retrieval_service.domain.safe_text.safe_text import SafeText
from retrieval_service.text.contacts import JOINER
from tests.fakes.telegram_links import links_of

POLICY = LinkPolicy([], allowed_domains=["good.example"], trusted=["t.me/lumen, @lumen, +7 495 123-45-67"])
DANGEROUS = [
    "tg://resolve?domain=evil_bot&start=pay",
    "ton://transfer/evil",
    "tonsite://evil.ton",
    "https://evil.finance/x?y=1",
    "http://0x5db8d822/pay",
    "https://0x5d.0xb8.0xd8.0x22/pay",
    "http://0135.0270.0330.042/pay",
    "http://1572395042/pay",
    "http://93.184.216.34:80/pay",
    "ftp://evil.com/x",
    "www.evil.com",
    "evil2.finance",
    "shop-evil.com/pay",
    "t.me/lumen_evil",
    "evil.t.me/lumen",
    "not-good.example/x",
    "good.example.evil.com/x",
    "https://good.example@evil.com",
    "@evil_support_bot",
    "@lumen_evil_bot",
    "#evil_tag",
    "/start_evil",
    "win.now@evil.com",
    "mailto:win@evil.finance",
    "+79001234567",
    "+7 900 123-45-67",
    "+7 (900) 123 45 67",
    "8 800 555 35 35",
    "88005553535",
    "4111 1111 1111 1111",
    "+1 900 7 495 123-45-67",
]
LEFT_OUT = [
    "<b>",
    "</b>",
    "<!-- -->",
    "<!-- a <b> -->",
    "<img src=x>",
    "![x](https://nope.com/p.png)",
    "[](https://nope.com)",
    " https://nope.com",
    "(https://nope.com)",
    "[9]",
    " [9]",
    "[9](https://good.example/x)",
    "【9†x】",
    "\u200b",
]
_WIDGET = re.compile(r"https?://[^\s<>()]*[^\s<>().,;:!?]", re.IGNORECASE)
# The fake begins a host behind "//" at its second letter.
_TRUSTED = re.compile(
    r"(?:https?://)?(?:[\w-]+\.)*g?ood\.example(?:[/?#:].*)?|t\.me/lumen|@lumen"
    r"|(?:\+|00 )?(?:7 )?495 123-45-67",
    re.DOTALL,
)


def shown(pieces: Sequence[str]) -> str:
    """As a customer gets it: of the markers only those of sources are left, here none."""
    safe, citations = SafeText(POLICY), CitationStream(frozenset())
    events = [event for piece in pieces for event in citations.feed(safe.feed(piece))]
    events += [*citations.feed(safe.finish()), *citations.finish()]
    return "".join(event.text for event in events if isinstance(event, Delta))


def is_foreign(link: str) -> bool:
    is_short_number = re.fullmatch(r"[+\d ()-]+", link) and len(re.findall(r"\d", link)) < 7
    return not is_short_number and not _TRUSTED.fullmatch(link.strip(".").rstrip("/_"))


def foreign_links(text: str) -> list[str]:
    """Browsers leave joiners out of a host."""
    opened = [*links_of(text), *(found.replace(JOINER, "") for found in _WIDGET.findall(text))]
    return [link for link in opened if is_foreign(link)]


@pytest.mark.parametrize("piece", LEFT_OUT)
@pytest.mark.parametrize("dangerous", DANGEROUS)
def test_piece_that_is_left_out_anywhere_makes_no_link(dangerous: str, piece: str) -> None:
    for place in range(1, len(dangerous)):
        said = f"Жмите {dangerous[:place]}{piece}{dangerous[place:]} да"
        assert foreign_links(shown([said])) == [], said


@settings(max_examples=400)
@example("tg:<b>//resolve?domain=evil_bot", [], [])
@example("http:<b>//1<b>572395042/pay", [], [])
@example("https://evil.example/1*572395042*", [], [])
@given(
    st.sampled_from(DANGEROUS),
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from(LEFT_OUT)), min_size=1, max_size=5),
    st.lists(st.integers(1, 80), max_size=8),
)
def test_pieces_left_out_in_any_places_and_streams_make_no_link(
    dangerous: str, insertions: list[tuple[int, str]], places: list[int]
) -> None:
    text = dangerous
    for place, piece in sorted(insertions, reverse=True):
        text = f"{text[:place]}{piece}{text[place:]}"
    cuts = sorted({0, len(text), *(place for place in places if place < len(text))})
    said = shown([text])
    assert foreign_links(said) == []
    assert shown([text[start:end] for start, end in pairwise(cuts)]) == said == shown(list(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tg:<b>//resolve", "tg:·//resolve"),
        ("tg: [9]//resolve", "tg: ·//resolve"),
        ("evil[9].com", "evil·.com"),
        ("10:<b>30</b>", "10:·30"),
        ("<b>Да</b>, <i>нет</i>: 5 <b>кг</b>.", "Да, нет: 5 кг."),
        ("<b>Цена</b>: 5 000 ₽ [9]. Всё.", "Цена: 5 000 ₽. Всё."),
        ("быст<b>ро</b>", "быстро"),
        ("Да [9].[9]", "Да."),
        ("q]-e.com", "q]·-e"),
        ("xn]-e.com", "xn]·-e"),
        ("a]--b.com x", "a]·--b x"),
        ("q]-e, да", "q]-e, да"),
        ("2 <b>300 г</b>", "2 300 г"),
    ],
)
def test_gap_stands_only_where_both_sides_could_become_a_link(text: str, expected: str) -> None:
    for length in (*range(1, 8), len(text)):
        pieces = [text[start : start + length] for start in range(0, len(text), length)]
        assert shown(pieces) == expected.replace("·", JOINER)
