"""Vectors of texts without a model."""

from __future__ import annotations

import hashlib
import re

import numpy as np
from numpy.typing import NDArray


def bag_of_words(text: str, length: int) -> NDArray[np.float32]:
    """Each word adds 1 or -1 at a place of its own; not of unit length, as many servers' vectors are not."""
    vector = np.zeros(length, dtype=np.float32)
    for word in re.findall(r"\w+", text.lower()) or [text]:
        digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
        vector[int.from_bytes(digest[:4], "big") % length] += 1.0 if digest[4] & 1 else -1.0
    if not vector.any():
        vector[0] = 1.0
    return vector
