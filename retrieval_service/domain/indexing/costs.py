"""What tokens cost: a table of prices by model, and the bill of one use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from retrieval_service.domain.usage import Usage

THOUSAND, MILLION = Decimal(1_000), Decimal(1_000_000)
KINDS = ("embedded", "input", "output")
# Models that run in this process.
LOCAL = "local"


@dataclass(frozen=True, kw_only=True)
class ModelPrice:
    """Dollars for a million tokens."""

    embedded: Decimal = Decimal(0)
    input: Decimal = Decimal(0)
    output: Decimal = Decimal(0)


FREE = ModelPrice()

# OpenAI's list prices without discounts, as of June 2026.
LIST_PRICES = {
    "text-embedding-3-small": ModelPrice(embedded=Decimal("0.02")),
    "text-embedding-3-large": ModelPrice(embedded=Decimal("0.13")),
    "text-embedding-ada-002": ModelPrice(embedded=Decimal("0.10")),
    "gpt-5.4-mini": ModelPrice(input=Decimal("0.75"), output=Decimal("4.50")),
}


@dataclass(frozen=True, kw_only=True)
class PriceTable:
    """Prices by the model's name, whoever serves it."""

    prices: Mapping[str, ModelPrice] = field(default_factory=lambda: dict(LIST_PRICES))

    def of(self, provider: str, model: str) -> ModelPrice | None:
        """None when nobody has said what the model costs."""
        return self.prices.get(model, FREE if provider == LOCAL else None)

    def of_answerer(self, name: str) -> ModelPrice | None:
        """By names such as `openai/gpt-5.4-mini`; answers without a model are named otherwise, and free."""
        provider, _, model = name.partition("/")
        return self.of(provider, model.removesuffix("/file_search")) if model else FREE


def price_table(text: str) -> PriceTable:
    """The list prices, and before them those of a JSON object such as {"model": {"input": 0.5, "output": 2}}.

    Raises `ValueError`, which names the model and the kind that is wrong.
    """
    return PriceTable(prices={**LIST_PRICES, **(_own_prices(text) if text else {})})


def embedding_bill(price: ModelPrice | None, *, tokens: int, saved_tokens: int = 0) -> Usage:
    """Of embedding so many tokens and not embedding others, which hashes saved."""
    amounts = Usage(embedded_tokens=tokens, hash_saved_tokens=saved_tokens)
    return bill(amounts, FREE if price is None else price, is_priced=price is not None)


def answer_bill(price: ModelPrice | None, *, input_tokens: int, output_tokens: int) -> Usage:
    amounts = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    return bill(amounts, FREE if price is None else price, is_priced=price is not None)


def search_bill(usd_per_thousand: float, *, searches: int) -> Usage:
    """Of so many searches at the retrieval provider."""
    fee = Decimal(str(usd_per_thousand)) / THOUSAND
    return Usage(remote_searches=searches, searching_usd=searches * fee)


def bill(amounts: Usage, price: ModelPrice, *, is_priced: bool) -> Usage:
    """The tokens with what they cost; those without a known price are counted apart."""
    chatted = amounts.input_tokens * price.input + amounts.output_tokens * price.output
    tokens = (
        amounts.embedded_tokens + amounts.hash_saved_tokens + amounts.input_tokens + amounts.output_tokens
    )
    return Usage(
        embedded_tokens=amounts.embedded_tokens,
        hash_saved_tokens=amounts.hash_saved_tokens,
        input_tokens=amounts.input_tokens,
        output_tokens=amounts.output_tokens,
        embedding_usd=amounts.embedded_tokens * price.embedded / MILLION,
        hash_saved_usd=amounts.hash_saved_tokens * price.embedded / MILLION,
        answering_usd=chatted / MILLION,
        unpriced_tokens=0 if is_priced else tokens,
    )


def _own_prices(text: str) -> dict[str, ModelPrice]:
    try:
        table = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error}") from error
    if not isinstance(table, dict):
        raise ValueError("must be a JSON object of prices by model")
    return {model: _price(model, kinds) for model, kinds in table.items()}


def _price(model: str, kinds: object) -> ModelPrice:
    if not isinstance(kinds, dict) or not kinds:
        raise ValueError(f"{model}: must be an object with {', '.join(KINDS)}")
    for kind, usd in kinds.items():
        if kind not in KINDS:
            raise ValueError(f"{model}.{kind}: there is no such kind, only {', '.join(KINDS)}")
        if not isinstance(usd, Decimal) or usd < 0:
            raise ValueError(f"{model}.{kind}: must be dollars for a million tokens, not below 0")
    return ModelPrice(**kinds)
