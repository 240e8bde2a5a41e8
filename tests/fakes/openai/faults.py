"""What goes wrong between the fake and its client, before any resource has its say."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Drop(StrEnum):
    """The connection dies without an answer, and the request had its effect or had not."""

    BEFORE_EFFECT = "before_effect"
    AFTER_EFFECT = "after_effect"


@dataclass(kw_only=True)
class Fault:
    """Befalls `times` requests whose path ends with the pattern `path`, after `skips` that it lets through.

    `method` None means any. `delay_seconds` comes before the first byte, `hangs` is a delay until `released`
    is set, if ever.
    Without `status` and `drop` the request is then answered as usual.
    """

    path: str
    method: str | None = None
    times: int = 1
    skips: int = 0
    delay_seconds: float = 0.0
    hangs: bool = False
    released: asyncio.Event = field(default_factory=asyncio.Event)
    drop: Drop | None = None
    status: int | None = None
    code: str | None = None
    kind: str = "server_error"
    message: str = "injected"
    headers: Mapping[str, str] = field(default_factory=dict)

    def is_for(self, path: str, method: str | None) -> bool:
        return self.method in (None, method) and re.search(f"(?:{self.path})$", path) is not None


class Faults:
    """The faults still to come."""

    def __init__(self) -> None:
        self._pending: list[Fault] = []

    @property
    def are_spent(self) -> bool:
        return not self._pending

    def add(self, fault: Fault) -> None:
        self._pending.append(fault)

    def clear(self) -> None:
        self._pending.clear()

    def take(self, path: str, method: str | None = None) -> Fault | None:
        """The oldest fault for a request, spent once; None while that one lets requests through."""
        meant = (fault for fault in self._pending if fault.is_for(path, method))
        fault = next(meant, None)
        if fault and fault.skips > 0:
            fault.skips -= 1
            return None
        if fault:
            self._spend(fault)
        return fault

    def _spend(self, fault: Fault) -> None:
        fault.times -= 1
        if fault.times <= 0:
            self._pending.remove(fault)
