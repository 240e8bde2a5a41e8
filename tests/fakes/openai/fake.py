"""What a test holds of the running server, and where a resource finds it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from tests.fakes.openai.bags import bag_of_words
from tests.fakes.openai.faults import Fault, Faults
from tests.fakes.openai.journal import Exchange, Journal
from tests.fakes.openai.scripts import Script
from tests.fakes.openai.storage import Storage

OTHER_MODELS_DIMENSIONS = 384


class FakeOpenAI:
    """Where the server is, what it was asked, what it will say and what will go wrong.

    `dimensions` are the lengths of the models' vectors. `always_floats` and `ignores_dimensions` make an
    embeddings server of the less obedient kind. `embedded` makes the vectors: of a text, and of a length.
    """

    def __init__(self, *, api_key: str | None = None) -> None:
        self.base_url = ""
        self.api_key = api_key
        self.journal = Journal()
        self.faults = Faults()
        self.script = Script()
        self.storage = Storage()
        self.dimensions = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
        self.always_floats = False
        self.ignores_dimensions = False
        self.embedded: Callable[[str, int], NDArray[np.float32]] = bag_of_words

    def fail(self, fault: Fault) -> None:
        self.faults.add(fault)

    def forget(self) -> None:
        """What one test let it say, and let go wrong, is not the next one's."""
        self.script = Script()
        self.faults.clear()

    def dimensions_of(self, model: str) -> int:
        return self.dimensions.get(model, OTHER_MODELS_DIMENSIONS)


FAKE = web.AppKey("fake", FakeOpenAI)
EXCHANGE = web.RequestKey("exchange", Exchange)
