"""The opened embedders by the id of their embedding space, and what each one costs."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from retrieval_service.domain.indexing.calibration import Calibration
from retrieval_service.domain.indexing.costs import ModelPrice, PriceTable, embedding_bill
from retrieval_service.domain.indexing.spaces import Space
from retrieval_service.providers.ports import Embedder


class Embedders:
    """`home_id` is the space of the configured embedder, in which new tenants begin.

    `left_ids` are spaces whose models are open only until their tenants have moved to the home space. `calibrations`
    are of spaces whose models do not bring a scale of their own.
    """

    def __init__(
        self,
        opened: Mapping[int, Embedder],
        *,
        home_id: int,
        left_ids: Collection[int] = (),
        calibrations: Mapping[int, Calibration] | None = None,
        prices: PriceTable | None = None,
    ) -> None:
        self._opened = dict(opened)
        self._spaces = {space_id: embedder.space for space_id, embedder in opened.items()}
        self._calibrated = {space_id for space_id, space in self._spaces.items() if space.scale is not None}
        for space_id, calibration in (calibrations or {}).items():
            self.calibrate(space_id, calibration)
        self._left_ids = frozenset(left_ids)
        self._prices = prices or PriceTable()
        self.home_id = home_id

    @property
    def home(self) -> Embedder:
        return self._opened[self.home_id]

    @property
    def home_space(self) -> Space:
        """As it is to be searched."""
        return self._spaces[self.home_id]

    @property
    def ids(self) -> list[int]:
        """The spaces that can be embedded in."""
        return sorted(self._opened)

    def is_configured(self, space_id: int) -> bool:
        """Whether tenants may stay in the space."""
        return space_id in self._opened and space_id not in self._left_ids

    def get(self, space_id: int | None) -> Embedder | None:
        """None for a space whose model is not configured any more."""
        return None if space_id is None else self._opened.get(space_id)

    def id_of(self, space: Space | None) -> int | None:
        """None for none, and for one that is not open; a space is the same however its cosines are read."""
        key = space.key if space else None
        return next((one for one, opened in self._opened.items() if opened.space.key == key), None)

    def space(self, space_id: int) -> Space | None:
        """As it is to be searched; the same object until it is calibrated."""
        return self._spaces.get(space_id)

    @property
    def uncalibrated_ids(self) -> list[int]:
        """Open spaces whose cosines nobody has measured yet."""
        return [space_id for space_id in self.ids if space_id not in self._calibrated]

    def calibrate(self, space_id: int, calibration: Calibration) -> None:
        """Searches go by it from now on."""
        self._spaces[space_id] = calibration.of(self._opened[space_id].space)
        self._calibrated.add(space_id)

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
