"""OpenAI's filter language over a file's attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def matches(filters: Mapping[str, Any] | None, attributes: Mapping[str, Any]) -> bool:
    """A comparison with what is not there, or of another type, is false."""
    if not filters:
        return True
    if filters["type"] in ("and", "or"):
        quantified = all if filters["type"] == "and" else any
        return quantified(matches(part, attributes) for part in filters["filters"])
    value, wanted = attributes.get(filters["key"]), filters["value"]
    if value is None or isinstance(value, str) != isinstance(wanted, str):
        return False
    return {"eq": value == wanted, "ne": value != wanted, "gte": value >= wanted, "lte": value <= wanted}[
        filters["type"]
    ]
