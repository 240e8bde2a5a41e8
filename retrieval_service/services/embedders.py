"""The opened embedders by the id of their embedding space, and what each one costs."""

from __future__ import annotations

from collections.abc import Mapping

from retrieval_service.domain.costs import ModelPrice, PriceTable, embedding_bill
from retrieval_service.domain.spaces import Space
from retrieval_service.providers.ports import Embedder


class Embedders:
    """`home_id` is the space of the configured embedder, in which new tenants begin."""

    def __init__(
        self, opened: Mapping[int, Embedder], *, home_id: int, prices: PriceTable | None = None
    ) -> None:
        self._opened = dict(opened)
        self._prices = prices or PriceTable()
        self.home_id = home_id

    @property
    def home(self) -> Embedder:
        return self._opened[self.home_id]

    @property
    def ids(self) -> list[int]:
        """The spaces that can be embedded in."""
        return sorted(self._opened)

    def get(self, space_id: int | None) -> Embedder | None:
        """None for a space whose model is not configured any more."""
        return None if space_id is None else self._opened.get(space_id)

    def space(self, space_id: int) -> Space | None:
        embedder = self.get(space_id)
        return None if embedder is None else embedder.space

    def price(self, space_id: int | None) -> ModelPrice | None:
        """None when it is not known."""
        embedder = self.get(space_id)
        return self._prices.of(embedder.space.provider, embedder.space.model) if embedder else None

    def dollars(self, provider: str, model: str, tokens: int) -> float | None:
        """What embedding so much costs; None when the price is not known."""
        price = self._prices.of(provider, model)
        return None if price is None else float(embedding_bill(price, tokens=tokens).embedding_usd)

    def spaces(self, space_ids: tuple[int, ...]) -> dict[int, Space]:
        """Those of the given spaces that can be embedded in, in their order."""
        return {one: self._opened[one].space for one in space_ids if one in self._opened}
