"""What tokens cost."""

from __future__ import annotations

from decimal import Decimal

import pytest

from retrieval_service.domain.indexing.costs import answer_bill, embedding_bill, price_table

LIST = price_table("")


def test_embedding_is_paid_by_the_million() -> None:
    bill = embedding_bill(LIST.of("openai", "text-embedding-3-small"), tokens=500_000, saved_tokens=1_000)
    assert (bill.embedding_usd, bill.hash_saved_usd) == (Decimal("0.01"), Decimal("0.00002"))
    assert (bill.embedded_tokens, bill.hash_saved_tokens, bill.unpriced_tokens) == (500_000, 1_000, 0)


def test_answer_is_paid_by_what_the_model_read_and_wrote() -> None:
    for name in ("openai/gpt-5.4-mini", "openai/gpt-5.4-mini/file_search"):
        bill = answer_bill(LIST.of_answerer(name), input_tokens=1_000_000, output_tokens=100_000)
        assert (bill.answering_usd, bill.unpriced_tokens) == (Decimal("1.2"), 0)


@pytest.mark.parametrize("name", ["extractive", ""])
def test_answers_without_a_model_are_free(name: str) -> None:
    bill = answer_bill(LIST.of_answerer(name), input_tokens=5, output_tokens=5)
    assert (bill.answering_usd, bill.unpriced_tokens) == (0, 0)


def test_local_models_are_free_and_unknown_ones_are_not_called_free() -> None:
    assert embedding_bill(LIST.of("local", "minilm"), tokens=9).unpriced_tokens == 0
    bill = embedding_bill(LIST.of("127.0.0.1", "bge"), tokens=9, saved_tokens=1)
    assert (bill.embedding_usd, bill.unpriced_tokens) == (0, 10)


def test_own_prices_come_before_the_list_prices() -> None:
    table = price_table('{"gpt-5.4-mini": {"input": 0.1, "output": 1}, "org/bge": {"embedded": 0}}')
    bill = answer_bill(table.of_answerer("openai/gpt-5.4-mini"), input_tokens=1_000_000, output_tokens=0)
    assert bill.answering_usd == Decimal("0.1")
    assert table.of("127.0.0.1", "org/bge") is not None
    assert table.of("openai", "text-embedding-3-large") == LIST.of("openai", "text-embedding-3-large")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("cheap", "JSON"),
        ("[1]", "object"),
        ('{"m": 5}', "m: must be an object"),
        ('{"m": {}}', "m: must be an object"),
        ('{"m": {"read": 5}}', r"m\.read: there is no such kind"),
        ('{"m": {"input": "much"}}', r"m\.input: must be dollars"),
        ('{"m": {"input": true}}', r"m\.input: must be dollars"),
        ('{"m": {"output": -1}}', r"m\.output: must be dollars"),
        ('{"m": {"output": NaN}}', r"m\.output: must be dollars"),
    ],
)
def test_what_is_wrong_with_prices_is_said(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        price_table(text)
