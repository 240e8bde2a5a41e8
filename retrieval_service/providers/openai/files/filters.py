"""Says our conditions in OpenAI's filter language, and which of them it has no words for.

A filter never hides a document that meets the conditions. It may let others pass, for example documents with
more tags than there are attributes, so hits are checked again where the whole document is known.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from retrieval_service.domain.retrieval.filters import Conditions
from retrieval_service.domain.sync.remote_files import AttributeValue
from retrieval_service.providers.openai.files.attributes import (
    METADATA_PREFIX,
    MORE_METADATA,
    MORE_TAGS,
    TAG_KEYS,
    TENANT_ID,
    fits,
)
from retrieval_service.text import exact_json

if TYPE_CHECKING:
    # The SDK loads slowly, and nothing here needs it.
    from openai.types.shared_params import ComparisonFilter, CompoundFilter

Filter: TypeAlias = "ComparisonFilter | CompoundFilter"
Comparison: TypeAlias = Literal["eq", "gte", "lte"]


@dataclass(frozen=True, kw_only=True)
class Translation:
    """`spoken` is None when nothing is to be said; `unspoken` names what cannot be, for example `sections`."""

    spoken: Filter | None
    unspoken: tuple[str, ...] = ()


def translation(conditions: Conditions) -> Translation:
    """All conditions must hold, as in our own search; a document must have every one of the tags."""
    said = list(_each(conditions))
    return Translation(
        spoken=_all_of([spoken for _, spoken in said if spoken]),
        unspoken=tuple(name for name, spoken in said if spoken is None),
    )


def _each(conditions: Conditions) -> Iterator[tuple[str, Filter | None]]:
    """Every condition by name, with None for what cannot be said."""
    if conditions.tenant_id is not None:
        yield "tenant_id", _compared("eq", TENANT_ID, str(conditions.tenant_id))
    named = {
        "source_types": ("source_type", conditions.source_types),
        "sections": ("section", conditions.sections),
        "languages": ("language", conditions.languages),
    }
    for name, (key, values) in named.items():
        if values:
            # A document without the value has no attribute that could be asked for.
            yield name, _one_of(key, values) if all(values) else None
    for tag in conditions.tags:
        yield "tags", _tagged(tag)
    for condition in conditions.metadata:
        yield f"metadata.{condition['key']}", _metadata(condition)


def _tagged(tag: str) -> Filter:
    return _any_of([*(_compared("eq", key, tag) for key in TAG_KEYS), _compared("eq", MORE_TAGS, True)])


def _metadata(condition: Mapping[str, Any]) -> Filter | None:
    """Documents whose key or value fits in no attribute are marked, and the mark lets them pass."""
    marked = _compared("eq", MORE_METADATA, True)
    if "any" in condition:
        return _any_of([*_fitting(condition["key"], condition["any"]), marked])
    between = _between(condition)
    if between is None:
        return None
    return _any_of([between, marked]) if fits(condition["key"], 0) else marked


def _fitting(key: str, values: Sequence[AttributeValue]) -> Iterator[Filter]:
    return (_compared("eq", METADATA_PREFIX + key, value) for value in values if fits(key, value))


def _between(condition: Mapping[str, Any]) -> Filter | None:
    """Both bounds belong to the range; without any there is nothing to compare."""
    key = METADATA_PREFIX + condition["key"]
    bounds: list[Filter] = []
    if "lower" in condition:
        bounds.append(_compared("gte", key, _float_beside(condition["lower"], -math.inf)))
    if "upper" in condition:
        bounds.append(_compared("lte", key, _float_beside(condition["upper"], math.inf)))
    return _all_of(bounds)


def _float_beside(bound: float | Decimal, outward: float) -> float:
    """The bound itself, or the next float outside of the range: no document may be hidden."""
    if exact_json.is_safe(bound):
        return float(bound)
    nearest = _finite(bound)
    return nearest if nearest == bound else _finite(math.nextafter(nearest, outward))


def _finite(number: float | Decimal) -> float:
    return float(min(max(number, -sys.float_info.max), sys.float_info.max))


def _one_of(key: str, values: Sequence[AttributeValue]) -> Filter:
    return _any_of([_compared("eq", key, value) for value in values])


def _all_of(filters: Sequence[Filter]) -> Filter | None:
    if len(filters) < 2:
        return filters[0] if filters else None
    return {"type": "and", "filters": list(filters)}


def _any_of(filters: Sequence[Filter]) -> Filter:
    return filters[0] if len(filters) == 1 else {"type": "or", "filters": list(filters)}


def _compared(kind: Comparison, key: str, value: AttributeValue) -> ComparisonFilter:
    return {"type": kind, "key": key, "value": value}
