"""What a product does not tell is never stated from the nearest of what it tells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retrieval_service.domain.answering.founded import (
    Nearness,
    are_said,
    asks_only_price,
    is_named,
    of_another_name,
    offered,
    verdict_of,
)
from retrieval_service.domain.fragments import Fragment, Prompt, PromptPart
from retrieval_service.domain.quotation.asked_field import Statement
from retrieval_service.domain.verdicts import Verdict

PRICE = Statement(sentence="", meaning="Price")
WEIGHT = Statement(sentence="Weight: 290 g", meaning="Weight, g")
SHADE = Statement(sentence="Shade: linen", meaning="Shade")


def _fragment(number: int, score: float, title: str = "Curlew lamp") -> Fragment:
    return Fragment(
        number=number,
        document_id=title,
        chunk_id=title,
        title=title,
        url="",
        text="",
        language="en",
        score=score,
    )


def _prompt(*fragments: Fragment, parts: tuple[PromptPart, ...] = ()) -> Prompt:
    return Prompt(
        question="",
        language="en",
        shop_name="",
        fallback_contact="",
        instructions="",
        fragments=fragments,
        parts=parts,
    )


@pytest.mark.parametrize(
    ("asked", "chosen", "is_said"),
    [
        ("what weight has the", WEIGHT, True),
        ("what is the guarantee on the", SHADE, False),
        ("is the shade machine washable, dishwasher safe or flammable", SHADE, False),
        ("how much is the", SHADE, False),
    ],
)
def test_half_of_what_is_asked_is_said(asked: str, chosen: Statement, *, is_said: bool) -> None:
    assert are_said(asked, "en", [chosen]) == is_said


@pytest.mark.parametrize(
    ("asked", "is_only_price"),
    [
        ("how much is the", True),
        ("how much does the weigh?", False),
        ("how much is the wooden", False),
        ("what colour is the", False),
    ],
)
def test_price_is_asked_for_alone(asked: str, *, is_only_price: bool) -> None:
    assert asks_only_price(asked, "en") == is_only_price


def test_own_field_may_be_a_little_farther_than_what_the_product_has_not() -> None:
    assert Nearness(chosen=3.3, other=3.7, is_told=False).is_clear
    assert not Nearness(chosen=3.3, other=4.2, is_told=False).is_clear
    assert not Nearness(chosen=2.0, other=0.0, is_told=False).is_clear


def test_stock_must_be_clearly_nearer() -> None:
    assert not Nearness(chosen=2.8, other=2.6, is_told=True).is_clear
    assert Nearness(chosen=3.6, other=2.6, is_told=True).is_clear


def test_names_of_its_own_fields_are_no_rivals() -> None:
    assert of_another_name(["Weight", "Warranty"], "en", [WEIGHT, PRICE]) == ["Warranty"]


def test_product_is_named_by_any_word_of_its_name() -> None:
    assert is_named("how heavy are your lamps?", _fragment(1, 1.0))
    assert not is_named("how heavy is the sofa?", _fragment(1, 1.0))


def test_nothing_else_as_sure_is_offered() -> None:
    unfounded = frozenset({1})
    assert verdict_of(_prompt(_fragment(1, 1.0), _fragment(2, 0.5)), unfounded) is Verdict.PERHAPS


def test_another_text_as_sure_is_stated() -> None:
    unfounded = frozenset({1})
    assert verdict_of(_prompt(_fragment(1, 1.0), _fragment(2, 0.99)), unfounded) is Verdict.ANSWERS


def test_what_was_nothing_stays_nothing() -> None:
    prompt = replace(_prompt(_fragment(1, 1.0)), verdict=Verdict.NOTHING)
    assert verdict_of(prompt, frozenset({1})) is Verdict.NOTHING


def test_only_the_part_that_is_not_told_is_offered() -> None:
    known, unknown = (PromptPart(said="", question="", fragments=(_fragment(n, 1.0),)) for n in (1, 2))
    parts = tuple(offered(part, frozenset({2})) for part in (known, unknown))
    assert [part.is_sure for part in parts] == [True, False]
    assert verdict_of(_prompt(parts=parts), frozenset()) is Verdict.ANSWERS
    assert verdict_of(_prompt(parts=parts[1:]), frozenset()) is Verdict.PERHAPS
