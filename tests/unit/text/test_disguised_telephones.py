"""Telephone numbers that look like dates, prices or nothing that ASCII has."""

from __future__ import annotations

import pytest

from retrieval_service.domain.safe_text.dead_text import deadened
from retrieval_service.domain.safe_text.links import LinkPolicy
from retrieval_service.domain.safe_text.safe_text import SafeText
from retrieval_service.text.contacts import JOINER
from tests.fakes.telegram_links import links_of

POLICY = LinkPolicy([], trusted=["8 (495) 123-45-67 – круглосуточно / 8 800 555-35-35; заказ 1234567890"])


def in_pieces(text: str) -> str:
    """The same however it is cut into deltas."""
    said: set[str] = set()
    for length in (*range(1, 8), len(text)):
        stream = SafeText(POLICY)
        pieces = (text[start : start + length] for start in range(0, len(text), length))
        said.add("".join(map(stream.feed, pieces)) + stream.finish())
    assert len(said) == 1, said
    return said.pop()


DISGUISED = [
    "8 99 9000-11-22",
    "8 99 2000-11-22",
    "55 11 9876-54-32",
    "89 990 001 122",
    "7.999.000.112",
    "8.999.000.11.22",
    "8 999 000 11 22 2026-01-01",
    "8 999 000 11 22 2026-01-01 2026-01-01",
    "8 999 000 11 22 12.05.2026",
    "8 999 000 11 22 1234567890 1234567890",
    "８９９９０００１１２２",
    "＋７ ９９９ ０００ １１ ２２",
    "٨٩٩٩٠٠٠١١٢٢",
    "8\u2009999\u2009000\u200911\u200922",
    "8\u202f999\u202f000\u202f11\u202f22",
    "8–999–000–11–22",
    "8 999 000—11—22",
    "8/999/000/11/22",
    "8（999）000－11－22",
]


@pytest.mark.parametrize("attack", DISGUISED)
def test_number_that_nobody_gave_is_broken_and_reads_the_same(attack: str) -> None:
    text = f"Звоните {attack} сейчас."
    for said in (in_pieces(text), deadened(text, POLICY)):
        assert said.replace(JOINER, "") == text
        assert JOINER in said
        assert all(len([one for one in run if one.isdecimal()]) < 9 for run in said.split(JOINER))
        assert links_of(said) == []


@pytest.mark.parametrize(
    "text",
    [
        "12.05.2026, 2026-01-01, 12.05.2026-14.05.2026, 12.05.2026 – 14.05.2026, 10-12.05.2026, 05/06/2026",
        "2026-01-01 10:30, 12.05.2026 10:00–18:30, 12/25/2026, с 2026-01-01 по 2026-02-01",
        "1 000 000 ₽, 12 500 000 ₽, 1.000.000, 10 000–50 000 ₽, 100 000 – 500 000 ₽, 1 299,00–1 500,00",
        "CNPJ 12.345.678/0001-95, 24/7, 1.5/2 кг, 2020–2026, 40702810900000000001",
        "Заказ 1234567890, 8 (495) 123-45-67 – 2 линии, 8 800 555-35-35/8 495 123–45–67",
        "８ (495) 123-45-67, 8\u2009495\u2009123\u201145\u201167",
    ],
)
def test_dates_prices_and_numbers_of_the_shop_pass_to_the_letter(text: str) -> None:
    assert in_pieces(text) == deadened(text, POLICY) == text
