"""Origins, tokens and addresses: what lets a visitor in, and what does not."""

from __future__ import annotations

import string
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kladez.v1.tenant_service_pb2 import ResolvePublicKeyResponse, SuggestedQuestions

from retrieval_service.client.conversations import NO_SESSION, SessionProof
from widget_gateway.access import (
    Grant,
    Shop,
    ShopUnknown,
    Signer,
    canonical,
    origin_allowed,
    shop_of,
    visitor_address,
)

KEY = "0f1c3a52-1111-4222-8333-444455556666"
NOW = 1_000_000.0
WEEK = 7 * 86_400


def shop(*origins: str) -> Shop:
    return shop_of(KEY, ResolvePublicKeyResponse(tenant_id="tenant", name="Tea", allowed_origins=origins))


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        (["https://shop.example"], "https://shop.example", True),
        (["https://Shop.example/"], "https://shop.example", True),
        (["https://shop.example"], "http://shop.example", False),
        (["https://shop.example"], "https://shop.example:8443", False),
        (["https://shop.example"], "https://evil-shop.example", False),
        (["https://shop.example"], "https://shop.example.evil.example", False),
        (["https://shop.example"], "", False),
        (["https://shop.example"], "null", False),
        (["*"], "https://anywhere.example", True),
        (["*"], "null", False),
        ([], "https://shop.example", False),
    ],
)
def test_only_listed_origins_may_open_the_chat(origins: list[str], origin: str, allowed: bool) -> None:
    assert origin_allowed(origin, shop(*origins), allow_null=False) is allowed


def test_null_origin_is_let_in_by_the_switch_alone() -> None:
    assert origin_allowed("null", shop("https://shop.example"), allow_null=True)


def test_shop_speaks_the_visitors_language_or_its_first() -> None:
    response = ResolvePublicKeyResponse(
        languages=["ru", "pt"],
        greetings={"ru": "Привет", "pt": "Olá"},
        suggested_questions={"pt": SuggestedQuestions(questions=["Frete?"])},
    )
    tea = shop_of(KEY, response)
    assert (tea.greeting("pt"), tea.greeting("de")) == ("Olá", "Привет")
    assert (tea.suggestions("pt"), tea.suggestions("ru")) == (("Frete?",), ())


@pytest.mark.parametrize(
    ("name", "language", "title"),
    [
        ("Чайная миля", "ru", "Чайная миля"),
        ("Чайная миля", "en", ""),
        ("Чай & Co", "pt", ""),
        ("Tea Mile", "ru", "Tea Mile"),
        ("Milha do Chá", "en", "Milha do Chá"),
    ],
)
def test_name_in_letters_that_the_visitor_does_not_read_is_no_title(
    name: str, language: str, title: str
) -> None:
    assert shop_of(KEY, ResolvePublicKeyResponse(name=name)).title(language) == title


def test_key_is_compared_in_one_spelling() -> None:
    assert canonical(KEY.upper()) == KEY
    with pytest.raises(ShopUnknown):
        canonical("not a key")


def signer(name: str = "one of the tests") -> Signer:
    return Signer(f"the secret of {name}", lifetime_seconds=WEEK, lasting_secret="that lasts")


SERVICE = SessionProof(session_id="service-session", session_token="service-token")


def granted(by: Signer) -> tuple[Grant, str]:
    grant = by.grant("session", SERVICE, unix_time=NOW)
    return grant, by.token(grant, "tenant")


def test_token_proves_its_session_to_every_replica() -> None:
    grant, token = granted(signer())
    assert signer().check(token, session_id="session", tenant_id="tenant", unix_time=NOW) == grant


@pytest.mark.parametrize(
    ("session_id", "tenant_id", "unix_time"),
    [("another", "tenant", NOW), ("session", "another", NOW), ("session", "tenant", NOW + WEEK)],
)
def test_token_proves_nothing_else(session_id: str, tenant_id: str, unix_time: float) -> None:
    _, token = granted(signer())
    assert signer().check(token, session_id=session_id, tenant_id=tenant_id, unix_time=unix_time) is None


def test_token_of_another_secret_is_worthless() -> None:
    _, token = granted(signer("another secret"))
    assert signer().check(token, session_id="session", tenant_id="tenant", unix_time=NOW) is None


def test_longer_life_cannot_be_written_into_a_token() -> None:
    grant, token = granted(signer())
    forged = token.replace(str(grant.expires), str(grant.expires + 1))
    assert signer().check(forged, session_id="session", tenant_id="tenant", unix_time=NOW) is None


@given(st.text())
def test_any_text_is_a_token_or_not(text: str) -> None:
    assert signer().check(text, session_id="session", tenant_id="tenant", unix_time=NOW) is None


def test_conversation_of_an_older_gateway_is_begun_anew() -> None:
    by = signer()
    body = f"{NOW + WEEK:.0f}.11111111-2222-4333-8444-555555555555"
    token = f"{body}.{by._signature('session', 'tenant', body)}"
    grant = by.check(token, session_id="session", tenant_id="tenant", unix_time=NOW)
    assert grant
    assert grant.service == NO_SESSION


@pytest.mark.parametrize("service", [SERVICE, NO_SESSION])
def test_token_carries_the_services_proof_before_and_after_the_first_question(service: SessionProof) -> None:
    token = signer().token(signer().grant("session", service, unix_time=NOW), "tenant")
    grant = signer().check(token, session_id="session", tenant_id="tenant", unix_time=NOW)
    assert grant
    assert grant.service == service


def test_day_of_a_visitor_is_counted_under_one_hash_whatever_the_process() -> None:
    assert signer().visitor_hash("203.0.113.9") == signer("another process").visitor_hash("203.0.113.9")
    assert signer().visitor_hash("203.0.113.9") != signer().visitor_hash("203.0.113.10")
    assert signer().visitor_hash("203.0.113.9")[:16] != signer().address_hash("203.0.113.9")


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:DB8:1:2::1", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.9", "203.0.113.9", True),
        ("::ffff:203.0.113.9", "::ffff:203.0.113.10", False),
        ("203.0.113.9", "203.0.113.10", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("", "garbage", False),
    ],
)
def test_network_of_one_customer_is_one_visitor(first: str, second: str, is_same: bool) -> None:
    by = signer()
    assert (by.address_hash(first) == by.address_hash(second)) is is_same
    assert (by.visitor_hash(first) == by.visitor_hash(second)) is is_same


def test_address_hash_tells_visitors_apart_and_hides_them() -> None:
    first, second = signer().address_hash("203.0.113.9"), signer().address_hash("203.0.113.10")
    assert first != second
    assert set(first) <= set(string.hexdigits)
    assert signer("another secret").address_hash("203.0.113.9") != first


PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "garbage", "10.0.0.1"),
        ("2001:db8::1", "2606:4700::1", "2606:4700::1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("::ffff:203.0.113.9", "198.51.100.1", "::ffff:203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, garbage, 10.0.0.2", "10.0.0.2"),
        ("", "198.51.100.1", ""),
    ],
)
def test_only_our_proxies_are_believed(peer: str, forwarded_for: str, address: str) -> None:
    assert visitor_address(peer, forwarded_for, PROXIES) == address
