"""Telephone numbers are the shop's own only as wholes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retrieval_service.domain.safe_text.links import LinkPolicy
from tests.unit.safe_text.test_safe_text import fragment


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("+7 495 123-45-67", "8 (495) 123-45-67"),
        ("+7 495 123-45-67", "7 495 1234567"),
        ("+7 495 123-45-67", "(495) 123-45-67"),
        ("8 495 123-45-67", "+7 (495) 123-45-67"),
        ("8 495 123-45-67", "007 495 123 45 67"),
        ("(495) 123-45-67", "+7 495 123-45-67"),
        ("(495) 123-45-67", "8 495 123-45-67"),
        ("с 9 до 21.00 8 800 555-35-35", "8 800 555-35-35"),
        ("+55 11 91234-5678", "(11) 91234-5678"),
        ("+55 81 91234-5678", "(81) 91234-5678"),
        ("55 11 91234-5678", "+55 11 91234-5678"),
        ("+49 (0)30 1234567", "030 1234567"),
        ("+49 30 1234567", "0049 30 1234567"),
        ("+1 212 555 1234", "1-212-555-1234"),
    ],
)
def test_ways_to_write_one_number_are_one(own: str, said: str) -> None:
    assert LinkPolicy([], trusted=[f"Звоните: {own}."]).knows_telephone(said)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("+7 495 123-45-67", "+1 900 495 123 45 67"),
        ("+7 495 123-45-67", "+882 495 123-45-67"),
        ("+7 495 123-45-67", "+8 495 123-45-67"),
        ("+7 495 123-45-67", "+495 123-45-67"),
        ("+7 495 123-45-67", "+1 900 7 495 123-45-67"),
        ("+7 495 123-45-67", "8 10 882 495 123-45-67"),
        ("+7 495 123-45-67", "00882 495 123-45-67"),
        ("+7 495 123-45-67", "9 495 123-45-67"),
        ("+7 495 123-45-67", "900 495 123-45-67"),
        ("8 495 123-45-67", "+84 951 234-567"),
        ("(495) 123-45-67", "+1 495 123-45-67"),
        ("+55 11 91234-5678", "+351 11 91234-5678"),
        ("+55 11 91234-5678", "+11 91234-5678"),
        ("123-45-67", "+7 900 123-45-67"),
        ("8 495 123-45-67", "8 495 123-45-67-8"),
    ],
)
def test_number_that_only_ends_like_the_shop_s_is_another_one(own: str, said: str) -> None:
    assert not LinkPolicy([], trusted=[f"Звоните: {own}."]).knows_telephone(said)


def told(own: str, language: str, *, beside: str = "") -> LinkPolicy:
    """What a document in this language says, and another one of the shop's."""
    said = [fragment(1, f"Tel. {own}."), fragment(2, beside)]
    return LinkPolicy([replace(one, language=language) for one in said])


@pytest.mark.parametrize(
    ("own", "language", "beside", "said"),
    [
        ("8 (495) 123-45-67", "ru", "", "+7 495 123-45-67"),
        ("020 7946 0958", "en", "", "+44 20 7946 0958"),
        ("(020) 7946 0958", "en", "", "+44 (0)20 7946 0958"),
        ("020 7946 0958", "en", "", "0044 20 7946 0958"),
        ("(11) 4002-8922", "pt", "", "+55 11 4002-8922"),
        ("11 94002-8922", "pt", "", "+55 (11) 94002-8922"),
        ("(011) 4002-8922", "pt", "", "+55 11 4002-8922"),
        ("(212) 555-1234", "en", "", "+1 212 555-1234"),
        ("030 1234567", "en", "Fax +49 30 7654321", "+49 30 1234567"),
        ("06 1234 5678", "en", "Fax +39 06 7654 3210", "+39 06 1234 5678"),
        ("11 4002-8922", "", "Fax +55 11 4002-8923", "+55 11 4002-8922"),
    ],
)
def test_number_is_known_with_the_code_of_its_country_too(
    own: str, language: str, beside: str, said: str
) -> None:
    assert told(own, language, beside=beside).knows_telephone(said)


@pytest.mark.parametrize(
    ("own", "language", "beside", "said"),
    [
        ("(21) 2345-6789", "en", "", "+1 212 345-6789"),
        ("(21) 2345-6789", "", "", "+55 21 2345-6789"),
        ("(11) 4002-8922", "pt", "", "+54 11 4002-8922"),
        ("(11) 4002-8922", "pt", "", "+55 21 4002-8922"),
        ("(11) 4002-8922", "pt", "Fax +351 21 123 4567", "+55 11 4002-8922"),
        ("4002-8922", "pt", "", "+55 11 4002-8922"),
        ("020 7946 0958", "en", "", "+91 20 7946 0958"),
        ("020 7946 0958", "en", "", "+44 120 7946 0958"),
        ("030 1234567", "en", "Fax +49 30 7654321", "+44 30 1234567"),
        ("030 1234567", "en", "Fax +49 30 7654321, +44 30 7654321", "+49 30 1234567"),
        ("234-56-78", "en", "Fax +49 30 7654321", "+49 2345678"),
        ("(495) 123-45-67", "ru", "", "+1 495 123-45-67"),
        ("(495) 123-45-67", "en", "", "+1 495 123-45-67"),
        ("555-1234", "en", "", "+1 212 555-1234"),
    ],
)
def test_code_of_another_country_makes_another_number(
    own: str, language: str, beside: str, said: str
) -> None:
    assert not told(own, language, beside=beside).knows_telephone(said)


def test_number_of_strangers_tells_no_country() -> None:
    own = replace(fragment(1, "Tel. 030 1234567"), language="en")
    strangers = replace(fragment(2, "Call +49 30 7654321"), is_trusted=False)
    assert not LinkPolicy([own, strangers]).knows_telephone("+49 30 1234567")
