"""Words of strangers, in which no program finds a link."""

from __future__ import annotations

import pytest

from retrieval_service.domain.fragments import Fragment
from retrieval_service.domain.safe_text.dead_text import deadened
from retrieval_service.domain.safe_text.links import LinkPolicy
from retrieval_service.text.contacts import JOINER
from tests.fakes.telegram_links import links_of

POLICY = LinkPolicy(
    [
        Fragment(
            number=1,
            document_id="d",
            chunk_id="c",
            title="T",
            url="",
            text="Us: https://shop.example/a, t.me/lumen, help@lumen.shop, @lumen_bot, 8 (495) 123-45-67.",
            language="en",
            score=1.0,
        )
    ],
    allowed_domains=["good.example"],
)


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/x www.evil.com http:evil.com ftp://evil.example",
        "tg://resolve?domain=evil ton://pay",
        "t.me/evil shop.example/evil https://t.me/evil",
        "evil.finance evil.lawyer/pay evil.google/x evil。com evil．com/pay a.b.c.d.e.f.g.h.i.j.evil.com.x.finance",
        "@evil_support_bot /start #evil $EVIL evil@evil.com (evil@evil.finance) a.b+c@evil.co.uk",
        "+7 999 000-11-22, 8 800 555 35 35, 88005553535, 4111 1111 1111 1111",
        "http://1.2.3.4/pay 1.2.3.4:80/x",
    ],
)
def test_stranger_s_link_is_none_and_reads_the_same(text: str) -> None:
    dead = deadened(text, POLICY)
    assert dead.replace(JOINER, "") == text
    assert links_of(dead) == []
    assert links_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://shop.example/a, t.me/lumen, help@lumen.shop, @lumen_bot, +7 495 123-45-67",
        "https://docs.good.example/x?y=1 and good.example",
        "Node.js, main.py, 1.5/2 kg, 12.05.2026, 24/7, p.m./a.m., 1 000 000, f(x): y, file.docx",
    ],
)
def test_what_the_business_says_too_and_what_is_no_link_is_left_alone(text: str) -> None:
    assert deadened(text, POLICY) == text
