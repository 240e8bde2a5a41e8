"""Embedding spaces: which vectors may be compared with which, and what their model understands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Space:
    """One model with everything that changes its vectors; two equal keys mean comparable vectors.

    `languages` are the ISO 639-1 codes the model declares, empty for "all"; `scripts` are the Unicode
    scripts it can read at all ("Latin", "Cyrillic", …), empty for "all". `max_tokens` is the model's window.
    """

    provider: str
    model: str
    revision: str
    dimensions: int
    max_tokens: int
    languages: frozenset[str] = frozenset()
    scripts: frozenset[str] = frozenset()
    query_prefix: str = ""
    passage_prefix: str = ""

    @property
    def key(self) -> str:
        """Stable text identity, for example `local/all-MiniLM-L6-v2@53aa5117:384`."""
        return f"{self.provider}/{self.model}@{self.revision}:{self.dimensions}"


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Unit-length float32 rows of shape (texts, dimensions) and the tokens that were paid for them."""

    vectors: Vectors
    tokens: int
