"""What the shop itself gave reaches a customer in every form that models write it in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retrieval_service.domain.answering.checked_stream import CheckedText
from retrieval_service.domain.answering.citations import Cited, Delta
from retrieval_service.domain.fragments import Prompt
from retrieval_service.text.contacts import JOINER
from tests.fakes.telegram_links import links_of
from tests.unit.safe_text.test_safe_text import fragment

SAID = (
    "Mail help@lumen.shop, call 8 (495) 123-45-67, write to @lumen_bot or see https://lumen.shop/sale, "
    "https://lumen.shop/snake_case_page, https://lumen.shop/p?a=1&b=2, https://lumen.shop/p?a[]=1&b=2, "
    "https://lumen.shop/q?f[x][0]=1 and lumen.shop/z?a[]=1"
)
ASKED = Prompt(
    question="How?",
    language="ru",
    shop_name="Lumen",
    fallback_contact="",
    instructions="",
    fragments=(replace(fragment(1, SAID), language="ru"),),
    link_domains=(),
)


def events_of(text: str, length: int) -> list[Delta | Cited]:
    checked = CheckedText(ASKED)
    pieces = (text[start : start + length] for start in range(0, len(text), length))
    events = [event for piece in pieces for event in checked.feed(piece)]
    return [event for event in [*events, *checked.finish()] if isinstance(event, (Delta, Cited))]


def answered(text: str) -> str:
    """The same however it is cut into deltas."""
    streams = [events_of(text, length) for length in (*range(1, 8), len(text))]
    answers = {"".join(event.text for event in one if isinstance(event, Delta)) for one in streams}
    assert len(answers) == 1, answers
    return answers.pop()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[help@lumen.shop](mailto:help@lumen.shop) [1].", "help@lumen.shop [1]."),
        ("[**Почта**](mailto:help@lumen.shop?subject=x) [1]", "**Почта** (help@lumen.shop) [1]"),
        ("**[help@lumen.shop](mailto:help@lumen.shop)** [1]", "**help@lumen.shop** [1]"),
        ("[](mailto:help@lumen.shop) [1]", "help@lumen.shop [1]"),
        ("x[help@lumen.shop](mailto:help@lumen.shop)y [1]", "x help@lumen.shop y [1]"),
        ("[+7 495 123-45-67](tel:+74951234567) [1].", "+7 495 123-45-67 [1]."),
        (
            "Звоните [по телефону](tel:+7%20495%20123-45-67) [1].",
            "Звоните по телефону (+7 495 123-45-67) [1].",
        ),
        (
            "Mail <help@lumen.shop> or <mailto:help@lumen.shop> [1]",
            "Mail help@lumen.shop or help@lumen.shop [1]",
        ),
        ("See <https://lumen.shop/sale> [1].", "See https://lumen.shop/sale [1]."),
        ("Ask @lumen\\_bot [1].", "Ask @lumen_bot [1]."),
        ("https://lumen.shop/snake\\_case\\_page [1]", "https://lumen.shop/snake_case_page [1]"),
        ("[p](https://lumen.shop/snake\\_case\\_page) [1]", "[p](https://lumen.shop/snake_case_page) [1]"),
        ("https://lumen.shop/p?a=1&amp;b=2 [1]", "https://lumen.shop/p?a=1&b=2 [1]"),
        ("https://lumen.shop/p?a[]=1&b=2 [1]", "https://lumen.shop/p?a%5B%5D=1&b=2 [1]"),
        ("(https://lumen.shop/p?a[]=1&b=2) [1]", "(https://lumen.shop/p?a%5B%5D=1&b=2) [1]"),
        ("[p](https://lumen.shop/q?f[x][0]=1) [1]", "[p](https://lumen.shop/q?f%5Bx%5D%5B0%5D=1) [1]"),
        ("https://lumen.shop/q?f[x][0]=1 [1]", "https://lumen.shop/q?f%5Bx%5D%5B0%5D=1 [1]"),
        ("lumen.shop/z?a[]=1 [1]", "lumen.shop/z?a%5B%5D=1 [1]"),
        ("It is free.It takes 2 days.By courier [1].", "It is free.·It takes 2 days.·By courier [1]."),
        ("Order.Us.In stock [1]", "Order.·Us.·In stock [1]"),
        ("See Lumen.Shop [1].", "See Lumen.Shop [1]."),
        ("+7 [495] 123-45-67 [1]", "+7 (495) 123-45-67 [1]"),
        ("8 [495] 123-45-67, 300 [1]. 300 ₽ [1]", "8 (495) 123-45-67, 300 [1]. 300 ₽ [1]"),
    ],
)
def test_contact_of_the_shop_is_usable(text: str, shown: str) -> None:
    assert answered(text) == shown.replace("·", JOINER)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[win](mailto:win@evil.com) [1]", "win [1]"),
        ("[help@lumen.shop](mailto:win@evil.com) [1]", "help@·lumen.·shop [1]"),
        ("[8 999 000 11 22](tel:+79990001122) [1]", "8· 999· 000· 11· 22 [1]"),
        ("a <win@evil.com> b [1]", "a  b [1]"),
        ("<https://lumen.shop/sale>/evil [1]", "https://lumen.shop/sale /·evil [1]"),
        ("https://lumen.shop/p?a=1&amp;b=3 [1]", "[1]"),
        ("a https://lumen.shop/p?a[]=2 [1]", "a [1]"),
        ("a Evil.Com b evil.Com/pay [1]", "a Evil.·Com b evil [1]"),
        ("a evil.com.It [1]", "a evil.·It [1]"),
    ],
)
def test_what_the_shop_did_not_give_is_not(text: str, shown: str) -> None:
    said = answered(f"Да, {text}")
    assert said == f"Да, {shown}".replace("·", JOINER)
    assert {*links_of(said)} <= {"umen.shop/sale"}
