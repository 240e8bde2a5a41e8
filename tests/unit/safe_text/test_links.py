"""Which addresses an answer may show."""

from __future__ import annotations

import pytest

from retrieval_service.domain.fragments import Fragment
from retrieval_service.domain.safe_text.links import LinkPolicy, addresses, is_honest, normal_form, trimmed


def fragment(number: int, text: str, url: str = "") -> Fragment:
    return Fragment(
        number=number,
        document_id="d",
        chunk_id="c",
        title="Возврат",
        url=url,
        text=text,
        language="ru",
        score=0.9,
    )


POLICY = LinkPolicy(
    [
        fragment(1, "Подробнее: https://shop.example/returns, и всё."),
        fragment(2, "Veja shop.example/frete", url="https://shop.example/envio"),
        fragment(3, "javascript:alert(1) https://gооd.example/ http://user@shop.example/x"),
    ],
    allowed_domains=["good.example", "магазин.рф"],
    trusted=["Пишите t.me/lumen или https://lumen.example/help"],
)


@pytest.mark.parametrize(
    ("address", "numbers"),
    [
        ("https://shop.example/returns", {1}),
        ("http://SHOP.example/returns/", {1}),
        ("shop.example/returns", {1}),
        ("https://shop.example/Returns", set()),
        ("https://shop.example/returns?leak=1", set()),
        ("https://shop.example/frete", {2}),
        ("https://shop.example/envio", {2}),
    ],
)
def test_address_of_a_fragment_is_allowed_where_that_is_cited(address: str, numbers: set[int]) -> None:
    verdict = POLICY.verdict(address)
    assert (verdict.is_free, verdict.numbers) == (False, numbers)


@pytest.mark.parametrize(
    "address",
    [
        "https://good.example",
        "https://a.b.good.example/x?y=1#z",
        "http://GOOD.example:8080/x",
        "https://магазин.рф/каталог",
        "t.me/lumen",
        "https://lumen.example/help",
    ],
)
def test_tenants_own_domains_and_words_are_allowed_anywhere(address: str) -> None:
    assert POLICY.verdict(address).is_free


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example",
        "https://good.example.evil.test",
        "https://evilgood.example",
        "https://good.example@evil.test/",
        "https://good.example%40evil.test/",
        "https://good.example\\@evil.test/",
        "//good.example/x",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "ftp://good.example/x",
        "https://gооd.example/",
        "https://xn--gd-jmca.example/",
        "https://good.ex\u200bample/",
        "https://good.example:99999/",
        "https://[::1",
        "",
    ],
)
def test_strangers_disguises_and_code_are_never_allowed(address: str) -> None:
    verdict = POLICY.verdict(address)
    assert not verdict.is_free
    assert not verdict.numbers


@pytest.mark.parametrize(
    ("address", "honest"),
    [
        ("https://пример.рф/x", True),
        ("https://аррӏе.com", False),
        ("https://xn--e1afmkfd.example", False),
        ("https://ехаmрlе.test", False),
        ("/returns", True),
        ("mailto:help@shop.example", True),
        ("tel:+74951234567", True),
        ("#top", False),
    ],
)
def test_host_of_one_script_leads_where_it_seems_to(address: str, honest: bool) -> None:
    assert is_honest(address) is honest


def test_addresses_of_a_text_are_found_without_its_punctuation() -> None:
    text = "См. (https://a.example/x_(1)), www.b.example. И c.example/y!"
    assert addresses(text) == {"a.example/x_(1)", "www.b.example", "c.example/y"}


def test_endless_address_is_trimmed_in_one_pass() -> None:
    assert trimmed("https://a.example/x).,»!?") == "https://a.example/x).,»"
    assert normal_form("HTTPS://A.Example/%7Ex/") == "a.example/~x"
